//! Google Cloud Storage.

use std::path::PathBuf;
use std::sync::Arc;

use object_store::ObjectStore;
use object_store::gcp::{GoogleCloudStorageBuilder, GoogleConfigKey};
use reqwest::Url;

use super::Store;
use super::backend::{Backend, Wanted, once};
use super::secret::Secret;

/// A fetcher that asks for the object `key` in `bucket` of Google Cloud Storage, every 5 minutes unless
/// [`interval`](Store::interval) says otherwise.
///
/// In the key `{os}`, `{arch}` and `{target}` are filled in as in the URL of [`http()`](super::super::http()).
///
/// When nothing changed, a poll is one request without a body in its answer: a GET of the XML API with
/// the `ETag` of the last answer in `If-None-Match`. The first poll downloads, for there is nothing to
/// compare with. A download that breaks off is gone on with where it did.
///
/// Who asks is what [`service_account`](Store::service_account) or [`token`](Store::token) says, or
/// nobody in particular if [`anonymous`](Store::anonymous). Otherwise the first of these that is there:
///
/// - a service account: its file in `GOOGLE_SERVICE_ACCOUNT`, `GOOGLE_SERVICE_ACCOUNT_PATH` or
///   `SERVICE_ACCOUNT`, or its JSON text in `GOOGLE_SERVICE_ACCOUNT_KEY`;
/// - application default credentials of a user or a service account: the file in
///   `GOOGLE_APPLICATION_CREDENTIALS`, or
///   `~/.config/gcloud/application_default_credentials.json`;
/// - the service account of the instance, by its metadata.
///
/// They are exchanged for a token by requests of their own, when it is first needed and again before it
/// ends. Of the other variables that begin with `GOOGLE_`, `GOOGLE_BASE_URL` and `GOOGLE_ALLOW_HTTP` count;
/// how requests are sent is said here.
///
/// Who asks needs `storage.objects.get` for the key and for what is published beside it.
///
/// ```
/// use selfup::fetcher::gcs;
///
/// let lent = gcs("releases", "myapp/{target}/myapp").interval("1m");
/// let own = gcs("releases", "myapp").service_account("/etc/myapp/releases.json");
/// ```
pub fn gcs(bucket: impl Into<String>, key: impl AsRef<str>) -> Store<Gcs> {
    Store::new(Gcs { service_account: None, token: None }, bucket.into(), key.as_ref())
}

/// Google Cloud Storage: the kind of a [`Store`]; made by [`gcs()`].
#[derive(Debug)]
pub struct Gcs {
    service_account: Option<PathBuf>,
    token: Option<Secret>,
}

impl Store<Gcs> {
    /// The file with the key of the service account that asks, as Google hands it out. Default: see
    /// [`gcs()`].
    pub fn service_account(mut self, path: impl Into<PathBuf>) -> Self {
        self.backend.service_account = Some(path.into());
        self
    }

    /// The access token of who asks, which is never shown. It is not renewed. Default: see [`gcs()`].
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.backend.token = Some(Secret(token.into()));
        self
    }
}

impl Backend for Gcs {
    const SCHEME: &'static str = "gs";

    const ALLOW_HTTP: &'static str = "GOOGLE_ALLOW_HTTP";

    fn mistake(&self, _endpoint: Option<&Url>, _is_anonymous: bool) -> Option<String> {
        if self.token.is_some() && self.service_account.is_some() {
            return Some("`token` and `service_account` are both given; leave one out".to_owned());
        }
        let is_empty = self.token.as_ref().is_some_and(|token| token.0.is_empty());
        is_empty.then(|| "`token` is empty; is its variable set?".to_owned())
    }

    fn has_credentials(&self) -> bool {
        self.token.is_some() || self.service_account.is_some()
    }

    fn open(&self, wanted: Wanted<'_>) -> object_store::Result<(Arc<dyn ObjectStore>, String)> {
        let mut builder = match (&self.token, &self.service_account) {
            (Some(token), _) => GoogleCloudStorageBuilder::new().with_bearer_token(&token.0),
            (None, Some(path)) => {
                let path = path.to_string_lossy();
                GoogleCloudStorageBuilder::new().with_service_account_path(path)
            }
            // A token that is not sent keeps it from reading the file of a user's.
            (None, None) if wanted.is_anonymous => {
                GoogleCloudStorageBuilder::new().with_bearer_token("").with_skip_signature(true)
            }
            (None, None) => GoogleCloudStorageBuilder::from_env(),
        };
        let theirs = builder.get_config_value(&GoogleConfigKey::BaseUrl);
        let server = wanted.endpoint_text();
        if let Some(server) = &server {
            builder = builder.with_base_url(server);
        }
        let builder = builder.with_bucket_name(wanted.bucket).with_retry(once());
        let store = builder.with_http_connector(wanted.connector).build()?;
        Ok((Arc::new(store), server.or(theirs).unwrap_or_default()))
    }
}
