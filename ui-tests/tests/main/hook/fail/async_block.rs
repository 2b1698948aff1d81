#[selfup::main(init = async {})]
async fn prog(_: selfup::State) {}
