macro_rules! program {
    ($name:ident, $state:ty, $address:expr, $url:literal, $hook:expr, $flag:expr) => {
        #[selfup::main(
            address = $address,
            fetcher = http($url, interval = concat!("1", "h"), header = ("a", $url)),
            pre_upgrade = $hook,
            no_warn = $flag,
        )]
        async fn $name(_: $state) {}
    };
}

program!(prog, selfup::State, "127.0.0.1:0", "http://127.0.0.1:9/app", |_| Ok::<(), String>(()), true);
