#[selfup::main(no_restart_after_fetch)]
async fn prog(_: selfup::State) {}
