#[selfup::main(version = "1.2")]
async fn prog(_: selfup::State) {}
