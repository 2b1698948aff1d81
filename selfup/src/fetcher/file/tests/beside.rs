//! A digest and a signature beside the binary.

use super::*;
use crate::fetcher::Signature;

const DIGEST: &str = "1111111111111111111111111111111111111111111111111111111111111111";

#[test]
fn a_digest_is_looked_for_where_it_is_told() {
    let (dir, path) = place();
    fs::write(&path, "one").unwrap();
    let sums = dir.path().join("SHA256SUMS");
    for (place, at) in [(".sha256", dir.path().join("app.sha256")), ("SHA256SUMS", sums)] {
        let mut fetcher = file(&path).sha256(place);
        let message = run(fetcher.fetch(&current(None))).unwrap_err().to_string();
        assert!(message.contains("is not there; expected the SHA-256 of the binary"), "{message}");
        fs::write(&at, "nothing").unwrap();
        let message = run(fetcher.fetch(&current(None))).unwrap_err().to_string();
        assert!(message.contains("it has no SHA-256 of \"app\""), "{message}");
        fs::write(&at, vec![b' '; 65 * 1024]).unwrap();
        let message = run(fetcher.fetch(&current(None))).unwrap_err().to_string();
        assert!(message.contains("has more than 65536 bytes"), "{message}");
        fs::write(&at, format!("{DIGEST}  app\n")).unwrap();
        let found = run(fetcher.fetch(&current(None))).unwrap();
        let Fetched::Binary(download) = found else { panic!("it is there") };
        assert_eq!(download.get_sha256(), Some(DIGEST.parse().unwrap()));
    }
}

#[test]
fn a_signature_is_looked_for_only_where_one_is_wanted() {
    let (dir, path) = place();
    fs::write(&path, "one").unwrap();
    fs::write(dir.path().join("app.sig"), "signed").unwrap();
    let signature_of = |fetcher: &mut File, is_wanted| {
        let current = current(None).with_wanted_signature(is_wanted);
        match run(fetcher.fetch(&current)).unwrap() {
            Fetched::Binary(download) => download.signature,
            Fetched::Unchanged => panic!("it is there"),
        }
    };
    let mut fetcher = file(&path).signature(".sig");
    assert_eq!(signature_of(&mut fetcher, false), Signature::Unknown);
    assert_eq!(signature_of(&mut fetcher, true), Signature::Given("signed".into()));
    let missing = signature_of(&mut file(&path), true);
    let Signature::Missing(words) = missing else { panic!("{missing:?}") };
    assert!(words.ends_with("app.minisig is not there"), "{words}");
}

#[test]
fn what_is_no_file_beside_the_binary_is_an_error_and_not_waited_for() {
    let (dir, path) = place();
    fs::write(&path, "one").unwrap();
    let fifo = dir.path().join("app.sha256");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let mut fetcher = file(&path).sha256(".sha256");
    let message = run(fetcher.fetch(&current(None))).unwrap_err().to_string();
    assert!(message.contains("app.sha256 cannot be read"), "{message}");
}
