#[selfup::main(crate = ::elsewhere)]
async fn prog(_: selfup::State) {}
