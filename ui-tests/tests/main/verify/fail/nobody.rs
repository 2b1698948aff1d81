#[selfup::main(fetcher = file("/srv/app"), verify = [])]
async fn prog(_: selfup::State) {}
