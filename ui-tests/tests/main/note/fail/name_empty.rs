#[selfup::main(name = "")]
async fn prog(_: selfup::State) {}
