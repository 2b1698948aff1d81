#[selfup::main(worker_threads = 4)]
fn prog(_: selfup::State) {}
