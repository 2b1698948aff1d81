#[selfup::main(on_event = |event: String| drop(event))]
async fn prog(_: selfup::State) {}
