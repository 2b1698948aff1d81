#[selfup::main(flavor = "threaded_scheduler")]
async fn prog(_: selfup::State) {}
