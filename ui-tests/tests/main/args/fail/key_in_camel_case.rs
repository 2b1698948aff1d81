#[selfup::main(restartSignal = "SIGHUP")]
async fn prog(_: selfup::State) {}
