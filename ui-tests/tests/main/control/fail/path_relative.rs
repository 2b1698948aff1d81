#[selfup::main(control = "run/app.sock")]
async fn prog(_: selfup::State) {}
