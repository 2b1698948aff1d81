#[selfup::main(overlap = "no")]
async fn prog(_: selfup::State) {}
