#[selfup::main(ready = "automatic")]
async fn prog(_: selfup::State) {}
