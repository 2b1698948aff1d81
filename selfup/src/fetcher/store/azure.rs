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
/// - the managed identity of the machine, by its metadata.
///
/// Identities are exchanged for a token by requests of their own, when it is first needed and again
/// before it ends. Who is logged in to the command `az` is never asked, whatever `AZURE_USE_AZURE_CLI` says: a
/// command that hangs would keep a service from upgrading for good. `AZURE_ALLOW_HTTP` counts; otherwise
/// how requests are sent is said here.
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

    /// The mistake in what the environment says; `is_told` who asks, if it does not matter what it says of
    /// that.
    fn mistake_in(
        &self,
        theirs: &MicrosoftAzureBuilder,
        has_endpoint: bool,
        is_told: bool,
    ) -> Option<String> {
        let get = |key| theirs.get_config_value(&key);
        // The emulator has an account of its own.
        let is_emulator = !has_endpoint
            && !is_told
            && get(AzureConfigKey::UseEmulator).is_some_and(|value| value != "false");
        if is_emulator {
            return None;
        }
        if self.account.is_none() && get(AzureConfigKey::AccountName).is_none() {
            let words = "`account` is missing; give the name of the storage account, or set \
                         AZURE_STORAGE_ACCOUNT_NAME";
            return Some(words.to_owned());
        }
        let kind = get(AzureConfigKey::CredentialType).unwrap_or_default();
        (kind == AZURE_CLI && !is_told).then(|| {
            "AZURE_CREDENTIAL_TYPE is azure_cli, and the command `az` is never asked, for it may hang; \
             expected another kind, or who asks as `account_key`, `sas` or `token`"
                .to_owned()
        })
    }

    fn is_empty(&self) -> bool {
        self.account_key.as_ref().is_some_and(|key| key.0.is_empty())
    }
}

impl Backend for Azure {
    const SCHEME: &'static str = "az";

    const ALLOW_HTTP: &'static str = "AZURE_ALLOW_HTTP";

    fn mistake(&self, endpoint: Option<&Url>, is_anonymous: bool) -> Option<String> {
        if self.account.as_ref().is_some_and(|account| !super::is_name(account)) {
            return Some("`account` is not the name of one; expected \"example\"".to_owned());
        }
        if let Err(words) = self.credential() {
            return Some(words.to_owned());
        }
        let is_told = self.has_credentials() || is_anonymous;
        self.mistake_in(&MicrosoftAzureBuilder::from_env(), endpoint.is_some(), is_told)
    }

    fn has_credentials(&self) -> bool {
        self.account_key.is_some() || self.sas.is_some() || self.token.is_some()
    }

    fn open(&self, wanted: Wanted<'_>) -> object_store::Result<(Arc<dyn ObjectStore>, String)> {
        let builder = without_command(MicrosoftAzureBuilder::from_env());
        let mut builder = builder.with_container_name(wanted.bucket);
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

/// `builder`, which asks no command for credentials: `object_store` waits for it in the middle of a future,
/// which no time limit ends.
fn without_command(builder: MicrosoftAzureBuilder) -> MicrosoftAzureBuilder {
    let builder = builder.with_use_azure_cli(false);
    match builder.get_config_value(&AzureConfigKey::CredentialType) {
        Some(kind) if kind == AZURE_CLI => {
            builder.with_config(AzureConfigKey::CredentialType, "auto")
        }
        _ => builder,
    }
}

/// The kind of credentials that the command lends.
const AZURE_CLI: &str = "azure_cli";

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(pairs: &[(AzureConfigKey, &str)]) -> MicrosoftAzureBuilder {
        let builder = MicrosoftAzureBuilder::new();
        pairs.iter().fold(builder, |builder, (key, value)| builder.with_config(*key, *value))
    }

    #[test]
    fn no_command_is_asked_for_credentials() {
        let (cli, kind) = (AzureConfigKey::UseAzureCli, AzureConfigKey::CredentialType);
        let builder = without_command(environment(&[(cli, "true"), (kind, AZURE_CLI)]));
        assert_eq!(builder.get_config_value(&cli).unwrap(), "false");
        assert_eq!(builder.get_config_value(&kind).unwrap(), "auto");
        let builder = without_command(environment(&[(kind, "managed_identity")]));
        assert_eq!(builder.get_config_value(&kind).unwrap(), "managed_identity");
    }

    #[test]
    fn what_the_environment_lacks_is_told_at_the_start() {
        use AzureConfigKey::{AccountName, CredentialType, UseEmulator};
        let nobody = azure("releases", "app").backend;
        let somebody = azure("releases", "app").account("example").backend;
        for (azure, variables, has_endpoint, is_told, expected) in [
            (&somebody, vec![], false, false, None),
            (&nobody, vec![(AccountName, "example")], false, false, None),
            (&nobody, vec![], false, false, Some("`account` is missing; give")),
            (&nobody, vec![], true, true, Some("`account` is missing; give")),
            (&nobody, vec![(UseEmulator, "true")], false, false, None),
            (&nobody, vec![(UseEmulator, "true")], true, false, Some("`account` is missing; give")),
            (&nobody, vec![(UseEmulator, "true")], false, true, Some("`account` is missing; give")),
            (&somebody, vec![(CredentialType, AZURE_CLI)], false, true, None),
            (
                &somebody,
                vec![(CredentialType, AZURE_CLI)],
                false,
                false,
                Some("AZURE_CREDENTIAL_TYPE"),
            ),
        ] {
            let mistake = azure.mistake_in(&environment(&variables), has_endpoint, is_told);
            let told = mistake.as_deref().unwrap_or_default();
            assert!(told.starts_with(expected.unwrap_or_default()), "{told}");
            assert_eq!(told.is_empty(), expected.is_none(), "{told}");
        }
    }
}
