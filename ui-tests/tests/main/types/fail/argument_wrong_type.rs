#[selfup::main]
async fn prog(_: String) {}
