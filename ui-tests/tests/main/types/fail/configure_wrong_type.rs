#[selfup::main(configure = |builder| drop(builder))]
async fn prog(_: selfup::State) {}
