#[selfup::main(worker_threads = 0)]
async fn prog(_: selfup::State) {}
