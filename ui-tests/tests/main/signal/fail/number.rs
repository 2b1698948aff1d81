#[selfup::main(restart_signal = 12)]
async fn prog(_: selfup::State) {}
