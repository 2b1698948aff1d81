#[selfup::main(terminate_timeout = 20 + 10)]
async fn prog(_: selfup::State) {}
