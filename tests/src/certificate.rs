//! Certificates for a test, and nobody else.

use std::path::Path;
use std::sync::Arc;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate of this machine, which it has signed itself, and its key.
#[derive(Debug)]
pub struct Certificate(CertificateDer<'static>, PrivatePkcs8KeyDer<'static>);

impl Certificate {
    /// Makes one, and writes it and its key into `directory`: `cert.der`, `cert.pem` and `key.der`.
    ///
    /// # Panics
    ///
    /// If they cannot be written.
    #[must_use]
    pub fn made_in(directory: &Path) -> Self {
        let names = ["localhost".into(), "127.0.0.1".into(), "releases.test".into()];
        let made = rcgen::generate_simple_self_signed(names).expect("good names");
        let write = |name: &str, bytes: &[u8]| {
            std::fs::write(directory.join(name), bytes).expect("the directory is ours");
        };
        write("cert.der", made.cert.der());
        write("cert.pem", made.cert.pem().as_bytes());
        write("key.der", &made.signing_key.serialize_der());
        Self(made.cert.der().clone(), made.signing_key.serialize_der().into())
    }

    /// A server that has it, and speaks these protocols (ALPN, RFC 7301).
    ///
    /// # Panics
    ///
    /// If the certificate is none.
    #[must_use]
    pub fn server(&self, protocols: &[&str]) -> Arc<ServerConfig> {
        let config = ServerConfig::builder_with_provider(default_provider().into());
        let config = config.with_safe_default_protocol_versions().expect("ring has them");
        let config = config.with_no_client_auth();
        let config = config.with_single_cert(vec![self.0.clone()], self.1.clone_key().into());
        let mut config = config.expect("the certificate and the key belong together");
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        config.into()
    }

    /// A client that trusts it, and speaks `protocol` (ALPN, RFC 7301).
    ///
    /// # Panics
    ///
    /// If the certificate is none.
    #[must_use]
    pub fn client(&self, protocol: &str) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.clone()).expect("a certificate");
        let config = ClientConfig::builder().with_root_certificates(roots);
        let mut config = config.with_no_client_auth();
        config.alpn_protocols = vec![protocol.into()];
        config.into()
    }
}
