//! A small file beside the binary: its signature, or its digest.
//!
//! It is read only when the binary is about to be delivered. Both are never of one moment; where
//! they do not belong together, the binary is refused, and looked at again when either changes.

use std::ffi::OsString;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::place::{fault, open_at_once};
use crate::error::Result;
use crate::fetcher::checksums::{self, LONGEST_CHECKSUMS};
use crate::fetcher::{LONGEST_SIGNATURE, Signature};
use crate::identity::BinaryId;

/// Where such a file is, as seen from the binary.
#[derive(Debug)]
pub(super) struct Beside {
    place: PathBuf,
    /// Whether it is about one binary alone: what is put behind the binary's name.
    is_its_own: bool,
}

impl Beside {
    /// The file at `place`, or the mistake in it.
    pub(super) fn of(place: impl Into<PathBuf>) -> Result<Self, &'static str> {
        let place = place.into();
        if place.file_name().is_none() {
            return Err("expected \".suffix\", the name of a file, or a path");
        }
        let bytes = place.as_os_str().as_encoded_bytes();
        let is_its_own = bytes.starts_with(b".") && !bytes.contains(&b'/');
        Ok(Self { place, is_its_own })
    }

    /// Its path, for the binary at `binary`.
    fn path(&self, binary: &Path) -> PathBuf {
        if self.is_its_own {
            let mut path = binary.as_os_str().to_owned();
            path.push(&self.place);
            return path.into();
        }
        binary.parent().unwrap_or(Path::new("")).join(&self.place)
    }

    /// Its name, if it is in the directory of `binary`.
    pub(super) fn name(&self, binary: &Path) -> Option<OsString> {
        let path = self.path(binary);
        (path.parent() == binary.parent()).then(|| path.file_name().map(ToOwned::to_owned))?
    }

    /// The digest that it tells of `binary`.
    pub(super) fn digest(&self, binary: &Path) -> Result<BinaryId> {
        let path = self.path(binary);
        let Some(text) = read(&path, LONGEST_CHECKSUMS)? else {
            return Err(fault(
                &path,
                "is not there; expected the SHA-256 of the binary: publish it there, or leave \
                 `sha256` out",
            ));
        };
        if text.len() > LONGEST_CHECKSUMS {
            let words =
                format!("has more than {LONGEST_CHECKSUMS} bytes; expected SHA-256 digests");
            return Err(fault(&path, words));
        }
        let name = binary.file_name().unwrap_or_default().to_string_lossy();
        let found = checksums::find(&text, &name, self.is_its_own);
        found.map_err(|words| fault(&path, format!("is of no use: {words}")))
    }

    /// The signature of `binary`, if there is one.
    pub(super) fn signature(&self, binary: &Path) -> Result<Signature> {
        let path = self.path(binary);
        Ok(match read(&path, LONGEST_SIGNATURE)? {
            Some(text) => Signature::Given(text),
            None => Signature::Missing(format!("file {} is not there", path.display())),
        })
    }
}

/// What is in the file at `path`, if there is one: so much, and a byte more where there is more.
fn read(path: &Path, longest: usize) -> Result<Option<String>> {
    let read = open_at_once(path).and_then(|file| {
        if !file.metadata()?.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        let mut bytes = Vec::new();
        file.take(longest as u64 + 1).read_to_end(&mut bytes)?;
        Ok(bytes)
    });
    match read {
        Ok(bytes) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => {
            let words = "cannot be read; the user of this service must be able to";
            Err(fault(path, words).caused_by(error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_goes_behind_the_name_and_all_else_is_a_path() {
        for (place, path, name) in [
            (".minisig", "/srv/app.minisig", Some("app.minisig")),
            ("SHA256SUMS", "/srv/SHA256SUMS", Some("SHA256SUMS")),
            ("sums/app", "/srv/sums/app", None),
            ("../sums", "/srv/../sums", None),
            ("/etc/sums", "/etc/sums", None),
        ] {
            let (beside, binary) = (Beside::of(place).unwrap(), Path::new("/srv/app"));
            assert_eq!(beside.path(binary), Path::new(path));
            assert_eq!(beside.name(binary).as_deref(), name.map(AsRef::as_ref));
        }
        assert_eq!(Beside::of("sums").unwrap().path(Path::new("app")), Path::new("sums"));
        for place in ["", "/", ".."] {
            Beside::of(place).unwrap_err();
        }
    }
}
