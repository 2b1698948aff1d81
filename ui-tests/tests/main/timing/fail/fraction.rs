#[selfup::main(probation = "1.5s")]
async fn prog(_: selfup::State) {}
