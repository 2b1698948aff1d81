#[selfup::main(address = "300.0.0.1:3000")]
async fn prog(_: selfup::State) {}
