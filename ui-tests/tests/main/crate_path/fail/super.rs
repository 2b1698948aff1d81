#[selfup::main(crate = super::up)]
async fn prog(_: selfup::State) {}
