#[selfup::main(flavor = "current_thread")]
fn prog(_: selfup::State) {}
