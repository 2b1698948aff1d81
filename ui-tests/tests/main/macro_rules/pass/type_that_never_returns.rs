#![deny(warnings)]

macro_rules! program {
    ($output:ty, $body:expr) => {
        #[selfup::main]
        async fn prog() -> $output {
            $body
        }
    };
}

program!(!, std::process::exit(0));
