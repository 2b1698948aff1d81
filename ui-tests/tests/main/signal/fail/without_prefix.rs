#[selfup::main(restart_signal = "USR2")]
async fn prog(_: selfup::State) {}
