#[selfup::main(health = "http://localhost:3000/health")]
async fn prog(_: selfup::State) {}
