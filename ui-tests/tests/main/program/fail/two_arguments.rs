#[selfup::main]
async fn prog(_: selfup::State, _: u16) {}
