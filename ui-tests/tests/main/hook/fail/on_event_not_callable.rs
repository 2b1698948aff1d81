#[selfup::main(on_event = [notify])]
async fn prog(_: selfup::State) {}
