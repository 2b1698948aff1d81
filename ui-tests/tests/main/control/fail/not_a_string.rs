#[selfup::main(control = 7)]
async fn prog(_: selfup::State) {}
