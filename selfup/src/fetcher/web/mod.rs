//! What every fetcher over HTTP has in common.
//!
//! A fetcher keeps an [`Access`], which the user's settings go to, and [`Clients`], and asks a
//! [`Question`] of one URL. What the user sets as a header is a secret more often than not, and belongs
//! to the scheme, host and port of the URL that the question is for, so redirects are followed here and
//! not by the client below: whatever they lead to is asked without it. A fetcher to which a redirect is
//! an answer asks [once](Client::ask_once).
//!
//! What answers is an [`Answer`]: its body is [delivered](deliver) as a download that is gone on with
//! where it broke off, or [read](Answer::read) as something small, or not read at all, which ends the
//! connection. An answer that is none becomes an error, one with a time where the server asks to be
//! left alone.
//!
//! - `access`: the user's headers, proxy and authority, and what is wrong with them
//! - `tls`: whom we trust
//! - `clear`: who is asked over http
//! - `client`: questions and answers; `hop`: the way through redirects
//! - `retry_after`: for how long a server wants to be left alone
//! - `url`: what the user wrote, and what may be shown of it
//! - `known`: the validator
//! - `body`: the bytes
//! - `resume`: the rest of them, where they broke off
//!
//! Rejected: connections that are kept between polls. A runtime that sleeps meanwhile does not see a
//! server close one, and would ask into the void; a new one resumes its TLS session.
//!
//! The proxies of the environment are found by the client below, by `HTTPS_PROXY`, `HTTP_PROXY` and, for
//! what these do not name, `ALL_PROXY`. That one is a SOCKS proxy more often than not, so such are spoken
//! to, too, which costs no crate.
//!
//! Limits: the certificates are read when a client is made, which is at the first poll and again after
//! a request that failed.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;

use self::body::Body;
use self::resume::Resume;
use super::Download;

pub(in crate::fetcher) use self::access::Access;
pub(in crate::fetcher) use self::client::{Answer, Client, Clients, Question};
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
pub(in crate::fetcher) use self::resume::Asker;

mod access;
mod body;
pub(in crate::fetcher) mod clear;
pub(in crate::fetcher) mod client;
mod hop;
pub(in crate::fetcher) mod known;
mod resume;
mod retry_after;
mod tls;
pub(in crate::fetcher) mod url;

/// The body of `answer` to `question` as a download of that length, if it told one. The server may be
/// silent for `idle`.
///
/// The question is asked again for the rest of a body that broke off, so it has to be one whose answer
/// is the file, with the headers that this takes.
pub(in crate::fetcher) fn deliver(
    client: &Arc<Client>,
    question: &Question<'_>,
    answer: Answer,
    idle: Duration,
) -> Download {
    let resume = Resume::of(client, question, &answer);
    delivered(answer, question.url, idle, resume)
}

/// The body of `answer` to a question for `url` as [`deliver`] has it, if it is the `asker` who asks for
/// the rest.
#[cfg(any(feature = "s3", feature = "gcs", feature = "azure"))]
pub(in crate::fetcher) fn deliver_by(
    asker: Arc<dyn Asker>,
    url: &Url,
    answer: Answer,
    idle: Duration,
) -> Download {
    let resume = Resume::by(asker, url, &answer);
    delivered(answer, url, idle, resume)
}

fn delivered(answer: Answer, url: &Url, idle: Duration, resume: Option<Resume>) -> Download {
    let length = answer.length();
    let body = Body::new(answer.response, idle, url::redacted(url), resume);
    let download = Download::new(body);
    match length {
        Some(length) => download.length(length),
        None => download,
    }
}
