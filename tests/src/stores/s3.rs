//! S3 by s3s and s3s-fs: signatures are checked, and objects are files of a directory.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use s3s::auth::SimpleAuth;
use s3s::dto::{ETagCondition, GetObjectInput, GetObjectOutput};
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result};
use s3s_fs::FileSystem;
use selfup::fetcher::{Store, s3};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

use super::{Bucket, KEY};

/// A server with one bucket, for as long as this lives.
#[derive(Debug)]
pub struct S3Server {
    directory: TempDir,
    address: SocketAddr,
    secret: String,
    turn: Arc<Mutex<()>>,
    _runtime: Runtime,
}

impl S3Server {
    /// Has a service believe in another secret from now on.
    #[must_use]
    pub fn with_wrong_secret(mut self) -> Self {
        "of another".clone_into(&mut self.secret);
        self
    }
}

async fn serve(listener: tokio::net::TcpListener, service: S3Service) {
    while let Ok((stream, _)) = listener.accept().await {
        let service = service.clone();
        tokio::spawn(async move {
            let builder = auto::Builder::new(TokioExecutor::new());
            // A client that goes away in the middle is what some tests are about.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Bucket for S3Server {
    type Kind = selfup::fetcher::S3;

    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join("releases")).expect("it is ours");
        let files = FileSystem::new(directory.path()).expect("it is a directory");
        let turn = Arc::default();
        let mut builder = S3ServiceBuilder::new(Conditional { files, turn: Arc::clone(&turn) });
        builder.set_auth(SimpleAuth::from_single(ID, SECRET));
        let service = builder.build();
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0"));
        let listener = listener.expect("a port");
        let address = listener.local_addr().expect("it is bound");
        runtime.spawn(serve(listener, service));
        Self { directory, address, secret: SECRET.to_owned(), turn, _runtime: runtime }
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    /// In one step.
    fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.directory.path().join("releases").join(key);
        let parent = path.parent().expect("it is in the bucket");
        std::fs::create_dir_all(parent).expect("it is ours");
        let new = self.directory.path().join("new");
        std::fs::write(&new, bytes).expect("it is ours");
        let _turn = self.turn.blocking_lock();
        std::fs::rename(new, path).expect("it is ours");
    }

    fn fetcher(&self, endpoint: &str) -> Store<Self::Kind> {
        s3("releases", KEY).endpoint(endpoint).access_key(ID, &self.secret)
    }

    fn variables(&self, endpoint: &str) -> Vec<(&'static str, String)> {
        let secret = format!("{ID} {}", self.secret);
        vec![("FETCHER", "s3".into()), ("ENDPOINT", endpoint.into()), ("CREDENTIALS", secret)]
    }
}

/// Files, with the conditions of a GET, which s3s-fs does not know.
///
/// It opens an object and then digests what is at its path. So that no object has the tag of
/// another, a turn is taken for both, and for putting one there.
struct Conditional {
    files: FileSystem,
    turn: Arc<Mutex<()>>,
}

#[async_trait::async_trait]
impl S3 for Conditional {
    async fn get_object(
        &self,
        request: S3Request<GetObjectInput>,
    ) -> S3Result<S3Response<GetObjectOutput>> {
        let (wanted, unwanted) =
            (request.input.if_match.clone(), request.input.if_none_match.clone());
        let answer = {
            let _turn = self.turn.lock().await;
            self.files.get_object(request).await?
        };
        let tag = answer.output.e_tag.clone();
        let is_it = |condition: &ETagCondition| match condition {
            ETagCondition::ETag(found) => Some(found) == tag.as_ref(),
            ETagCondition::Any => true,
        };
        if unwanted.is_some_and(|condition| is_it(&condition)) {
            return Err(S3Error::new(S3ErrorCode::NotModified));
        }
        if wanted.is_some_and(|condition| !is_it(&condition)) {
            return Err(S3Error::new(S3ErrorCode::PreconditionFailed));
        }
        Ok(answer)
    }
}

const ID: &str = "myapp";
const SECRET: &str = "swordfish";
