#[selfup::main]
async fn prog(_: &selfup::State) {}
