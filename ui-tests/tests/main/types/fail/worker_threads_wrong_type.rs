#[selfup::main(worker_threads = "4".len() as u8)]
async fn prog(_: selfup::State) {}
