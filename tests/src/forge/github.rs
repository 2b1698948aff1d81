//! GitHub: <https://docs.github.com/en/rest/releases>.

use super::{ForgeRelease, State, tagged};
use crate::faults::{Reply, Request};

pub(super) fn answer(state: &State, request: &Request) -> Reply {
    let path = request.path();
    if let Some(path) = path.strip_prefix("/owner/app/releases/") {
        return page(state, path);
    }
    let Some(path) = path.strip_prefix("/api/v3/repos/owner/app/releases") else {
        return Reply::status(404);
    };
    if request.header("user-agent").is_none() {
        return Reply::status(403);
    }
    if !state.admits(request) {
        let is_anonymous = request.header("authorization").is_none();
        return Reply::status(if is_anonymous { 404 } else { 401 });
    }
    if let Some(id) = path.strip_prefix("/assets/") {
        return asset(state, request, id);
    }
    let found = match path {
        "" => return state.page(request, |release| json(state, release)),
        "/latest" => state.latest(),
        _ => path.strip_prefix("/tags/").and_then(|tag| state.release(&tag.replace("%2F", "/"))),
    };
    found.map_or(Reply::status(404), |release| tagged(request, json(state, release)))
}

/// A page for people, who are not known.
fn page(state: &State, path: &str) -> Reply {
    if state.token.is_some() {
        return Reply::status(404);
    }
    if let Some(name) = path.strip_prefix("latest/download/") {
        let Some(latest) = state.latest() else { return Reply::status(404) };
        let (base, tag) = (&state.base, latest.tag.replace('/', "%2F"));
        return Reply::redirect(&format!("{base}/owner/app/releases/download/{tag}/{name}"));
    }
    let place = path.strip_prefix("download/").and_then(|path| path.rsplit_once('/'));
    let Some((tag, name)) = place else { return Reply::status(404) };
    let tag = tag.replace("%2F", "/");
    let is_there = state
        .release(&tag)
        .is_some_and(|release| release.files.iter().any(|file| file.name == name));
    if is_there { state.stored_at(&tag, name) } else { Reply::status(404) }
}

/// The bytes to who asks for bytes.
fn asset(state: &State, request: &Request, id: &str) -> Reply {
    let found = state.releases.iter().find_map(|release| {
        let mut files = release.files.iter();
        let file = files.find(|file| ForgeRelease::number(file).to_string() == id)?;
        Some((release, file))
    });
    match found {
        Some((release, file)) if request.header("accept") == Some("application/octet-stream") => {
            state.stored_at(&release.tag, &file.name)
        }
        Some(_) => Reply::ok("{}"),
        None => Reply::status(404),
    }
}

fn json(state: &State, release: &ForgeRelease) -> String {
    release.json(|file| {
        let digest = if release.has_digests {
            format!("\"sha256:{}\"", file.release.id())
        } else {
            "null".to_owned()
        };
        let (base, tag, name, count) = (&state.base, &release.tag, &file.name, state.downloads);
        format!(
            ",\"state\":\"uploaded\",\"digest\":{digest},\"download_count\":{count},\
             \"updated_at\":\"2026-01-01T00:00:00Z\",\
             \"browser_download_url\":\"{base}/owner/app/releases/download/{tag}/{name}\""
        )
    })
}
