#[selfup::main(fetcher = file("/srv/app", header = ("a", "b")))]
async fn prog(_: selfup::State) {}
