#[selfup::main(address = "unix:/run/app.sock?mode=rw")]
async fn prog(_: selfup::State) {}
