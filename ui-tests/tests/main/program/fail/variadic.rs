#[selfup::main]
fn prog(_: selfup::State, _: ...) {}
