//! Azure's Blob Storage.

use std::sync::Arc;

use object_store::azure::{
    AzureAccessKey, AzureConfigKey, AzureCredential, MicrosoftAzureBuilder, split_sas,
};
use object_store::{ObjectStore, StaticCredentialProvider};
use reqwest::Url;

use super::Store;
use super::backend::{Backend, Wanted, once};
use super::secret::Secret;

/// A fetcher that asks for the blob `key` in `container` of Azure's Blob Storage, every 5 minutes unless
/// [`interval`](Store::interval) says otherwise.
///
/// In the key `{os}`, `{arch}` and `{target}` are filled in as in the URL of [`http()`](super::super::http()).
///
/// When nothing changed, a poll is one request without a body in its answer: a GET with the `ETag` of
/// the last answer in `If-None-Match`. The first poll downloads, for there is nothing to compare with. A
/// download that breaks off is gone on with where it did.
///
/// The [`account`](Store::account) is needed, or `AZURE_STORAGE_ACCOUNT_NAME`. Who asks is what
/// [`account_key`](Store::account_key), [`sas`](Store::sas) or [`token`](Store::token) says, or nobody in
/// particular if [`anonymous`](Store::anonymous). Otherwise the first of these that is there:
///
/// - `AZURE_STORAGE_TOKEN`, a bearer token;
/// - `AZURE_STORAGE_ACCOUNT_KEY` or `AZURE_STORAGE_ACCESS_KEY`;
/// - a workload identity: `AZURE_CLIENT_ID`, `AZURE_TENANT_ID` and `AZURE_FEDERATED_TOKEN_FILE`;
/// - a service principal: `AZURE_CLIENT_ID`, `AZURE_CLIENT_SECRET` and `AZURE_TENANT_ID`;
/// - `AZURE_STORAGE_SAS_KEY` or `AZURE_STORAGE_SAS_TOKEN`;
/// - who is logged in to the command `az`, if `AZURE_USE_AZURE_CLI` is `true`;
/// - the managed identity of the machine, by its metadata.
///
/// Identities are exchanged for a token by requests of their own, when it is first needed and again
/// before it ends.
///
/// ```
/// use selfup::fetcher::azure;
///
/// let lent = azure("releases", "myapp/{target}/myapp").account("example").interval("1m");
/// let signed = azure("releases", "myapp").account("example").sas("sv=2024-11-04&sig=swordfish");
/// assert!(!format!("{signed:?}").contains("swordfish"));
/// ```
pub fn azure(container: impl Into<String>, key: impl AsRef<str>) -> Store<Azure> {
    let backend = Azure { account: None, account_key: None, sas: None, token: None };
    Store::new(backend, container.into(), key.as_ref())
}

/// Azure's Blob Storage: the kind of a [`Store`]; made by [`azure()`].
#[derive(Debug)]
pub struct Azure {
    account: Option<String>,
    account_key: Option<Secret>,
    sas: Option<Secret>,
    token: Option<Secret>,
}

impl Store<Azure> {
    /// The storage account that the container is in. Default: `AZURE_STORAGE_ACCOUNT_NAME`.
    pub fn account(mut self, account: impl Into<String>) -> Self {
        self.backend.account = Some(account.into());
        self
    }

    /// One of the account's two keys, in Base64, which is never shown. Default: see [`azure()`].
    ///
    /// It opens the whole account; a [`sas`](Self::sas) can be for one blob, and for reading alone.
    pub fn account_key(mut self, key: impl Into<String>) -> Self {
        self.backend.account_key = Some(Secret(key.into()));
        self
    }

    /// A shared access signature: the query that Azure hands out, which is never shown. Default: see
    /// [`azure()`].
    pub fn sas(mut self, query: impl Into<String>) -> Self {
        self.backend.sas = Some(Secret(query.into()));
        self
    }

    /// The access token of who asks, which is never shown. It is not renewed. Default: see [`azure()`].
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.backend.token = Some(Secret(token.into()));
        self
    }
}

impl Azure {
    /// Who asks, where that is said here; or the mistake in it, without the secret.
    fn credential(&self) -> Result<Option<AzureCredential>, &'static str> {
        match (&self.account_key, &self.sas, &self.token) {
            (None, None, None) => Ok(None),
            (Some(key), None, None) => match AzureAccessKey::try_new(&key.0) {
                Ok(key) if !self.is_empty() => Ok(Some(AzureCredential::AccessKey(key))),
                _ => Err("`account_key` is not in Base64; is its variable set?"),
            },
            (None, Some(sas), None) => match split_sas(&sas.0) {
                Ok(pairs) if !pairs.is_empty() => Ok(Some(AzureCredential::SASToken(pairs))),
                _ => Err("`sas` is not a query, such as \"sv=...&sig=...\"; is its variable set?"),
            },
            (None, None, Some(token)) if !token.0.is_empty() => {
                Ok(Some(AzureCredential::BearerToken(token.0.clone())))
            }
            (None, None, Some(_)) => Err("`token` is empty; is its variable set?"),
            _ => Err("more than one of `account_key`, `sas` and `token` is given; leave one"),
        }
    }

    fn is_empty(&self) -> bool {
        self.account_key.as_ref().is_some_and(|key| key.0.is_empty())
    }
}

impl Backend for Azure {
    const SCHEME: &'static str = "az";

    fn mistake(&self, _container: &str, _endpoint: Option<&Url>) -> Option<String> {
        if self.account.as_ref().is_some_and(|account| !super::is_name(account)) {
            return Some("`account` is not the name of one; expected \"example\"".to_owned());
        }
        self.credential().err().map(ToOwned::to_owned)
    }

    fn has_credentials(&self) -> bool {
        self.account_key.is_some() || self.sas.is_some() || self.token.is_some()
    }

    fn open(&self, wanted: Wanted<'_>) -> object_store::Result<(Arc<dyn ObjectStore>, String)> {
        let mut builder = MicrosoftAzureBuilder::from_env().with_container_name(wanted.bucket);
        if let Some(account) = &self.account {
            builder = builder.with_account(account);
        }
        if let Ok(Some(credential)) = self.credential() {
            builder = builder.with_credentials(Arc::new(StaticCredentialProvider::new(credential)));
        }
        if self.has_credentials() || wanted.is_anonymous {
            // The emulator of the environment would bring its own.
            builder = builder.with_use_emulator(false).with_skip_signature(wanted.is_anonymous);
        }
        let theirs = builder.get_config_value(&AzureConfigKey::Endpoint);
        let server = wanted.endpoint_text();
        if let Some(server) = &server {
            builder = builder.with_use_emulator(false).with_endpoint(server.clone());
        }
        let account = builder.get_config_value(&AzureConfigKey::AccountName).unwrap_or_default();
        let store = builder.with_retry(once()).with_http_connector(wanted.connector).build()?;
        let server = server.or(theirs).unwrap_or_default();
        Ok((Arc::new(store), format!("{account}@{server}")))
    }
}
