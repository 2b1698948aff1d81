#[selfup::main(fetcher = http("https://example.com/app"), pre_upgrade = async |_| Ok::<(), String>(()))]
async fn prog(_: selfup::State) {}
