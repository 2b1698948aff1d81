#[selfup::main(fetcher = |_| async { Ok(()) })]
async fn prog(_: selfup::State) {}
