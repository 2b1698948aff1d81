//! What exists, and what is to be done for a request: decided by its first line alone.

use std::time::Duration;

use http::{Method, StatusCode};

use super::answer::Refused;
use super::ask::Ask;

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    Status,
    Metrics,
    Events,
    /// Something that changes the service.
    Do(Ask, &'static str),
}

/// All that exists.
const ROUTES: [(Method, &str, Route); 8] = [
    (Method::GET, "/status", Route::Status),
    (Method::GET, "/metrics", Route::Metrics),
    (Method::GET, "/events", Route::Events),
    (Method::POST, "/restart", Route::Do(Ask::Restart, "restart")),
    (Method::POST, "/check", Route::Do(Ask::Check, "check")),
    (Method::POST, "/rollback", Route::Do(Ask::RollBack, "rollback")),
    (Method::POST, "/pause-upgrades", Route::Do(Ask::PauseUpgrades, "pause-upgrades")),
    (Method::POST, "/resume-upgrades", Route::Do(Ask::ResumeUpgrades, "resume-upgrades")),
];

/// What is to be done, and for how long its client waits at most.
pub(super) fn route(
    method: &Method,
    path: &str,
    query: Option<&str>,
) -> Result<(Route, Duration), Refused> {
    let found = ROUTES.iter().find(|(_, exists, _)| *exists == path);
    let Some((wanted, path, route)) = found else {
        let words = format!("there is nothing under this path; there are {}", list());
        return Err(Refused::new(StatusCode::NOT_FOUND, words));
    };
    if method != wanted {
        let words = format!("{path} is asked by {wanted}; there are {}", list());
        let refused = Refused::new(StatusCode::METHOD_NOT_ALLOWED, words);
        return Err(refused.allowing(wanted));
    }
    Ok((*route, patience(*route, query)?))
}

fn list() -> String {
    let each: Vec<_> = all().map(|(method, path)| format!("{method} {path}")).collect();
    each.join(", ")
}

/// The method and the path of each.
pub(super) fn all() -> impl Iterator<Item = (Method, &'static str)> {
    ROUTES.into_iter().map(|(method, path, _)| (method, path))
}

/// For how long the client waits.
fn patience(route: Route, query: Option<&str>) -> Result<Duration, Refused> {
    let usual = match route {
        Route::Do(..) => LONGEST,
        _ => FOR_A_LOOK,
    };
    let Some(query) = query.filter(|query| !query.is_empty()) else { return Ok(usual) };
    let timeout = query.strip_prefix("timeout=").filter(|_| route != Route::Events);
    let timeout = timeout.and_then(|text| humantime::parse_duration(text).ok());
    timeout.filter(|timeout| *timeout <= LONGEST).ok_or_else(|| {
        let words = match route {
            Route::Events => "events have no parameters; leave out what is behind the ?",
            _ => "the only parameter is ?timeout=, such as 30s or 5m, and an hour at most",
        };
        Refused::new(StatusCode::BAD_REQUEST, words)
    })
}

/// Whatever is waited for is given up then, but goes on.
const LONGEST: Duration = Duration::from_secs(60 * 60);

/// The loop answers in a second; a machine may be slow.
const FOR_A_LOOK: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(method: &Method, path: &str, query: Option<&str>) -> StatusCode {
        route(method, path, query).map_or_else(|refused| refused.status(), |_| StatusCode::OK)
    }

    #[test]
    fn each_path_is_asked_by_its_method_alone() {
        for (method, path, expected) in ROUTES {
            let (found, patience) = route(&method, path, None).unwrap();
            assert_eq!(found, expected);
            assert_eq!(patience == LONGEST, method == Method::POST, "{path}");
            for other in [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::OPTIONS] {
                if other != method {
                    let status = status_of(&other, path, None);
                    assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED, "{other} {path}");
                }
            }
        }
    }

    #[test]
    fn what_an_action_is_called_is_its_path() {
        for (_, path, found) in ROUTES {
            if let Route::Do(_, what) = found {
                assert_eq!(path, format!("/{what}"));
            }
        }
    }

    #[test]
    fn another_path_is_told_what_exists() {
        for path in ["", "/", "*", "/status/", "//status", "/Status", "/restart%20", "/../status"] {
            let refused = route(&Method::POST, path, None).unwrap_err();
            assert_eq!(refused.status(), StatusCode::NOT_FOUND, "{path}");
            assert!(refused.words().contains("GET /status, "), "{}", refused.words());
            assert!(refused.words().contains("POST /restart, "), "{}", refused.words());
        }
    }

    #[test]
    fn a_client_says_how_long_it_waits() {
        let waits = |path, query| route(&Method::POST, path, Some(query)).unwrap().1;
        assert_eq!(waits("/restart", "timeout=30s"), Duration::from_secs(30));
        assert_eq!(waits("/check", "timeout=0s"), Duration::ZERO);
        assert_eq!(waits("/check", "timeout=1h"), LONGEST);
        assert_eq!(waits("/check", ""), LONGEST);
        let bad = ["timeout", "timeout=", "timeout=30", "timeout=61m", "timeout=-1s", "timout=1s"];
        for query in bad.into_iter().chain(["timeout=1s&timeout=2s", "timeout=99999999999999y"]) {
            let status = status_of(&Method::POST, "/restart", Some(query));
            assert_eq!(status, StatusCode::BAD_REQUEST, "{query}");
        }
        let events = status_of(&Method::GET, "/events", Some("timeout=1s"));
        assert_eq!(events, StatusCode::BAD_REQUEST);
    }
}
