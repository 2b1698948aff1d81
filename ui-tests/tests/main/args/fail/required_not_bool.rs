#[selfup::main(required = "yes")]
async fn prog(_: selfup::State) {}
