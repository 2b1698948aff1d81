#[selfup::main(address = [":3000", "127.0.0.1:3000"])]
async fn prog(_: selfup::State) {}
