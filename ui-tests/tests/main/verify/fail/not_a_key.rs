#[selfup::main(fetcher = file("/srv/app"), verify = "abc")]
async fn prog(_: selfup::State) {}
