#[selfup::main(address = ":3000?colour=red")]
async fn prog(_: selfup::State) {}
