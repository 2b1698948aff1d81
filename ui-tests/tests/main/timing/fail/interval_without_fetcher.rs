#[selfup::main(min_fetch_interval = "1s")]
async fn prog(_: selfup::State) {}
