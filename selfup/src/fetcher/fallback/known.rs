//! The validators of both, as one.
//!
//! Each is written with its length before it, so that it may hold anything, and another pair of them,
//! too, without growing: quotes in quotes would double at each depth. What the pipeline remembers is
//! bounded; where both are too long for it, only that of who delivered is kept.

use crate::fetcher::LONGEST_VALIDATOR;

/// What each of both said last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) first: Option<String>,
    pub(super) second: Option<String>,
}

impl Known {
    /// What a validator says; nothing, if it is from another fetcher.
    pub(super) fn parse(text: &str) -> Self {
        let parsed = text.strip_prefix(MARK).and_then(|text| {
            let (first, text) = part(text)?;
            let (second, rest) = part(text)?;
            rest.is_empty().then_some(Self { first, second })
        });
        parsed.unwrap_or_default()
    }

    /// With what the second one said now, or the first.
    pub(super) fn replaced(self, is_second: bool, told: Option<String>) -> Self {
        if is_second { Self { second: told, ..self } } else { Self { first: told, ..self } }
    }

    /// The validator, with that of who delivered at least, if it fits.
    pub(super) fn into_validator(self, is_second: bool) -> Option<String> {
        if self == Self::default() {
            return None;
        }
        let text = self.text();
        if text.len() <= LONGEST_VALIDATOR {
            return Some(text);
        }
        let told = if is_second { self.second } else { self.first };
        let alone = Self::default().replaced(is_second, told).text();
        (alone.len() <= LONGEST_VALIDATOR).then_some(alone)
    }

    fn text(&self) -> String {
        let part = |known: &Option<String>| match known {
            Some(known) => format!("{}:{known}", known.len()),
            None => "-".to_owned(),
        };
        format!("{MARK}{}{}", part(&self.first), part(&self.second))
    }
}

/// What one of both said, and what is behind it.
fn part(text: &str) -> Option<(Option<String>, &str)> {
    if let Some(rest) = text.strip_prefix('-') {
        return Some((None, rest));
    }
    let (length, text) = text.split_once(':')?;
    let (known, rest) = text.split_at_checked(length.parse().ok()?)?;
    Some((Some(known.to_owned()), rest))
}

const MARK: &str = "fallback 1 ";

#[cfg(test)]
mod tests {
    use super::*;

    fn known(first: Option<&str>, second: Option<&str>) -> Known {
        Known { first: first.map(Into::into), second: second.map(Into::into) }
    }

    #[test]
    fn what_both_said_is_read_back_whatever_is_in_it() {
        let inner = known(Some("-:3:"), Some("\"é\"")).text();
        let all = [None, Some(""), Some("-"), Some("{\"a\":1}"), Some(&*inner)];
        for first in all {
            for second in all {
                let known = known(first, second);
                assert_eq!(Known::parse(&known.text()), known);
            }
        }
    }

    #[test]
    fn a_text_of_another_fetcher_says_nothing() {
        for text in [
            "",
            "{\"etag\":\"1\"}",
            "fallback 1 ",
            "fallback 1 -",
            "fallback 1 --x",
            "fallback 1 9:é-",
            "fallback 1 1:é-",
            "fallback 1 99999999999999999999:a-",
            "fallback 1 -1:a-",
        ] {
            assert_eq!(Known::parse(text), Known::default(), "{text}");
        }
    }

    #[test]
    fn what_is_too_long_for_both_keeps_what_was_said_now() {
        let long = "x".repeat(LONGEST_VALIDATOR / 2);
        let both = known(Some(&long), Some(&long));
        for (is_second, expected) in
            [(false, known(Some(&long), None)), (true, known(None, Some(&long)))]
        {
            let kept = both.clone().into_validator(is_second).unwrap();
            assert_eq!(Known::parse(&kept), expected);
        }
        let longer = "x".repeat(LONGEST_VALIDATOR);
        assert_eq!(known(Some(&longer), Some("1")).into_validator(false), None);
        assert_eq!(known(None, None).into_validator(false), None);
    }
}
