#[selfup::main(restart_signal = "SIGUSR3")]
async fn prog(_: selfup::State) {}
