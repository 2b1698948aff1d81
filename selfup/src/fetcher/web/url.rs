//! The URL that the user wrote, and as much of it as may be shown.

use std::env::consts::{ARCH, OS};

use reqwest::Url;

use crate::identity::TARGET;

/// The URL that `text` is once its placeholders are filled, or the mistake in it.
pub(in crate::fetcher) fn parse(text: &str) -> Result<Url, String> {
    let filled = fill(text)?;
    let shown = shown(text);
    let url = match Url::parse(&filled) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => url,
        Err(error) if filled.starts_with("http://") || filled.starts_with("https://") => {
            return Err(format!(
                "{shown:?} is not a URL: {error}; expected one such as \
                 \"https://example.com/myapp\""
            ));
        }
        _ => {
            return Err(format!(
                "{shown:?} is not an absolute URL; it must start with `https://` or `http://`"
            ));
        }
    };
    Ok(url)
}

/// `url` without what may be a secret: its user, its password, and the values of its query.
pub(in crate::fetcher) fn redacted(url: &Url) -> String {
    let mut shown = url.clone();
    // Both refuse URLs that have no host; those have no user either.
    let _ = shown.set_username("");
    let _ = shown.set_password(None);
    shown.set_fragment(None);
    if let Some(query) = url.query() {
        let hidden: Vec<_> = query.split('&').map(hide_value).collect();
        shown.set_query(Some(&hidden.join("&")));
    }
    shown.into()
}

fn hide_value(pair: &str) -> String {
    match pair.split_once('=') {
        Some((name, _)) => format!("{name}=***"),
        None => "***".to_owned(),
    }
}

/// A part of a path as it was before it was escaped.
pub(in crate::fetcher) fn unescaped(part: &str) -> String {
    let mut bytes = Vec::with_capacity(part.len());
    let mut rest = part.as_bytes();
    while let [first, after @ ..] = rest {
        let digits = after.get(..2).filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let escaped = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        if let (b'%', Some(byte)) = (first, escaped) {
            bytes.push(byte);
            rest = &after[2..];
        } else {
            bytes.push(*first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// As much of what is no URL as may be shown.
fn shown(text: &str) -> &str {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

/// The last part of the path of `url`, without its percent signs.
pub(in crate::fetcher) fn name_of(url: &Url) -> String {
    let name = url.path_segments().and_then(|mut parts| parts.next_back()).unwrap_or_default();
    unescaped(name)
}

/// `text` with `{os}`, `{arch}` and `{target}` filled in.
pub(in crate::fetcher) fn fill(text: &str) -> Result<String, String> {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            return Err(format!("a `{{` without its `}}` in {:?}", shown(text)));
        };
        filled.push_str(before);
        match name {
            "os" => filled.push_str(OS),
            "arch" => filled.push_str(ARCH),
            "target" => filled.push_str(TARGET),
            _ => {
                return Err(format!(
                    "unknown placeholder `{{{name}}}` in a URL; expected `{{os}}`, `{{arch}}` or \
                     `{{target}}`, or `%7B` for a brace"
                ));
            }
        }
        rest = after;
    }
    filled.push_str(rest);
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let url = parse("https://example.com/{os}-{arch}/{target}/app").unwrap();
        let expected = format!("https://example.com/{OS}-{ARCH}/{TARGET}/app");
        assert_eq!(url.as_str(), expected);
    }

    #[test]
    fn a_mistake_says_what_was_expected() {
        for (text, message) in [
            (
                "example.com/app",
                "\"example.com/app\" is not an absolute URL; it must start with `https://` or \
                 `http://`",
            ),
            (
                "ftp://example.com/app",
                "\"ftp://example.com/app\" is not an absolute URL; it must start with `https://` \
                 or `http://`",
            ),
            (
                "http://example.com:port/app",
                "\"http://example.com:port/app\" is not a URL: invalid port number; expected one \
                 such as \"https://example.com/myapp\"",
            ),
            (
                "https://example.com/{triple}",
                "unknown placeholder `{triple}` in a URL; expected `{os}`, `{arch}` or `{target}`, \
                 or `%7B` for a brace",
            ),
            ("https://example.com/{os", "a `{` without its `}` in \"https://example.com/{os\""),
        ] {
            assert_eq!(parse(text).unwrap_err(), message);
        }
    }

    #[test]
    fn what_may_be_a_secret_is_not_shown() {
        let url = parse("https://user:swordfish@example.com/app?key=swordfish&swordfish").unwrap();
        assert_eq!(redacted(&url), "https://example.com/app?key=***&***");
        let message = parse("https//user:swordfish@example.com/app?key=swordfish").unwrap_err();
        assert!(!message.contains("swordfish"), "{message}");
    }

    #[test]
    fn the_name_is_the_last_part_of_the_path() {
        for (url, name) in [
            ("https://a.example/x/app?y=/z", "app"),
            ("https://a.example/my%20app%2B%zz", "my app+%zz"),
            ("https://a.example/a%2", "a%2"),
            ("https://a.example", ""),
        ] {
            assert_eq!(name_of(&url.parse().unwrap()), name);
        }
    }
}
