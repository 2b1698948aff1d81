#[selfup::main(address = struct, debug)]
async fn prog(_: selfup::State) {}
