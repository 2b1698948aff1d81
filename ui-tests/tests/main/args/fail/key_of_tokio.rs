#[selfup::main(flavour = "multi_thread")]
async fn prog(_: selfup::State) {}
