// The arguments and the function are read independently: two mistakes, two errors.
#[selfup::main(address = "3000")]
async fn prog(_: &selfup::State) {}
