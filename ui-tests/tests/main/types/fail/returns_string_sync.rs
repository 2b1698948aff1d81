#[selfup::main]
fn prog() -> std::string::String {
    String::new()
}
