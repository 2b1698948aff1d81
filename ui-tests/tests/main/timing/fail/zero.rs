#[selfup::main(terminate_timeout = "0s")]
async fn prog(_: selfup::State) {}
