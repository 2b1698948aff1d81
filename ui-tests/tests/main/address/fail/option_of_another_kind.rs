#[selfup::main(address = ":3000?mode=0660")]
async fn prog(_: selfup::State) {}
