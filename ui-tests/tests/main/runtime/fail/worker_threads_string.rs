#[selfup::main(worker_threads = "4")]
async fn prog(_: selfup::State) {}
