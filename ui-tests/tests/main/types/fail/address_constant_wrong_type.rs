#[selfup::main(address = PORT)]
async fn prog(_: selfup::State) {}

const PORT: u16 = 3000;
