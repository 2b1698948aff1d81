//! Small objects that are published beside the binary: its signature, or its digest.

use std::sync::Arc;

use object_store::path::Path;

use super::opened::Opened;
use crate::error::BoxError;
use crate::fetcher::http::sibling;
use crate::fetcher::web::url::fill;
use crate::fetcher::{Current, Download, Fetched};

/// What is asked for beside a binary.
#[derive(Debug)]
pub(super) struct Beside {
    pub(super) sha256: Option<Place>,
    /// `None` is a mistake.
    pub(super) signature: Option<Place>,
}

/// Where such an object is.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    key: Path,
    /// Whether it is about one binary alone.
    is_its_own: bool,
}

impl Beside {
    /// What is asked for where nothing is said: the signature, where it usually is.
    pub(super) fn of(binary: Option<&Path>) -> Self {
        let signature = binary.and_then(|binary| Place::of(binary, ".minisig").ok());
        Self { sha256: None, signature }
    }

    /// Adds to the `download` of a binary that is new what is published beside it.
    pub(super) async fn complete(
        &self,
        mut download: Download,
        current: &Current,
        binary: &Arc<Opened>,
    ) -> Result<Fetched, BoxError> {
        if let Some(Place { key, is_its_own }) = &self.sha256 {
            let (answer, shown) = (binary.ask_beside(key).await?, binary.shown(key));
            let name = binary.file_name();
            let digest = sibling::digest(answer, &shown, &name, *is_its_own, binary.patience());
            download = download.sha256(*digest.await?.as_bytes());
        }
        if let Some(Place { key, .. }) = &self.signature
            && current.wants_signature()
        {
            let (answer, shown) = (binary.ask_beside(key).await?, binary.shown(key));
            download.signature = sibling::signature(answer, &shown, binary.patience()).await?;
        }
        Ok(Fetched::Binary(download))
    }
}

impl Place {
    /// The object at `place`, as seen from the `binary`; or the mistake in `place`.
    pub(super) fn of(binary: &Path, place: &str) -> Result<Self, String> {
        let is_its_own = place.starts_with('.') && !place.contains('/');
        let expected = "expected \".suffix\", the name of an object beside the binary, or \"/\" and its \
                        key";
        if place.trim().is_empty() || place.contains("://") {
            return Err(expected.to_owned());
        }
        let binary = binary.as_ref();
        let key = match (is_its_own, place.strip_prefix('/')) {
            (true, _) => format!("{binary}{}", fill(place)?),
            (false, Some(key)) => fill(key)?,
            (false, None) => {
                let beside = binary.rsplit_once('/').map_or("", |(beside, _)| beside);
                format!("{beside}/{}", fill(place)?)
            }
        };
        Ok(Self { key: parsed(&key)?, is_its_own })
    }
}

/// The key that `text` is once its placeholders are filled, or the mistake in it.
pub(super) fn path(text: &str) -> Result<Path, String> {
    parsed(&fill(text)?)
}

fn parsed(key: &str) -> Result<Path, String> {
    let wrong = |words: &str| {
        Err(format!("{key:?} is not the key of an object: {words}; expected one such as \"myapp\""))
    };
    match Path::parse(key) {
        Ok(_) if key.ends_with('/') => wrong("it ends with a `/`"),
        Ok(path) if path.as_ref().is_empty() => wrong("it is empty"),
        Ok(path) if path.as_ref().len() > LONGEST_KEY => wrong("it is longer than 1024 bytes"),
        Ok(path) => Ok(path),
        Err(_) => wrong("a part of it is empty, `.` or `..`, or has a control character in it"),
    }
}

/// In bytes, for all of them.
const LONGEST_KEY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn of(binary: &str, place: &str) -> Result<(String, bool), String> {
        let place = Place::of(&path(binary).unwrap(), place)?;
        Ok((place.key.to_string(), place.is_its_own))
    }

    #[test]
    fn a_suffix_goes_behind_the_key_and_all_else_is_beside_it_or_a_key() {
        for (place, key, is_its_own) in [
            (".minisig", "x/my app.minisig", true),
            ("SHA256SUMS", "x/SHA256SUMS", false),
            ("sums/all", "x/sums/all", false),
            ("/sums", "sums", false),
            ("/.sums", ".sums", false),
        ] {
            assert_eq!(of("x/my app", place), Ok((key.to_owned(), is_its_own)), "{place}");
        }
        assert_eq!(of("app", "SHA256SUMS"), Ok(("SHA256SUMS".to_owned(), false)));
        let filled = of("app", "sums-{os}").unwrap().0;
        assert_eq!(filled, format!("sums-{}", std::env::consts::OS));
    }

    #[test]
    fn what_no_object_can_be_called_is_a_mistake() {
        for place in ["", " ", "https://a.example/sums", "../sums", "a//b", "/", "a/", "x\n"] {
            assert!(of("x/app", place).is_err(), "{place:?}");
        }
        for key in ["", "/", "a//b", "a/../b", "a/", "a\0", "{triple}", "{os", &"a".repeat(1025)] {
            assert!(path(key).is_err(), "{key:?}");
        }
        let words = path("a//b").unwrap_err();
        assert!(
            words.starts_with("\"a//b\" is not the key of an object: a part of it is"),
            "{words}"
        );
    }

    #[test]
    fn placeholders_in_a_key_are_filled() {
        let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
        assert_eq!(path("{os}/{arch}/app").unwrap().as_ref(), format!("{os}/{arch}/app"));
    }
}
