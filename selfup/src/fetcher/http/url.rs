//! The URL that the user wrote, and as much of it as may be shown.

use std::env::consts::{ARCH, OS};

use reqwest::Url;

/// The URL that `text` is once its placeholders are filled, or the mistake in it.
pub(super) fn parse(text: &str) -> Result<Url, String> {
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
pub(super) fn redacted(url: &Url) -> String {
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

/// As much of what is no URL as may be shown.
fn shown(text: &str) -> &str {
    let end = text.find(['?', '#']).unwrap_or(text.len());
    let text = &text[..end];
    text.rsplit_once('@').map_or(text, |(_, rest)| rest)
}

/// `text` with `{os}`, `{arch}` and `{target}` filled in.
fn fill(text: &str) -> Result<String, String> {
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
            "target" => filled.push_str(&target()),
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

/// The target triple of this build, put together as rustc names its targets: what the compiler
/// tells a crate are its parts, and some of them under other names.
fn target() -> String {
    let arch = match ARCH {
        "x86" => "i686",
        "arm" if cfg!(target_feature = "v7") => "armv7",
        "riscv64" => "riscv64gc",
        "powerpc64" if cfg!(target_endian = "little") => "powerpc64le",
        arch => arch,
    };
    let system = match OS {
        "macos" => "apple-darwin".to_owned(),
        "android" => "linux-android".to_owned(),
        "windows" => "pc-windows".to_owned(),
        os => format!("unknown-{os}"),
    };
    format!("{arch}-{system}{}", environment())
}

/// The C library and the calling convention, where a triple names them.
fn environment() -> String {
    let library = if cfg!(target_env = "gnu") {
        "-gnu"
    } else if cfg!(target_env = "musl") {
        "-musl"
    } else if cfg!(target_env = "msvc") {
        "-msvc"
    } else if cfg!(target_os = "android") {
        // The system's name ends in it already.
        ""
    } else {
        return String::new();
    };
    let convention = if cfg!(target_abi = "eabihf") {
        "eabihf"
    } else if cfg!(target_abi = "eabi") {
        "eabi"
    } else if cfg!(target_abi = "x32") {
        "x32"
    } else {
        ""
    };
    format!("{library}{convention}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled() {
        let url = parse("https://example.com/{os}-{arch}/{target}/app").unwrap();
        let expected = format!("https://example.com/{OS}-{ARCH}/{}/app", target());
        assert_eq!(url.as_str(), expected);
    }

    #[test]
    #[cfg(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu"))]
    fn the_target_is_what_rustc_calls_it() {
        assert_eq!(target(), "x86_64-unknown-linux-gnu");
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
}
