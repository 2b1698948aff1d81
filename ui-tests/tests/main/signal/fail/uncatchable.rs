#[selfup::main(restart_signal = "SIGKILL")]
async fn prog(_: selfup::State) {}
