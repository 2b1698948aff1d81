mod dependencies {
    pub(crate) use selfup as up;
}

#[selfup::main(
    crate = crate::dependencies::up,
    address = "127.0.0.1:0",
    fetcher = http("http://127.0.0.1:9/app", interval = "1h"),
)]
async fn prog(_: dependencies::up::State) {}
