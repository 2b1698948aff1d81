//! TLS with ring, and whom we trust: the authorities of the system, and the one that the user names.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;

use crate::error::{Context as _, Error, ErrorKind, Result};

/// A config that trusts the system and the certificates in the file `ca`; or nobody, and the reason.
///
/// The provider is given to this config alone: the process's default one is the program's choice.
pub(super) fn config(ca: Option<&Path>) -> Result<(ClientConfig, Option<rustls::Error>)> {
    let own = ca.map_or(Ok(Vec::new()), certificates)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .context(ErrorKind::Fetch, || "no TLS client could be made")?;
    let (config, distrust) = match Verifier::new_with_extra_roots(own, provider) {
        Ok(verifier) => {
            let builder = builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier));
            (builder, None)
        }
        Err(error) => match ca {
            Some(path) => return Err(bad(path, "has a certificate that is none").caused_by(error)),
            None => (builder.with_root_certificates(RootCertStore::empty()), Some(error)),
        },
    };
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok((config, distrust))
}

/// The certificates in the file at `path`.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let mut text = Vec::new();
    File::open(path)
        .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text))
        .context(ErrorKind::Fetch, || format!("`ca`: {} cannot be read", path.display()))?;
    if text.len() as u64 > LONGEST {
        return Err(bad(path, &format!("is longer than {LONGEST} bytes")));
    }
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let certificates = read.map_err(|error| bad(path, "is no PEM").caused_by(error))?;
    if certificates.is_empty() {
        return Err(bad(path, "has no certificate in it"));
    }
    Ok(certificates)
}

fn bad(path: &Path, what: &str) -> Error {
    let expected = "expected certificates as PEM, which begin with `-----BEGIN CERTIFICATE-----`";
    Error::new(ErrorKind::Fetch, format!("`ca`: {} {what}; {expected}", path.display()))
}

/// In bytes: four times what a system has of all authorities of the world.
const LONGEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::*;

    fn fails(text: &[u8]) -> String {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let error = config(Some(file.path())).err().unwrap().chain();
        let place = format!("`ca`: {} ", file.path().display());
        let words = error.strip_prefix(&place).unwrap_or_else(|| panic!("{error}"));
        words.split_once("; expected certificates as PEM").unwrap().0.to_owned()
    }

    #[test]
    fn a_file_that_has_no_certificates_says_what_it_has() {
        assert_eq!(fails(b""), "has no certificate in it");
        assert_eq!(fails(b"\x30\x82\x01\x0a"), "has no certificate in it");
        assert_eq!(fails(b"-----BEGIN CERTIFICATE-----\nAAAA\n"), "is no PEM");
        let none = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(fails(none), "has a certificate that is none");
        assert_eq!(fails(&vec![b'\n'; 1024 * 1024 + 1]), "is longer than 1048576 bytes");
        let error = config(Some(Path::new("/nowhere/ca.pem"))).err().unwrap().chain();
        assert!(error.starts_with("`ca`: /nowhere/ca.pem cannot be read: No such"), "{error}");
    }

    #[test]
    fn the_certificates_of_a_file_are_trusted_where_the_system_has_none_too() {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let (file, text) = (tempfile::NamedTempFile::new().unwrap(), made.cert.der());
        let text = BASE64_STANDARD.encode(text);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n");
        std::fs::write(file.path(), pem).unwrap();
        let (config, distrust) = config(Some(file.path())).unwrap();
        assert_eq!(config.alpn_protocols, [b"h2".to_vec(), b"http/1.1".to_vec()]);
        assert!(distrust.is_none());
    }
}
