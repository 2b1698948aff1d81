#[selfup::main(debug(true))]
async fn prog(_: selfup::State) {}
