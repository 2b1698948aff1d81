use tokio::io::AsyncReadExt as _;

use super::super::Check;
use super::*;
use crate::upgrade::testing::{block_on, download};

fn check(bytes: &[u8], text: &str, keys: &[PublicKey]) -> Result<Signed> {
    let mut download = download(bytes).signature(text);
    let check = Check::begin(&mut download, keys);
    let mut read = Vec::new();
    block_on(download.read_to_end(&mut read)).unwrap();
    assert!(read == bytes, "whatever is found");
    // The download still lives: its end is not what is waited for.
    check.finish().map(|signed| signed.expect("there are keys"))
}

fn key(text: &str) -> PublicKey {
    PublicKey::parse(text).unwrap()
}

fn refusal(bytes: &[u8], text: &str, keys: &[PublicKey]) -> String {
    let error = check(bytes, text, keys).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Verify);
    error.to_string()
}

#[test]
fn a_signature_of_the_bytes_by_one_of_the_keys_is_good() {
    let signed = check(b"test", &GOOD.join("\n"), &[key(OTHER_KEY), key(KEY)]).unwrap();
    assert_eq!(signed.key, "E7620F1842B4E81F");
    assert_eq!(signed.comment, "timestamp:1556193335 file:test");
    let crlf = GOOD.join("\r\n") + "\r\n\r\n";
    assert_eq!(check(b"test", &crlf, &[key(KEY)]).unwrap(), signed);
}

/// As the documentation of minisign describes it, by its author's implementation.
#[test]
fn what_minisign_signs_is_good_and_what_changes_is_not() {
    let pair = minisign::KeyPair::generate_unencrypted_keypair().unwrap();
    let own = &[key(&pair.pk.to_base64())];
    let bytes = vec![7; 3_000_001];
    let sign = |comment: &str| {
        minisign::sign(None, &pair.sk, &*bytes, Some(comment), None).unwrap().into_string()
    };
    let text = sign("release 7");
    assert_eq!(check(&bytes, &text, own).unwrap().comment, "release 7");
    let words = "and not of these bytes: it is of another file, or one of both was changed";
    for changed in [&bytes[1..], b""] {
        assert!(refusal(changed, &text, own).contains(words));
    }
    let other_comment = text.replace("release 7", "release 8");
    assert!(refusal(&bytes, &other_comment, own).contains(words));
    let other = sign("release 8");
    let (lines, others): (Vec<_>, Vec<_>) = (text.lines().collect(), other.lines().collect());
    let mixed = [lines[0], lines[1], others[2], others[3]].join("\n");
    assert!(refusal(&bytes, &mixed, own).contains(words));
}

#[test]
fn a_signature_by_a_key_that_is_not_trusted_is_refused_with_both_numbers() {
    let words = refusal(b"test", &GOOD.join("\n"), &[key(OTHER_KEY)]);
    assert_eq!(
        words,
        "it is signed by key E7620F1842B4E81F, which is not trusted here; expected a signature by \
         87CDE784D6BC2D56, the keys in `verify`"
    );
    // A key of somebody else's that goes by the number of a trusted one.
    let posing = key(&[&KEY[..14], &OTHER_KEY[14..]].concat());
    assert!(refusal(b"test", &GOOD.join("\n"), &[posing]).contains("and not of these bytes"));
}

#[test]
fn a_legacy_signature_is_refused_with_the_remedy() {
    let legacy = [
        "untrusted comment: signature from minisign secret key",
        "RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=",
        "trusted comment: timestamp:1555779966\tfile:test",
        "QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==",
    ];
    let words = refusal(b"test", &legacy.join("\n"), &[key(KEY)]);
    assert!(
        words.contains("is a legacy one") && words.ends_with("`minisign -SHm FILE`"),
        "{words}"
    );
}

#[test]
fn what_is_no_signature_is_refused_and_shown_so_far() {
    let good = GOOD.join("\n");
    let (half, cut) = (&good[..good.len() / 2], GOOD[..3].join("\n"));
    let long = good.clone() + &"\n".repeat(LONGEST_SIGNATURE);
    let algorithm = good.replace("RUQf", "RUUf");
    let no_comment = good.replace("trusted comment: t", "trusted: t");
    let page = "<!DOCTYPE html>\u{202e}<body>not found";
    for text in
        ["", "RUQf", half, &cut, &long, &algorithm, &no_comment, page, &good.replace('7', "?")]
    {
        let words = refusal(b"test", text, &[key(KEY)]);
        assert!(words.starts_with("its signature is garbled: it"), "{words}");
        assert!(
            words.contains("expected the four lines that `minisign -Sm FILE` writes"),
            "{words}"
        );
        assert!(words.len() < 300, "{words}");
    }
    let words = refusal(b"test", page, &[key(KEY)]);
    assert!(words.contains("begins with \"<!DOCTYPE html>\\u{202e}<body>"), "{words}");
}

/// Somebody reads half of it, and takes that for the whole.
#[test]
fn what_was_not_read_is_not_signed() {
    let mut download = download(b"tests").signature(GOOD.join("\n"));
    let check = Check::begin(&mut download, &[key(KEY)]);
    block_on(download.read_exact(&mut [0; 3])).unwrap();
    assert!(check.finish().is_err());
    let begun = Check::begin(&mut download, &[key(KEY)]);
    assert!(begun.finish().is_err(), "the signature was taken out");
}

#[test]
fn a_reading_that_is_given_up_leaves_no_thread() {
    let mut download = download(b"test").signature(GOOD.join("\n"));
    let check = Check::begin(&mut download, &[key(KEY)]);
    let Check::Running(Running { pieces, thread, .. }) = check else { panic!("{check:?}") };
    drop((pieces, download));
    assert!(!thread.join().unwrap());
}

#[test]
fn a_comment_is_shown_on_one_line_and_bounded() {
    for (comment, expected) in [
        ("timestamp:1\tfile:it's \"a\" \\ b", "timestamp:1 file:it's \"a\" \\ b"),
        ("a\r\x1b[2Jb\u{202e}c\u{0}", "a\\r\\u{1b}[2Jb\\u{202e}c\\0"),
        ("grün", "grün"),
    ] {
        assert_eq!(shown(comment), expected);
    }
    assert_eq!(shown(&"x".repeat(9999)), "x".repeat(256));
    assert!(shown(&"\u{0}\u{202e}".repeat(999)).len() <= 256);
}

const KEY: &str = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3";

const OTHER_KEY: &str = "RWRWLbzWhOfNhxpF1iYkD7dMFLz80B/dxR1NAHszyu15q/RJlyaVGC6A";

/// The example of `minisign-verify`.
const GOOD: [&str; 4] = [
    "untrusted comment: signature from minisign secret key",
    "RUQf6LRCGA9i559r3g7V1qNyJDApGip8MfqcadIgT9CuhV3EMhHoN1mGTkUidF/z7SrlQgXdy8ofjb7bNJJylDOocrCo8KLzZwo=",
    "trusted comment: timestamp:1556193335\tfile:test",
    "y/rUw2y8/hOUYjZU71eHp/Wo1KZ40fGy2VJEDl34XMJM+TX48Ss/17u3IvIfbVR1FkZZSNCisQbuQY+bHwhEBg==",
];
