#[selfup::main]
async fn prog() -> String {
    String::new()
}
