#[selfup::main(ready_timeout = "9999999999999999h")]
async fn prog(_: selfup::State) {}
