#[selfup::main(adress = ":3000")]
async fn prog(_: selfup::State) {}
