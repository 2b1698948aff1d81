#[selfup::main("https://example.com/app")]
async fn prog(_: selfup::State) {}
