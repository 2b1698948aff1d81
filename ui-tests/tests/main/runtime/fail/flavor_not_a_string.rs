#[selfup::main(flavor = current_thread)]
async fn prog(_: selfup::State) {}
