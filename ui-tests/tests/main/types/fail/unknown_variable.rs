#[selfup::main(address = LISTEN)]
async fn prog(_: selfup::State) {}
