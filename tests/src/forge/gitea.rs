//! Gitea and Forgejo: <https://docs.gitea.com/api>. It answers without `ETag`s.

use super::{ForgeRelease, State};
use crate::faults::{Reply, Request};

pub(super) fn answer(state: &State, request: &Request) -> Reply {
    let path = request.path();
    if let Some(path) = path.strip_prefix("/owner/app/releases/") {
        return page(state, request, path);
    }
    let Some(path) = path.strip_prefix("/api/v1/repos/owner/app/releases") else {
        return Reply::status(404);
    };
    if !state.admits(request) {
        let is_anonymous = request.header("authorization").is_none();
        return Reply::status(if is_anonymous { 404 } else { 401 });
    }
    let found = match path {
        "" => {
            let mut reply = state.page(request, json);
            reply.headers.retain(|(name, _)| name != "ETag");
            return reply;
        }
        "/latest" => state.latest(),
        _ => path.strip_prefix("/tags/").and_then(|tag| state.release(&tag.replace("%2F", "/"))),
    };
    found.map_or(Reply::status(404), |release| Reply::ok(json(release)))
}

/// A page for people, who are known by a token only where they load a file.
fn page(state: &State, request: &Request, path: &str) -> Reply {
    if path == "latest" {
        let Some(latest) = state.latest().filter(|_| state.token.is_none()) else {
            return Reply::status(404);
        };
        return Reply::redirect(&format!("/owner/app/releases/tag/{}", latest.tag));
    }
    let place = path.strip_prefix("download/").and_then(|path| path.rsplit_once('/'));
    let Some((tag, name)) = place.filter(|_| state.admits(request)) else {
        return Reply::status(404);
    };
    let tag = tag.replace("%2F", "/");
    let release = state.release(&tag);
    let is_there =
        release.is_some_and(|release| release.files.iter().any(|file| file.name == name));
    if is_there { state.stored_at(&tag, name) } else { Reply::status(404) }
}

fn json(release: &ForgeRelease) -> String {
    release.json(|_| ",\"created_at\":\"2026-01-01T00:00:00Z\"".to_owned())
}
