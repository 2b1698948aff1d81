#[selfup::main(max_draining = 0)]
async fn prog(_: selfup::State) {}
