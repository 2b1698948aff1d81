#[selfup::main(restart_signal = "SIGTERM")]
async fn prog(_: selfup::State) {}
