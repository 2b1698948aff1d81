#[selfup::main(address = [":3000?name=a", ":3000?name=b&backlog=5"])]
async fn prog(_: selfup::State) {}
