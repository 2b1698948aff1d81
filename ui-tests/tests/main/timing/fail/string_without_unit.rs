#[selfup::main(terminate_timeout = "30")]
async fn prog(_: selfup::State) {}
