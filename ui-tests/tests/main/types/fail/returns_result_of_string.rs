#[selfup::main]
async fn prog() -> Result<Vec<u8>, String> {
    Ok(Vec::new())
}
