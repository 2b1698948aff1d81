#[selfup::main]
#[tokio::main]
async fn prog(_: selfup::State) {}
