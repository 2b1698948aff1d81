//! What is the same for every fetcher that asks over a network.

use super::*;

/// A label has 63 characters at most (RFC 1035, section 2.3.4), so nobody is asked for it, not even
/// where there is a name server.
const NOWHERE: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.test";

/// Each of them, with `host` for its own, past the proxies of the environment.
fn asking(host: &str) -> Vec<(&'static str, BoxFetcher)> {
    let url = format!("http://{host}/");
    vec![
        ("http", boxed(http(format!("{url}app")).proxy("none"))),
        #[cfg(feature = "github")]
        ("github", boxed(github("owner/app").base(&url).allow_http(true).proxy("none"))),
        #[cfg(feature = "gitlab")]
        ("gitlab", boxed(gitlab("owner/app").base(&url).allow_http(true).proxy("none"))),
        #[cfg(feature = "gitea")]
        ("gitea", boxed(gitea("owner/app").base(&url).allow_http(true).proxy("none"))),
        #[cfg(feature = "s3")]
        (
            "s3",
            boxed(
                s3("releases", "app")
                    .region("eu-central-1")
                    .access_key("myapp", "swordfish")
                    .endpoint(&url)
                    .allow_http(true)
                    .proxy("none"),
            ),
        ),
        #[cfg(feature = "gcs")]
        (
            "gcs",
            boxed(
                gcs("releases", "app")
                    .anonymous(true)
                    .endpoint(&url)
                    .allow_http(true)
                    .proxy("none"),
            ),
        ),
        #[cfg(feature = "azure")]
        (
            "azure",
            boxed(
                azure("releases", "app")
                    .account("myapp")
                    .anonymous(true)
                    .endpoint(&url)
                    .allow_http(true)
                    .proxy("none"),
            ),
        ),
    ]
}

#[tokio::test]
async fn a_host_that_nobody_resolves_is_an_error_that_names_it_and_the_mirror_is_asked_at_once() {
    let current = Current::new(BinaryId::from_bytes([0; 32]));
    for (name, mut fetcher) in asking(NOWHERE) {
        fetcher.check().unwrap_or_else(|error| panic!("{name}: {error}"));
        // What failed once is asked for again.
        for _ in 0..2 {
            let error = fetcher.fetch(&current).await.expect_err("it is nowhere");
            let words = crate::error::chain(&*error);
            assert!(words.contains(NOWHERE), "{name}: {words}");
            assert!(words.contains("dns error"), "{name}: {words}");
            assert_eq!(RetryAfter::within(&*error), None, "{name}");
        }
        let mirror =
            from_fn(|_| async { Ok::<_, BoxError>(Fetched::Binary(Download::new(&b"app"[..]))) });
        let fetched = fallback(fetcher, mirror).fetch(&current).await;
        assert!(matches!(fetched, Ok(Fetched::Binary(_))), "{name}: {fetched:?}");
    }
}
