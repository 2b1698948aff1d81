#[selfup::main(terminate_timeout = "30 parsecs")]
async fn prog(_: selfup::State) {}
