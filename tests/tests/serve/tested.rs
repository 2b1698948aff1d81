use std::ops::{Deref, DerefMut};
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use selfup_tests::{Service, ServiceBuilder};

use super::client::{Kept, To};

/// A service, and how it is spoken to.
#[derive(Debug)]
pub(crate) struct Tested {
    service: Service,
    to: To,
}

impl Tested {
    /// One that speaks HTTP in the clear.
    pub(crate) fn in_the_clear(builder: ServiceBuilder) -> Self {
        let service = builder.start();
        let to = service.address().into();
        Self { service, to }
    }

    /// One that speaks TLS, with a certificate of its own in its directory.
    pub(crate) fn over_tls(builder: ServiceBuilder) -> Self {
        let config = trust(make_certificate(builder.directory()));
        let directory = builder.directory().to_owned();
        let service = builder.set("TLS", directory).start();
        let to = To { address: service.address(), tls: Some(config) };
        Self { service, to }
    }

    pub(crate) fn to(&self) -> &To {
        &self.to
    }

    pub(crate) fn open(&self) -> Kept {
        Kept::open(self.to.clone())
    }

    /// Waits until every connection that was opened before is accepted.
    pub(crate) fn have_all_accepted(&self) {
        // Connections are accepted in their order.
        self.open().get("/");
    }
}

impl Deref for Tested {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.service
    }
}

impl DerefMut for Tested {
    fn deref_mut(&mut self) -> &mut Service {
        &mut self.service
    }
}

/// Writes a certificate and its key into `directory`: `cert.der`, `cert.pem` and `key.der`.
fn make_certificate(directory: &Path) -> CertificateDer<'static> {
    let names = ["localhost".into(), "127.0.0.1".into()];
    let made = rcgen::generate_simple_self_signed(names).unwrap();
    let key = made.signing_key.serialize_der();
    let certificate = made.cert.der().clone();
    std::fs::write(directory.join("cert.der"), &certificate).unwrap();
    std::fs::write(directory.join("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(directory.join("key.der"), key).unwrap();
    certificate
}

/// A client that trusts `certificate`, and speaks HTTP/1.1.
fn trust(certificate: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots);
    let mut config = config.with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".into()];
    config.into()
}
