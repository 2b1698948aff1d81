//! GitLab: <https://docs.gitlab.com/api/releases/>, and packages behind the links.

use super::{ForgeRelease, State, tagged};
use crate::faults::{Reply, Request};

pub(super) fn answer(state: &State, request: &Request) -> Reply {
    let path = request.path();
    if !state.admits(request) {
        let is_anonymous = request.header("private-token").is_none();
        return Reply::status(if is_anonymous { 404 } else { 401 });
    }
    if let Some(place) = path.strip_prefix("/api/v4/projects/24/packages/generic/app/") {
        let Some((tag, name)) = place.split_once('/') else { return Reply::status(404) };
        return state.stored_at(&tag.replace("%2F", "/"), name);
    }
    let Some(path) = path
        .strip_prefix("/api/v4/projects/owner%2Fapp/releases")
        .or_else(|| path.strip_prefix("/api/v4/projects/24/releases"))
    else {
        return Reply::status(404);
    };
    match path {
        "" => state.page(request, |release| json(state, release)),
        "/permalink/latest" => {
            // GitLab knows no pre-releases.
            let Some(latest) = state.releases.iter().rfind(|release| !release.is_draft) else {
                return Reply::status(404);
            };
            let (base, tag) = (&state.base, latest.tag.replace('/', "%2F"));
            let location = format!("{base}/api/v4/projects/24/releases/{tag}");
            let mut reply = Reply::redirect(&location);
            reply.body = format!("This resource has been moved temporarily to {location}.").into();
            reply
        }
        _ => {
            let release = path.strip_prefix('/').map(|tag| tag.replace("%2F", "/"));
            let release = release.and_then(|tag| state.release(&tag));
            release.map_or(Reply::status(404), |release| tagged(request, json(state, release)))
        }
    }
}

fn json(state: &State, release: &ForgeRelease) -> String {
    let (base, tag) = (&state.base, &release.tag);
    let links = release.files.iter().map(|file| {
        let (id, name, place) = (ForgeRelease::number(file), &file.name, tag.replace('/', "%2F"));
        let url = format!("{base}/api/v4/projects/24/packages/generic/app/{place}/{name}");
        format!("{{\"id\":{id},\"name\":\"{name}\",\"url\":\"{url}\",\"link_type\":\"other\"}}")
    });
    let links = links.collect::<Vec<_>>().join(",");
    let upcoming = release.is_draft;
    format!(
        "{{\"tag_name\":\"{tag}\",\"upcoming_release\":{upcoming},\
         \"assets\":{{\"count\":9,\"sources\":[],\"links\":[{links}]}}}}"
    )
}
