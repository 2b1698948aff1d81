#[selfup::main(fetcher = "/srv/releases/app")]
async fn prog(_: selfup::State) {}
