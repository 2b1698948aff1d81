#[selfup::main(init = 3)]
async fn prog(_: selfup::State) {}
