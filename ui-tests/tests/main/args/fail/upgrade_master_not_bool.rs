#[selfup::main(upgrade_master = 0)]
async fn prog(_: selfup::State) {}
