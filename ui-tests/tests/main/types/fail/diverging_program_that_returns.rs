#[selfup::main]
async fn prog() -> ! {}
