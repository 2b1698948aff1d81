#[selfup::main(fetcher = file("/srv/app"), verify = 7)]
async fn prog(_: selfup::State) {}
