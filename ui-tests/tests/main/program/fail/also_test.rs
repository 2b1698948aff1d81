#[selfup::main]
#[test]
fn prog() {}
