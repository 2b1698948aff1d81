#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use super::Reception;
#[cfg(feature = "tls")]
use super::tls::Tls;
use crate::config::IntoDuration;
use crate::error::Result;

/// Settings of [`serve_with`](crate::serve_with).
#[derive(Debug)]
#[must_use = "settings do nothing until they are given to `serve_with`"]
pub struct Serve {
    linger: Result<Duration>,
    tcp_nodelay: bool,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ServerConfig>>,
    #[cfg(feature = "tls")]
    handshake_timeout: Result<Duration>,
}

impl Serve {
    /// The settings of [`serve`](crate::serve).
    pub fn builder() -> Self {
        Self {
            linger: Ok(Duration::from_secs(5)),
            tcp_nodelay: true,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            handshake_timeout: Ok(Duration::from_secs(10)),
        }
    }

    /// How long an idle connection may still send one more request at a restart or a stop, before
    /// it is closed. Default: 5 s.
    ///
    /// Longer than a client leaves a connection unused, it loses nothing. A stop waits as long for a
    /// client that keeps its connection and says nothing, but never longer than `terminate_timeout`.
    /// With zero, idle connections are closed at once, whoever is sending.
    pub fn linger(mut self, linger: impl IntoDuration) -> Self {
        self.linger = linger.into_duration();
        self
    }

    /// Whether small packets are sent at once on TCP (`TCP_NODELAY`, tcp(7)), where the address has no
    /// option [`nodelay`](crate::Address). Default: true.
    pub fn tcp_nodelay(mut self, tcp_nodelay: bool) -> Self {
        self.tcp_nodelay = tcp_nodelay;
        self
    }

    /// Speaks TLS on every listener, as `config` says; needs the feature `tls`. Default: it does not.
    ///
    /// Takes a [`rustls::ServerConfig`] of rustls 0.23, or an `Arc` of one. If it names no protocols
    /// (ALPN, RFC 7301), `h2` and `http/1.1` are named in its place; what a client then speaks is
    /// known by its first bytes, whatever was agreed on.
    ///
    /// Whatever holds for [`serve`](crate::serve) holds over TLS. A handshake that has begun at a
    /// restart is finished, and the request after it answered; one that fails is told by a `debug`
    /// of `tracing`. `close_notify` is sent where a connection ends by itself, and not where it is
    /// cut, for its client must not take a part for the whole (RFC 8446, 6.1).
    ///
    /// A session can be resumed with the generation that began it. With another one its client makes
    /// a full handshake, and loses nothing else. For sessions that outlive a restart, give the config
    /// a `ticketer` of your own, whose keys every generation reads from the same place; the one that
    /// rustls makes has new keys in each process.
    ///
    /// A new certificate is in use from the next restart on, if the program reads it when it starts;
    /// without one, if the config has a `cert_resolver` that reads it.
    ///
    /// With several cryptographic providers among your dependencies, `ServerConfig::builder()` panics
    /// until one was installed as the default; this feature brings ring.
    ///
    /// ```no_run
    /// # async fn with(state: selfup::State) -> Result<(), Box<dyn std::error::Error>> {
    /// # let hello = async |_| Ok::<_, std::convert::Infallible>(http::Response::new("hello\n".to_owned()));
    /// # let app = selfup::from_hyper(hyper::service::service_fn(hello));
    /// use rustls::pki_types::pem::PemObject as _;
    /// use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    ///
    /// let chain = CertificateDer::pem_file_iter("chain.pem")?.collect::<Result<_, _>>()?;
    /// let key = PrivateKeyDer::from_pem_file("key.pem")?;
    /// let config = rustls::ServerConfig::builder();
    /// let config = config.with_no_client_auth().with_single_cert(chain, key)?;
    /// selfup::serve_with(&state, app, selfup::Serve::builder().tls(config)).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// `serve_with` turns down a config with a `max_early_data_size`: requests in early data can be
    /// replayed (RFC 8446, 8), and are not read.
    #[cfg(feature = "tls")]
    pub fn tls(mut self, config: impl Into<Arc<rustls::ServerConfig>>) -> Self {
        self.tls = Some(config.into());
        self
    }

    /// How long a client has to finish its handshake, from its connection on, before it is closed.
    /// Needs the feature `tls`. Default: 10 s.
    ///
    /// A client that says nothing at all is closed at a restart or a stop when it has
    /// [lingered](Self::linger), if that is sooner.
    #[cfg(feature = "tls")]
    pub fn handshake_timeout(mut self, handshake_timeout: impl IntoDuration) -> Self {
        self.handshake_timeout = handshake_timeout.into_duration();
        self
    }

    /// What is done with connections before they say anything, and how long they may linger.
    pub(super) fn check(self) -> Result<(Reception, Duration)> {
        let reception = Reception {
            tcp_nodelay: self.tcp_nodelay,
            #[cfg(feature = "tls")]
            tls: {
                let timeout = self.handshake_timeout?;
                self.tls.map(|config| Tls::new(config, timeout)).transpose()?
            },
        };
        Ok((reception, self.linger?))
    }
}
