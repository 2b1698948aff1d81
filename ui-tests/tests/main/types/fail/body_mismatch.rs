#[selfup::main]
async fn prog(_: selfup::State) {
    let port: u16 = "3000";
    let _ = port;
}
