#[selfup::main(address = "unix:run/app.sock")]
async fn prog(_: selfup::State) {}
