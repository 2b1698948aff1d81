#[selfup::main(health = |_| async { true })]
async fn prog(_: selfup::State) {}
