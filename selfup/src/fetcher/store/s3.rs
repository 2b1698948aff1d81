//! Amazon S3, and what speaks as it does: `MinIO`, Ceph, Cloudflare's R2, and others.

use std::sync::Arc;

use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey, AwsCredential};
use object_store::{ObjectStore, StaticCredentialProvider};
use reqwest::Url;

use super::Store;
use super::backend::{Backend, Wanted, once};
use super::secret::Secret;

/// A fetcher that asks for the object `key` in `bucket` of Amazon S3, or of a server that speaks as it
/// does, every 5 minutes unless [`interval`](Store::interval) says otherwise.
///
/// In the key `{os}`, `{arch}` and `{target}` are filled in as in the URL of [`http()`](super::super::http()).
///
/// When nothing changed, a poll is one request without a body in its answer: a signed GET with the
/// `ETag` of the last answer in `If-None-Match`. The first poll downloads, for there is nothing to
/// compare with. A download that breaks off is gone on with where it did.
///
/// Who asks is what [`access_key`](Store::access_key) says, or nobody in particular if
/// [`anonymous`](Store::anonymous). Otherwise the first of these that is there:
///
/// - `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, with `AWS_SESSION_TOKEN`;
/// - a web identity: `AWS_WEB_IDENTITY_TOKEN_FILE` and `AWS_ROLE_ARN`, as EKS sets them;
/// - the role of the container: `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI`, as ECS sets it, or
///   `AWS_CONTAINER_CREDENTIALS_FULL_URI` with `AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE`, as EKS Pod
///   Identity does;
/// - the role of the instance, by its metadata (`IMDSv2`).
///
/// The last three are asked for by requests of their own, when they are first needed and again some
/// minutes before they end. Profiles in `~/.aws` are not read. Other variables that begin with `AWS_`
/// count as [`AmazonS3Builder::from_env`] has them: `AWS_REGION`, `AWS_ENDPOINT_URL_S3`, `AWS_ALLOW_HTTP`, ...
/// Those about how requests are sent do not: proxy, time limits and certificates are what is said here,
/// whatever `AWS_PROXY_URL`, `AWS_TIMEOUT` and `AWS_ALLOW_INVALID_CERTIFICATES` say.
///
/// The policy of who asks needs `s3:GetObject` for the key and for what is published beside it. Where it
/// lacks `s3:ListBucket`, S3 says "forbidden" of what is not there.
///
/// [`AmazonS3Builder::from_env`]: https://docs.rs/object_store/latest/object_store/aws/struct.AmazonS3Builder.html#method.from_env
///
/// ```
/// use selfup::fetcher::s3;
///
/// let amazon = s3("releases", "myapp/{target}/myapp").region("eu-central-1").interval("1m");
/// let minio = s3("releases", "myapp")
///     .endpoint("https://minio.example.com:9000")
///     .access_key("myapp", "swordfish");
/// let r2 = s3("releases", "myapp")
///     .endpoint("https://0123456789abcdef.r2.cloudflarestorage.com")
///     .region("auto");
/// assert!(!format!("{minio:?}").contains("swordfish"));
/// ```
///
/// Alone, without a service:
///
/// ```no_run
/// use selfup::{BinaryId, BoxError, Current, Fetched, Fetcher as _};
///
/// # async fn look() -> Result<(), BoxError> {
/// let current = Current::new(BinaryId::of_file("/usr/bin/myapp")?);
/// match selfup::fetcher::s3("releases", "myapp").fetch(&current).await? {
///     Fetched::Binary(download) => println!("{:?} bytes", download.get_length()),
///     _ => println!("nothing new"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// In the attribute: `fetcher = s3("releases", "myapp", region = "eu-central-1", interval = "1m")`.
pub fn s3(bucket: impl Into<String>, key: impl AsRef<str>) -> Store<S3> {
    let (region, access_key, session_token, path_style) = (None, None, None, None);
    let backend = S3 { region, access_key, session_token, path_style };
    Store::new(backend, bucket.into(), key.as_ref())
}

/// Amazon S3: the kind of a [`Store`]; made by [`s3()`].
#[derive(Debug)]
pub struct S3 {
    region: Option<String>,
    access_key: Option<(String, Secret)>,
    session_token: Option<Secret>,
    path_style: Option<bool>,
}

impl Store<S3> {
    /// The region of the bucket. Default: `AWS_REGION`, `AWS_DEFAULT_REGION`, or `us-east-1`. R2 calls
    /// its one region `auto`.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.backend.region = Some(region.into());
        self
    }

    /// Who asks: the id of an access key, and its secret, which is never shown. Default: see [`s3()`].
    pub fn access_key(mut self, id: impl Into<String>, secret: impl Into<String>) -> Self {
        self.backend.access_key = Some((id.into(), Secret(secret.into())));
        self
    }

    /// The session token of an [`access_key`](Self::access_key) that was lent for a time.
    pub fn session_token(mut self, token: impl Into<String>) -> Self {
        self.backend.session_token = Some(Secret(token.into()));
        self
    }

    /// Whether the bucket is in the path of the URL, and not in its host. Default: where an
    /// [`endpoint`](Self::endpoint) is set, or the bucket has a dot in its name, which no certificate
    /// would match.
    pub fn path_style(mut self, is_in_path: bool) -> Self {
        self.backend.path_style = Some(is_in_path);
        self
    }
}

impl Backend for S3 {
    const SCHEME: &'static str = "s3";

    const ALLOW_HTTP: &'static str = "AWS_ALLOW_HTTP";

    fn mistake(&self, endpoint: Option<&Url>, _is_anonymous: bool) -> Option<String> {
        if self.session_token.is_some() && self.access_key.is_none() {
            return Some("`session_token` belongs to an `access_key`; set both or none".to_owned());
        }
        if self.access_key.as_ref().is_some_and(|(id, secret)| id.is_empty() || secret.0.is_empty())
        {
            return Some("`access_key` is empty; are its variables set?".to_owned());
        }
        if self.region.as_ref().is_some_and(|region| !super::is_name(region)) {
            return Some("`region` is not the name of one; expected \"eu-central-1\"".to_owned());
        }
        let has_name = endpoint.is_none_or(|url| url.domain().is_some());
        (self.path_style == Some(false) && !has_name).then(|| {
            "`path_style` is false, and an address has no room for a bucket; leave it out"
                .to_owned()
        })
    }

    fn has_credentials(&self) -> bool {
        self.access_key.is_some()
    }

    fn open(&self, wanted: Wanted<'_>) -> object_store::Result<(Arc<dyn ObjectStore>, String)> {
        let mut builder = AmazonS3Builder::from_env().with_bucket_name(wanted.bucket);
        if let Some(region) = &self.region {
            builder = builder.with_region(region);
        }
        if let Some((id, secret)) = &self.access_key {
            let token = self.session_token.as_ref().map(|token| token.0.clone());
            let credential =
                AwsCredential { key_id: id.clone(), secret_key: secret.0.clone(), token };
            builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
        }
        if self.access_key.is_some() || wanted.is_anonymous {
            builder = builder.with_skip_signature(wanted.is_anonymous);
        }
        let theirs = [AmazonS3ConfigKey::S3Endpoint, AmazonS3ConfigKey::Endpoint];
        let theirs = theirs.iter().find_map(|key| builder.get_config_value(key));
        let is_virtual = match self.path_style {
            Some(is_in_path) => !is_in_path,
            None => wanted.endpoint.is_none() && theirs.is_none() && !wanted.bucket.contains('.'),
        };
        let server = match wanted.endpoint {
            Some(url) if is_virtual => Some(with_bucket(url, wanted.bucket)),
            _ => wanted.endpoint_text(),
        };
        // An endpoint of the environment says by a variable of its own how it is used.
        if self.path_style.is_some() || wanted.endpoint.is_some() || theirs.is_none() {
            builder = builder.with_virtual_hosted_style_request(is_virtual);
        }
        if let Some(server) = &server {
            // It comes before every other endpoint, those of the environment too.
            builder = builder.with_config(AmazonS3ConfigKey::S3Endpoint, server);
        }
        let store = builder.with_retry(once()).with_http_connector(wanted.connector).build()?;
        Ok((Arc::new(store), server.or(theirs).unwrap_or_default()))
    }
}

/// `url` with the bucket in its host.
fn with_bucket(url: &Url, bucket: &str) -> String {
    let mut url = url.clone();
    let host = format!("{bucket}.{}", url.host_str().unwrap_or_default());
    // It does not fail on a name in front of a name.
    let _ = url.set_host(Some(&host));
    url.as_str().trim_end_matches('/').to_owned()
}
