//! Forges in the table of faults.

use std::env::consts::{ARCH, OS};
use std::marker::PhantomData;

use selfup::fetcher::Forge;

use super::{FakeForge, ForgeKind, ForgeRelease};
use crate::Release;
use crate::faults::{Fault, Front, Source, Way};

/// A forge of one kind, whose files are where it is.
#[derive(Debug)]
pub struct ForgeSource<K> {
    forge: FakeForge,
    _kind: PhantomData<K>,
}

/// GitHub, by its redirect: the name of the file is given.
pub type GitHubSource = ForgeSource<OfGitHub>;

/// GitHub, by its API: the file is found by its name.
pub type GitHubApiSource = ForgeSource<OfGitHubApi>;

/// GitLab, by its API.
pub type GitLabSource = ForgeSource<OfGitLab>;

/// Gitea, by its page and its API.
pub type GiteaSource = ForgeSource<OfGitea>;

/// Whose it is.
pub trait Whose {
    /// As a value.
    const KIND: ForgeKind;

    /// The name of the file, where the fetcher is told it.
    const ASSET: Option<&'static str> = None;

    /// Whether the newest release is what a redirect says.
    const IS_REDIRECTED: bool = true;
}

/// GitHub's.
#[derive(Debug)]
#[non_exhaustive]
pub struct OfGitHub;

/// GitHub's, too.
#[derive(Debug)]
#[non_exhaustive]
pub struct OfGitHubApi;

/// GitLab's.
#[derive(Debug)]
#[non_exhaustive]
pub struct OfGitLab;

/// Gitea's.
#[derive(Debug)]
#[non_exhaustive]
pub struct OfGitea;

impl Whose for OfGitHub {
    const KIND: ForgeKind = ForgeKind::GitHub;
    const ASSET: Option<&'static str> = Some("app_{os}_{arch}");
}

impl Whose for OfGitHubApi {
    const KIND: ForgeKind = ForgeKind::GitHub;
    const IS_REDIRECTED: bool = false;
}

impl Whose for OfGitLab {
    const KIND: ForgeKind = ForgeKind::GitLab;
}

impl Whose for OfGitea {
    const KIND: ForgeKind = ForgeKind::Gitea;
}

impl<K: Whose> Source for ForgeSource<K> {
    type Fetcher = Forge;

    fn start(way: Way) -> Self {
        Self { forge: FakeForge::start(K::KIND, way), _kind: PhantomData }
    }

    fn front(&self) -> &Front {
        &self.forge.front
    }

    fn fetcher(&self, silence: &str) -> Forge {
        let fetcher = self.forge.fetcher().timeout(silence);
        match K::ASSET {
            Some(name) => fetcher.asset(name),
            None => fetcher,
        }
    }

    fn variables(&self) -> Vec<(String, String)> {
        let asset = K::ASSET.map(|name| ("ASSET".to_owned(), name.to_owned()));
        self.forge.variables().into_iter().chain(asset).collect()
    }

    fn publish(&self, release: &Release) {
        let tag = format!("nightly-{}", release.id().short());
        self.forge.publish(ForgeRelease::new(&tag).with(&format!("app_{OS}_{ARCH}"), release));
    }

    fn words(&self, fault: Fault) -> &'static str {
        match fault {
            Fault::RateLimited => "the requests that Git",
            Fault::Stalled => "2s",
            Fault::WrongContent if !K::IS_REDIRECTED => "its answer is no release",
            _ if !K::IS_REDIRECTED => fault.words(),
            Fault::RedirectLoop => "more than 5 redirects, and none to a release",
            Fault::NoSuchHost => "it redirects to another host; give the forge that is meant",
            Fault::WrongContent => "status 200 OK; expected a redirect to the newest release",
            _ => fault.words(),
        }
    }
}
