use selfup::fetcher::Http;

fn http(path: &str) -> Http {
    selfup::fetcher::http(format!("http://127.0.0.1:9/{path}"))
}

#[selfup::main(fetcher = self::http("app"))]
async fn prog(_: selfup::State) {}
