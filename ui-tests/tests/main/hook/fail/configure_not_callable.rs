#[selfup::main(configure = "fast")]
async fn prog(_: selfup::State) {}
