#[selfup::main(restart_signal = "SIGPIPE")]
async fn prog(_: selfup::State) {}
