#[selfup::main(pre_upgrade = |_| Ok::<(), String>(()))]
async fn prog(_: selfup::State) {}
