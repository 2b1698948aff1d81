//! A server of files, for `http()`.

use std::sync::{Arc, Mutex, PoisonError};

use selfup::fetcher::{Http, http};

use super::{Fault, Front, Reply, Source, Way};
use crate::Release;

/// A server with one file, `/app`.
#[derive(Debug)]
pub struct HttpSource {
    front: Front,
    published: Arc<Mutex<Option<Release>>>,
}

impl HttpSource {
    fn url(&self) -> String {
        format!("{}/app", self.front.base())
    }
}

impl Source for HttpSource {
    type Fetcher = Http;

    fn start(way: Way) -> Self {
        let published: Arc<Mutex<Option<Release>>> = Arc::default();
        let answering = Arc::clone(&published);
        let front = Front::start(way, move |request| {
            let published = answering.lock().unwrap_or_else(PoisonError::into_inner);
            match &*published {
                Some(release) if request.path() == "/app" => Reply::release(release, request),
                _ => Reply::status(404),
            }
        });
        Self { front, published }
    }

    fn front(&self) -> &Front {
        &self.front
    }

    fn fetcher(&self, silence: &str) -> Http {
        let fetcher = http(self.url()).timeout(silence);
        self.front.reached_by(fetcher, Http::ca, Http::proxy, Http::allow_http)
    }

    fn variables(&self) -> Vec<(String, String)> {
        vec![("FETCHER".to_owned(), self.url())]
    }

    fn words(&self, fault: Fault) -> &'static str {
        match (self.front.way(), fault) {
            (Way::Http2, Fault::ResetInHead) => "http2 error: stream error received",
            _ => fault.words(),
        }
    }

    fn publish(&self, release: &Release) {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        *published = Some(release.clone());
    }
}
