#[selfup::main(health = async { Ok::<(), String>(()) })]
async fn prog(_: selfup::State) {}
