#[selfup::main(debug = std::env::args().count())]
async fn prog(_: selfup::State) {}
