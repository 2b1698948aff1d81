#[selfup::main]
fn prog(self) {}
