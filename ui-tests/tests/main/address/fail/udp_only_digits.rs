#[selfup::main(address = "udp:5353")]
async fn prog(_: selfup::State) {}
