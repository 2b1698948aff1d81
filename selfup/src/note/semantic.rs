//! Semantic versions (<https://semver.org>), told at compile time.

/// Whether `text` is one, as Cargo reads it.
pub(super) const fn is_semantic(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some(mut at) = numbers(bytes) else { return false };
    if at < bytes.len() && bytes[at] == b'-' {
        let Some(end) = identifiers(bytes, at + 1, true) else { return false };
        at = end;
    }
    if at < bytes.len() && bytes[at] == b'+' {
        let Some(end) = identifiers(bytes, at + 1, false) else { return false };
        at = end;
    }
    at == bytes.len()
}

/// The end of the three numbers with dots between them.
const fn numbers(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut number) = (0, 0);
    while number < 3 {
        if number > 0 {
            if at == bytes.len() || bytes[at] != b'.' {
                return None;
            }
            at += 1;
        }
        let start = at;
        while at < bytes.len() && bytes[at].is_ascii_digit() {
            at += 1;
        }
        if at == start || at - start > LONGEST_NUMBER || has_leading_zero(bytes, start, at) {
            return None;
        }
        number += 1;
    }
    Some(at)
}

/// The end of identifiers with dots between them, which begin at `at`.
const fn identifiers(bytes: &[u8], mut at: usize, is_pre_release: bool) -> Option<usize> {
    loop {
        let (start, mut is_number) = (at, true);
        while at < bytes.len() && (bytes[at].is_ascii_alphanumeric() || bytes[at] == b'-') {
            is_number &= bytes[at].is_ascii_digit();
            at += 1;
        }
        if at == start || (is_pre_release && is_number && has_leading_zero(bytes, start, at)) {
            return None;
        }
        if at == bytes.len() || bytes[at] != b'.' {
            return Some(at);
        }
        at += 1;
    }
}

const fn has_leading_zero(bytes: &[u8], start: usize, end: usize) -> bool {
    end - start > 1 && bytes[start] == b'0'
}

/// As many digits fit a `u64`, whatever they are.
const LONGEST_NUMBER: usize = 19;

#[cfg(all(test, selfup_supervised))]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_who_compares_versions() {
        let seed = fastrand::u64(..);
        let mut random = fastrand::Rng::with_seed(seed);
        let mut good = 0;
        for _ in 0..200_000 {
            let mut text = String::new();
            for _ in 0..random.usize(..4) {
                text += ["0.1.0", "1.", "2", "0"][random.usize(..4)];
            }
            for _ in 0..random.usize(..6) {
                text += ["0", "7", ".", "-", "+", "a", "rc", "_", "00"][random.usize(..9)];
            }
            let is_one = semver::Version::parse(&text).is_ok();
            assert_eq!(is_semantic(&text), is_one, "{text:?}, seed {seed}");
            good += usize::from(is_one);
        }
        assert!(good > 1000, "{good} of them were versions");
        assert!(!is_semantic("99999999999999999999.0.0"));
    }
}
