//! Where a binary is published: an absolute URL, in which `{os}`, `{arch}` and `{target}` may stand
//! for those of the machine.

/// What is wrong with the URL, if anything.
pub(super) fn mistake(url: &str) -> Option<String> {
    let Some(rest) = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")) else {
        return Some(format!(
            "\"{url}\" is not an absolute URL; it must start with `https://` or `http://`"
        ));
    };
    if rest.is_empty() || rest.starts_with(['/', '?', '#', ':']) {
        return Some(format!(
            "\"{url}\" names no host; expected a URL such as \"https://example.com/app\""
        ));
    }
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Some(format!("\"{url}\" is not a URL: a space is written `%20`"));
    }
    placeholder_mistake(rest)
}

fn placeholder_mistake(mut rest: &str) -> Option<String> {
    while let Some(start) = rest.find(['{', '}']) {
        let placeholder = &rest[start..];
        let known = PLACEHOLDERS.iter().find_map(|known| placeholder.strip_prefix(known));
        let Some(after) = known else {
            let end = placeholder.find('}').map_or(placeholder.len(), |end| end + 1);
            return Some(format!(
                "`{}` is not known here; a URL may hold `{{os}}`, `{{arch}}` and `{{target}}`",
                &placeholder[..end]
            ));
        };
        rest = after;
    }
    None
}

const PLACEHOLDERS: [&str; 3] = ["{os}", "{arch}", "{target}"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for url in [
            "https://example.com/app",
            "http://localhost:4000/binaries/myapp",
            "http://[::1]:80/",
            "https://x/{os}-{arch}/{target}.gz?a=b",
        ] {
            assert_eq!(mistake(url), None, "{url}");
        }
        for (url, expected) in [
            (
                "example.com/app",
                "\"example.com/app\" is not an absolute URL; it must start with `https://` or `http://`",
            ),
            ("", "\"\" is not an absolute URL; it must start with `https://` or `http://`"),
            (
                "ftp://x/y",
                "\"ftp://x/y\" is not an absolute URL; it must start with `https://` or `http://`",
            ),
            (
                "https://",
                "\"https://\" names no host; expected a URL such as \"https://example.com/app\"",
            ),
            (
                "https:///app",
                "\"https:///app\" names no host; expected a URL such as \"https://example.com/app\"",
            ),
            ("http://x/a b", "\"http://x/a b\" is not a URL: a space is written `%20`"),
            (
                "http://x/{platform}",
                "`{platform}` is not known here; a URL may hold `{os}`, `{arch}` and `{target}`",
            ),
            (
                "http://x/{os",
                "`{os` is not known here; a URL may hold `{os}`, `{arch}` and `{target}`",
            ),
            (
                "http://x/os}",
                "`}` is not known here; a URL may hold `{os}`, `{arch}` and `{target}`",
            ),
        ] {
            assert_eq!(mistake(url).as_deref(), Some(expected), "{url}");
        }
    }
}
