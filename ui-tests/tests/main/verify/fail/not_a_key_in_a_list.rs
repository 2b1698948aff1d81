#[selfup::main(fetcher = file("/srv/app"), verify = [KEY, "RWQf6LRCGA9i53mlYecO4Iz"])]
async fn prog(_: selfup::State) {}
