#[selfup::main(control = "/run/app.sock?group=ops")]
async fn prog(_: selfup::State) {}
