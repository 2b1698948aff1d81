#[selfup::main(name = std::env::args().next().unwrap())]
async fn prog(_: selfup::State) {}
