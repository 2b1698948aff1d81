//! Azure's Blob Storage by Azurite, which checks signatures.

use std::net::SocketAddr;
use std::process::Command;

use object_store::azure::{AzureAccessKey, AzureAuthorizer, AzureCredential};
use object_store::client::{HttpRequest, HttpRequestBody};
use selfup::fetcher::{Store, azure};

use super::gcs::send;
use super::tool::Tool;
use super::{Bucket, KEY};
use crate::tool;

/// A server with one container, for as long as this lives.
#[derive(Debug)]
pub struct Azurite {
    tool: Tool,
    key: String,
}

impl Azurite {
    /// Whether the tool is there; where it is not, that is said, and with `CI=true` it is a failure.
    #[must_use]
    pub fn is_there() -> bool {
        tool(TOOL).is_some()
    }

    /// Has a service believe in another key from now on.
    #[must_use]
    pub fn with_wrong_key(mut self) -> Self {
        "c3dvcmRmaXNo".clone_into(&mut self.key);
        self
    }

    fn put_at(&self, target: &str, kind: &str, bytes: &[u8]) {
        let path = format!("/{ACCOUNT}/{target}");
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = "PUT".parse().expect("it is a method");
        let url = format!("http://{}{path}", self.tool.address());
        *request.uri_mut() = url.parse().expect("it is a URL");
        let length = bytes.len().to_string();
        let headers = request.headers_mut();
        headers.insert("content-length", length.parse().expect("it is a header"));
        if !kind.is_empty() {
            headers.insert("x-ms-blob-type", kind.parse().expect("it is a header"));
        }
        let key = AzureAccessKey::try_new(EVERYBODYS).expect("it is a key");
        let credential = AzureCredential::AccessKey(key);
        let signed = AzureAuthorizer::new(&credential, ACCOUNT).try_authorize(&mut request);
        signed.expect("it can be signed");
        let headers = request.headers().iter();
        let headers =
            headers.map(|(name, value)| format!("{name}: {}", value.to_str().expect("it is text")));
        let headers = headers.collect::<Vec<_>>().join("\r\n");
        send(self.tool.address(), &format!("PUT {path}"), &headers, bytes);
    }
}

impl Bucket for Azurite {
    type Kind = selfup::fetcher::Azure;

    fn start() -> Self {
        let script = tool(TOOL).expect("it was looked for");
        let tool = Tool::start(|port| {
            let mut command = Command::new("node");
            command.arg(&script).args(["--silent", "--disableTelemetry", "--inMemoryPersistence"]);
            command.args(["--skipApiVersionCheck", "--blobHost", "127.0.0.1"]);
            // Under a name, too, the account is the first part of the path.
            command.arg("--disableProductStyleUrl");
            command.args(["--blobPort", &port.to_string()]);
            command
        });
        let server = Self { tool, key: EVERYBODYS.to_owned() };
        server.put_at("releases?restype=container", "", b"");
        server
    }

    fn address(&self) -> SocketAddr {
        self.tool.address()
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        self.put_at(&format!("releases/{key}"), "BlockBlob", bytes);
    }

    fn fetcher(&self, endpoint: &str) -> Store<Self::Kind> {
        let endpoint = format!("{endpoint}/{ACCOUNT}");
        azure("releases", KEY).account(ACCOUNT).account_key(&self.key).endpoint(endpoint)
    }

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        vec![
            ("FETCHER", "azure".into()),
            ("ENDPOINT", format!("{endpoint}/{ACCOUNT}")),
            ("CREDENTIALS", format!("{ACCOUNT} {}", self.key)),
        ]
    }
}

/// Below `target/tools`.
const TOOL: &str = "azurite/node_modules/azurite/dist/src/blob/main.js";

const ACCOUNT: &str = "devstoreaccount1";

/// Everybody's, by Azurite's documentation.
const EVERYBODYS: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
