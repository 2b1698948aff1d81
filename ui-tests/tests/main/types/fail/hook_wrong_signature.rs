#[selfup::main(fetcher = http("https://example.com/app"), pre_upgrade = || Ok::<(), String>(()))]
async fn prog(_: selfup::State) {}
