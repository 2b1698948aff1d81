#[selfup::main(address = [":3000?name=web", ":3001?name=web"])]
async fn prog(_: selfup::State) {}
