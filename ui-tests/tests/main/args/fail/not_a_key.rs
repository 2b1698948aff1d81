#[selfup::main(= ":3000")]
async fn prog(_: selfup::State) {}
