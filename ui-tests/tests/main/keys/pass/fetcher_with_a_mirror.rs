#[selfup::main(fetcher = fallback(
    http("https://example.com/app", interval = "1m"),
    fallback(mine(), file("/srv/app", interval = "1s")),
))]
async fn prog(_: selfup::State) {}

fn mine() -> selfup::fetcher::BoxFetcher {
    selfup::fetcher::boxed(selfup::fetcher::file("/mnt/app"))
}
