#[selfup::main(address = [":3000", "[::1]:3001", ":3000"])]
async fn prog(_: selfup::State) {}
