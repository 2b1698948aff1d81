//! What a file is.

use std::path::Path;

use serde_json::Value;

use crate::ran::{Ran, run};
use crate::site::{Site, changed, field, sample};

fn inspect(path: &Path, arguments: &[&str]) -> Ran {
    run(&[&["inspect", path.to_str().unwrap()], arguments].concat())
}

fn inspected(bytes: &[u8]) -> (i32, Value) {
    let site = Site::of(bytes);
    let ran = inspect(&site.path(), &["--json"]);
    (ran.code, ran.json())
}

#[test]
fn a_good_binary_is_shown_with_all_that_it_says() {
    let site = Site::new();
    let ran = inspect(&site.path(), &[]);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""));
    let id = selfup::BinaryId::of_file(site.path()).unwrap().to_string();
    for words in [
        "name       selfup-cli/selfup",
        concat!("version    ", env!("CARGO_PKG_VERSION")),
        "target     ",
        "whole      yes",
        "runs here  yes",
        "signature  none beside it",
        &id,
    ] {
        assert!(ran.out.contains(words), "{words}: {}", ran.out);
    }
    let document = inspect(&site.path(), &["--json"]).json();
    assert_eq!(document["digest"], id);
    assert_eq!(document["size"], sample().len());
    assert_eq!(document["note"]["protocol"], 1);
    assert_eq!(document["problem"], Value::Null);
}

#[test]
fn what_was_cut_off_is_told_wherever_it_was_cut() {
    let bytes = sample();
    for length in [100, bytes.len() / 2, bytes.len() - 1] {
        let (code, document) = inspected(&bytes[..length]);
        assert_eq!((code, &document["whole"]), (1, &false.into()), "{length}: {document}");
        assert_eq!(document["runs_here"], false);
        assert!(document["problem"].as_str().unwrap().contains("cut off"), "{document}");
    }
}

#[test]
fn what_is_no_binary_is_told() {
    for bytes in [&b""[..], b"#!/bin/sh\n", b"\x1f\x8b\x08aaaa", b"\x7fELF", b"MZ\x90"] {
        let (code, document) = inspected(bytes);
        assert_eq!((code, &document["whole"]), (1, &Value::Null), "{document}");
        assert!(document["problem"].is_string() && document["digest"].is_string(), "{document}");
    }
}

#[test]
fn a_binary_without_a_note_runs_and_is_not_taken() {
    let ran = inspect(Path::new("/bin/true"), &[]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.out.contains("note       none") && ran.out.contains("runs here  yes"), "{ran:?}");
    assert!(ran.err.contains("services that are not told `allow_unmarked` refuse it"), "{ran:?}");
    let ran = inspect(Path::new("/bin/true"), &["--json"]);
    let document = ran.json();
    assert_eq!((ran.code, &document["note"]), (1, &Value::Null), "{document}");
    assert_eq!(document["runs_here"], true, "{document}");
}

#[test]
fn the_build_for_another_machine_is_told_and_is_whole() {
    let mut bytes = sample();
    // `e_machine`: from RISC-V to SPARC of 64 bits.
    bytes[18..20].copy_from_slice(&43_u16.to_ne_bytes());
    let (code, document) = inspected(&bytes);
    assert_eq!(
        (code, &document["whole"], &document["runs_here"]),
        (1, &true.into(), &false.into())
    );
    assert!(document["problem"].as_str().unwrap().contains("built for 64-bit"), "{document}");
}

#[test]
#[cfg(target_env = "gnu")]
fn a_glibc_that_is_not_here_is_told() {
    let (code, document) = inspected(&crate::site::of_a_newer_glibc());
    assert_eq!((code, &document["runs_here"]), (1, &false.into()), "{document}");
    assert!(document["problem"].as_str().unwrap().contains("it needs glibc 2.99"), "{document}");
}

#[test]
fn a_signature_is_verified_where_a_key_is_named() {
    let (site, signer, other) =
        (Site::new(), selfup_tests::Signer::new(), selfup_tests::Signer::new());
    let signature = signer.sign_all(&sample()[..], "release\t1\u{1b}[2J");
    site.write("app.minisig", &signature);
    let key_file = site.write("key.pub", format!("untrusted comment: x\n{}\n", signer.key()));
    let ran = inspect(&site.path(), &[]);
    assert!(ran.code == 0 && ran.out.contains("not verified; name a --key"), "{ran:?}");
    for key in [signer.key(), key_file.to_str().unwrap().to_owned()] {
        let ran = inspect(&site.path(), &["--key", &other.key(), "--key", &key]);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{ran:?}");
        assert!(ran.out.contains("signature  good, by key "), "{ran:?}");
        assert!(ran.out.contains("release 1") && !ran.out.contains('\u{1b}'), "{ran:?}");
    }
    let ran = inspect(&site.path(), &["--key", &other.key()]);
    assert!(ran.code == 1 && ran.err.contains("which is not trusted here"), "{ran:?}");
    site.write("app", [&sample()[..], b"more"].concat());
    let ran = inspect(&site.path(), &["--key", &signer.key(), "--json"]);
    assert!(ran.code == 1 && ran.err.contains("not of these bytes"), "{ran:?}");
    assert_eq!(ran.json()["signature"]["good"], false);
    std::fs::remove_file(site.directory().join("app.minisig")).unwrap();
    let ran = inspect(&site.path(), &["--key", &signer.key()]);
    assert!(ran.code == 1 && ran.err.contains("app.minisig cannot be read"), "{ran:?}");
}

#[test]
fn a_pipe_and_a_directory_hold_nobody_up() {
    let site = Site::new();
    let pipe = site.directory().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    for path in [pipe.as_path(), site.directory(), Path::new("/nowhere/app")] {
        let ran = inspect(path, &["--json"]);
        assert_eq!(ran.code, 1, "{ran:?}");
        assert!(ran.json()["error"].as_str().unwrap().contains("cannot be read"), "{ran:?}");
    }
}

#[test]
fn what_a_note_says_does_not_move_the_cursor() {
    let name = "selfup-cli/selfup";
    let evil = "\u{202e}elf\u{200b}p-cli/el";
    let (code, document) = inspected(&changed(&field(2, name), &field(2, evil)));
    assert_eq!((code, &document["note"]["name"]), (0, &evil.into()), "the document keeps it");
    let site = Site::of(&changed(&field(2, name), &field(2, evil)));
    let ran = inspect(&site.path(), &[]);
    assert!(ran.out.contains("\\u{202e}elf\\u{200b}p"), "{ran:?}");
}
