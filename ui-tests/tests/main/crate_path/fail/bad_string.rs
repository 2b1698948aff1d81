#[selfup::main(crate = "1bad")]
async fn prog(_: selfup::State) {}
