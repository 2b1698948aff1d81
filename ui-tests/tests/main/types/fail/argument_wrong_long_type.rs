#[selfup::main]
async fn prog(_: std::collections::HashMap<u8, Vec<u8>>) {}
