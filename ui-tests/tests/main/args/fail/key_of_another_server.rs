#[selfup::main(port = 3000)]
async fn prog(_: selfup::State) {}
