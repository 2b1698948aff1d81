#[selfup::main(address = "::1:3000")]
async fn prog(_: selfup::State) {}
