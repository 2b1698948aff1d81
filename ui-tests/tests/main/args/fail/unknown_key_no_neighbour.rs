#[selfup::main(colour = "red")]
async fn prog(_: selfup::State) {}
