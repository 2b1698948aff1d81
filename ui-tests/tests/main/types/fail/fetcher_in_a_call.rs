#[selfup::main(fetcher = wrap(http("https://example.com/app")))]
async fn prog(_: selfup::State) {}

fn wrap<T>(inner: T) -> T {
    inner
}
