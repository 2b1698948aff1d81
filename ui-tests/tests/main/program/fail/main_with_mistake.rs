#[selfup::main(address = "3000")]
async fn main(_: selfup::State) {}
