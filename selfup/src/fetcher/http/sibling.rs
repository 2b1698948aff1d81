//! A small file that is published beside the binary: its signature, or its digest.

use std::time::Duration;

use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};

use crate::error::{BoxError, Error, ErrorKind, Result};
use crate::fetcher::checksums::{self, LONGEST_CHECKSUMS};
use crate::fetcher::web::url::{fill, name_of, redacted};
use crate::fetcher::web::{Answer, Client, Question};
use crate::fetcher::{Current, Fetched, LONGEST_SIGNATURE, Signature};
use crate::identity::BinaryId;

/// What is asked for beside a binary.
#[derive(Debug)]
pub(super) struct Siblings {
    pub(super) sha256: Option<Sibling>,
    /// `None` is a mistake.
    pub(super) signature: Option<Sibling>,
}

impl Siblings {
    /// What is asked for where nothing is said: the signature, where it usually is.
    pub(super) fn of(binary: Option<&Url>) -> Self {
        let signature = binary.and_then(|url| Sibling::of(url, ".minisig").ok());
        Self { sha256: None, signature }
    }

    /// Where they are.
    pub(super) fn urls(&self) -> impl Iterator<Item = &Url> {
        self.sha256.iter().chain(&self.signature).map(|sibling| &sibling.url)
    }

    /// Adds to what the `binary` question has `fetched`, if that is a binary, what is published beside
    /// it.
    pub(super) async fn complete(
        &self,
        fetched: Fetched,
        current: &Current,
        client: &Client,
        binary: &Question<'_>,
    ) -> Result<Fetched, BoxError> {
        let Fetched::Binary(mut download) = fetched else { return Ok(fetched) };
        if let Some(sha256) = &self.sha256 {
            let digest = sha256.digest(client, binary).await?;
            download = download.sha256(*digest.as_bytes());
        }
        if let Some(signature) = &self.signature
            && current.wants_signature()
        {
            download.signature = signature.signature(client, binary).await?;
        }
        Ok(Fetched::Binary(download))
    }
}

/// Where such a file is.
#[derive(Debug)]
pub(super) struct Sibling {
    url: Url,
    /// Whether it is about one binary alone.
    is_its_own: bool,
    /// Whether it is at the scheme, host and port for which the user's headers are.
    is_home: bool,
}

impl Sibling {
    /// The file at `place`, as seen from the binary at `binary`; or the mistake in `place`.
    pub(super) fn of(binary: &Url, place: &str) -> Result<Self, String> {
        let place = fill(place)?;
        let is_its_own = place.starts_with('.') && !place.contains('/');
        let mut url = binary.clone();
        if is_its_own {
            url.set_path(&format!("{}{place}", binary.path()));
        } else {
            let linked = Some(&place).filter(|place| !place.trim().is_empty());
            let linked = linked.and_then(|place| binary.join(place).ok()).filter(Url::has_host);
            // What was written may have a secret in it.
            url = linked.ok_or("expected \".suffix\", the name of a file, or a URL")?;
        }
        match (binary.scheme(), url.scheme()) {
            (_, "https") | ("http", "http") => {}
            ("https", "http") => {
                return Err(
                    "the binary comes by https, and this would not; write `https://`".into()
                );
            }
            (_, scheme) => return Err(format!("a {scheme} URL; expected https or http")),
        }
        let is_home = url.origin() == binary.origin();
        if is_home {
            if url.query().is_none() {
                url.set_query(binary.query());
            }
            if url.username().is_empty() && url.password().is_none() {
                // Neither fails on a URL with a host.
                let _ = url.set_username(binary.username());
                let _ = url.set_password(binary.password());
            }
        }
        url.set_fragment(None);
        Ok(Self { url, is_its_own, is_home })
    }

    /// The digest that is published here of what the `binary` question is for.
    async fn digest(&self, client: &Client, binary: &Question<'_>) -> Result<BinaryId, BoxError> {
        let (answer, name) = (self.ask(client, binary).await?, name_of(binary.url));
        digest(answer, &self.url, &name, self.is_its_own, binary.patience).await
    }

    /// The signature that is published here, if there is one.
    async fn signature(
        &self,
        client: &Client,
        binary: &Question<'_>,
    ) -> Result<Signature, BoxError> {
        signature(self.ask(client, binary).await?, &self.url, binary.patience).await
    }

    async fn ask(&self, client: &Client, binary: &Question<'_>) -> Result<Answer> {
        let (nobodys, patience) = (HeaderMap::new(), binary.patience);
        let headers = if self.is_home { binary.headers } else { &nobodys };
        let range = HeaderMap::new();
        let question = Question { url: &self.url, headers, known: None, range, patience };
        client.ask(Method::GET, &question).await
    }
}

/// The digest of the file `name` that the `answer` to a question for `url` tells, which may be about that
/// file alone.
pub(in crate::fetcher) async fn digest(
    answer: Answer,
    url: &Url,
    name: &str,
    is_its_own: bool,
    patience: Duration,
) -> Result<BinaryId, BoxError> {
    if answer.status() != StatusCode::OK {
        let expected = "the SHA-256 of the binary: publish it there, or leave `sha256` out";
        return Err(answer.unexpected(url, expected));
    }
    let error = |what: String| Error::new(ErrorKind::Fetch, format!("{}: {what}", redacted(url)));
    let text = answer.read(LONGEST_CHECKSUMS, patience).await?;
    if text.len() > LONGEST_CHECKSUMS {
        let words = format!("longer than {LONGEST_CHECKSUMS} bytes; expected SHA-256 digests");
        return Err(error(words).into());
    }
    let found = checksums::find(&String::from_utf8_lossy(&text), name, is_its_own);
    Ok(found.map_err(error)?)
}

/// The signature that the `answer` to a question for `url` is, if there is one: so much of it, and a byte
/// more where there is more.
pub(in crate::fetcher) async fn signature(
    answer: Answer,
    url: &Url,
    patience: Duration,
) -> Result<Signature, BoxError> {
    match answer.status() {
        StatusCode::OK => {
            let text = answer.read(LONGEST_SIGNATURE, patience).await?;
            Ok(Signature::Given(String::from_utf8_lossy(&text).into_owned()))
        }
        // Stores that may not be listed say "forbidden" of what is not there.
        status @ (StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::FORBIDDEN)
            if !answer.is_overload() =>
        {
            Ok(Signature::Missing(format!("{} answered {status}", redacted(url))))
        }
        _ => Err(answer.unexpected(url, "the signature of the binary")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(binary: &str, place: &str) -> Result<(String, bool), String> {
        let sibling = Sibling::of(&binary.parse().unwrap(), place)?;
        Ok((sibling.url.into(), sibling.is_home))
    }

    #[test]
    fn a_suffix_goes_behind_the_path_and_all_else_is_a_link() {
        for (place, url, is_home) in [
            (".minisig", "https://me:secret@a.example/x/app.minisig?k=1", true),
            ("SHA256SUMS", "https://me:secret@a.example/x/SHA256SUMS?k=1", true),
            ("SHA256SUMS?v=2", "https://me:secret@a.example/x/SHA256SUMS?v=2", true),
            ("../sums", "https://me:secret@a.example/sums?k=1", true),
            ("/sums", "https://me:secret@a.example/sums?k=1", true),
            ("https://a.example/sums#2", "https://me:secret@a.example/sums?k=1", true),
            ("https://them@a.example/sums", "https://them@a.example/sums?k=1", true),
            ("https://b.example/sums", "https://b.example/sums", false),
            ("https://a.example:444/sums", "https://a.example:444/sums", false),
            ("//b.example/sums", "https://b.example/sums", false),
        ] {
            let found = of("https://me:secret@a.example/x/app?k=1#f", place);
            assert_eq!(found, Ok((url.to_owned(), is_home)), "{place}");
        }
        assert!(!of("http://a.example/app", "https://a.example/app.sig").unwrap().1);
        let found = of("http://a.example/app", "sums-{os}").unwrap().0;
        assert_eq!(found, format!("http://a.example/sums-{}", std::env::consts::OS));
    }

    #[test]
    fn a_place_that_cannot_be_is_a_mistake() {
        for (place, words) in [
            ("http://a.example/sums", "the binary comes by https, and this would not; write"),
            ("ftp://a.example/sums", "a ftp URL; expected https or http"),
            ("https://", "expected \".suffix\", the name of a file, or a URL"),
            (" ", "expected \".suffix\", the name of a file, or a URL"),
            ("mailto:swordfish", "expected \".suffix\", the name of a file, or a URL"),
            ("{triple}", "unknown placeholder `{triple}`"),
        ] {
            let mistake = of("https://a.example/app", place).unwrap_err();
            assert!(mistake.starts_with(words), "{mistake}");
        }
    }
}
