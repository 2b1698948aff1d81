#[selfup::main(address = "http://127.0.0.1:3000")]
async fn prog(_: selfup::State) {}
