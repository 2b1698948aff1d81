#[selfup::main]
async fn prog(_: selfup::State) {}

fn main() {}
