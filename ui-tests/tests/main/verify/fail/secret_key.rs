#[selfup::main(fetcher = file("/srv/app"), verify = "RWRTY0IyAAAAAAAA")]
async fn prog(_: selfup::State) {}
