#[selfup::main(init = || ())]
async fn prog(_: selfup::State) {}
