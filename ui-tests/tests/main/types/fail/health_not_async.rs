#[selfup::main(health = |_| Ok::<(), String>(()))]
async fn prog(_: selfup::State) {}
