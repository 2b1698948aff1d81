// #[selfup::main(address = "3000")]
// #[tokio::main]
// async fn main() { work().await }

fn main() {
    #[allow(dead_code)]
    async fn main() {
        work().await
    }
}
::core::compile_error! {
    "\"3000\" is not an address; did you mean \":3000\"?"
}
::core::compile_error! {
    "`#[selfup::main]` starts the runtime itself; remove `#[tokio::main]` (its options `flavor` and `worker_threads` are accepted here)"
}
