#[selfup::main]
async fn prog(_: impl Into<selfup::State>) {}
