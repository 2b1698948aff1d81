const LOCAL: &str = "127.0.0.1:0";

#[selfup::main(address = [LOCAL, concat!("127.0.0.1", ":0")], name = concat!("company", "/", "app"))]
async fn prog(_: selfup::State) {}
