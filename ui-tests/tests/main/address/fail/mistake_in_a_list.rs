#[selfup::main(address = [":3000", "3001", ":3002"])]
async fn prog(_: selfup::State) {}
