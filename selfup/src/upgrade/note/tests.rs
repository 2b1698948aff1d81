use std::path::PathBuf;

use super::*;
use crate::upgrade::testing::{of_name, of_version};

/// Whatever the file says about itself.
fn check(path: &Path) -> Result<()> {
    let accepted = Acceptance { allow_unmarked: true, ..Acceptance::default() };
    super::check(path, None, &accepted).map(drop)
}

/// A file with these bytes, in a directory of its own.
fn file(bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("candidate");
    std::fs::write(&path, bytes).unwrap();
    (directory, path)
}

fn refusal(bytes: &[u8]) -> String {
    let (_directory, path) = file(bytes);
    let error = check(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Note);
    error.to_string()
}

fn own() -> Vec<u8> {
    std::fs::read("/proc/self/exe").unwrap()
}

/// A word of the first header: at which offset it is depends on the word size of this machine.
fn word(bytes: &[u8], at_64: usize, at_32: usize) -> usize {
    let (at, len) = if bytes[4] == 2 { (at_64, 8) } else { (at_32, 4) };
    let mut word = [0; 8];
    if cfg!(target_endian = "little") {
        word[..len].copy_from_slice(&bytes[at..at + len]);
        usize::try_from(u64::from_le_bytes(word)).unwrap()
    } else {
        word[8 - len..].copy_from_slice(&bytes[at..at + len]);
        usize::try_from(u64::from_be_bytes(word)).unwrap()
    }
}

#[test]
fn the_running_binary_and_one_of_the_system_pass() {
    check(Path::new("/proc/self/exe")).unwrap();
    check(Path::new("/bin/true")).unwrap();
    let (_directory, path) = file(&own());
    check(&path).unwrap();
}

#[test]
fn a_binary_that_is_cut_off_anywhere_is_refused() {
    let (directory, path) = file(&own());
    let whole = std::fs::metadata(&path).unwrap().len();
    let cuttable = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let mut lengths: Vec<u64> = (0..200).map(|_| random.u64(1..whole)).collect();
    lengths.extend([whole - 1, 1, 4, 5, 16, 17, 20, 63, 64, 65, 120]);
    lengths.sort_unstable_by(|one, other| other.cmp(one));
    for length in lengths {
        cuttable.set_len(length).unwrap();
        let error = check(&path).expect_err(&format!("{length} of {whole} bytes, seed {seed}"));
        assert_eq!(error.kind(), ErrorKind::Note);
        assert!(error.to_string().contains("cut off"), "{length}: {error}");
    }
    drop(directory);
}

/// The section headers are in front here, so that nothing but a section's content is cut.
#[test]
fn a_cut_in_the_last_section_is_noticed() {
    let mut bytes = own();
    let table = word(&bytes, 0x28, 0x20);
    let (end, entry) = (bytes.len(), if bytes[4] == 2 { 64 } else { 40 });
    let (offset_at, size_at) = if bytes[4] == 2 { (24, 32) } else { (16, 20) };
    let last = table + entry;
    let put = |bytes: &mut Vec<u8>, at: usize, value: usize| {
        let len = size_of::<usize>();
        bytes[at..at + len].copy_from_slice(&value.to_ne_bytes());
    };
    put(&mut bytes, last + offset_at, end - 1);
    put(&mut bytes, last + size_at, 1);
    let (_directory, path) = file(&bytes);
    check(&path).unwrap();
    put(&mut bytes, last + size_at, 2);
    assert!(refusal(&bytes).contains("within a section, which ends at"));
    put(&mut bytes, last + offset_at, usize::MAX);
    assert!(refusal(&bytes).contains("within a section;"));
}

#[test]
fn what_is_no_binary_is_told_by_its_first_bytes() {
    assert!(refusal(b"").contains("the file is empty"));
    let page = refusal(b"<!DOCTYPE html>\n<html>not found");
    assert!(page.contains(r#"begins with "<!DOCTYPE html>\n<html>"#), "{page}");
    assert!(refusal(&[0x1f, 0x8b, 8, 0, 0]).contains("packed as gzip"));
    assert!(refusal(b"#!/bin/sh\nexit 0\n").contains("#!/bin/sh"));
    assert!(refusal(b"\x7fELF").contains("cut off"));
    assert!(refusal(&[b"\x7fELF".as_slice(), &[0; 100]].concat()).contains("garbled"));
}

#[test]
fn another_machine_is_named_beside_ours() {
    let mut bytes = own();
    bytes[18..20].copy_from_slice(&8u16.to_ne_bytes());
    let words = refusal(&bytes);
    assert!(words.contains("MIPS") && words.contains("this process runs on"), "{words}");
    bytes[18..20].copy_from_slice(&999u16.to_ne_bytes());
    assert!(refusal(&bytes).contains("machine 999"));
}

#[test]
fn another_byte_order_or_word_size_is_refused() {
    for (at, values) in [(4, [1, 2]), (5, [1, 2])] {
        let mut bytes = own();
        bytes[at] = values[usize::from(bytes[at] == values[0])];
        let words = refusal(&bytes);
        assert!(words.contains("it is built for"), "{words}");
    }
}

#[test]
fn what_is_no_program_is_refused() {
    let mut bytes = own();
    bytes[16..18].copy_from_slice(&1u16.to_ne_bytes());
    assert!(refusal(&bytes).contains("an object file"));
    bytes[16..18].copy_from_slice(&4u16.to_ne_bytes());
    assert!(refusal(&bytes).contains("a core file"));
}

/// What was found, and what to do: the words that an operator reads.
#[test]
fn each_refusal_of_what_is_no_binary_for_this_machine_says_what_to_do() {
    let whole = own();
    let mut foreign = whole.clone();
    foreign[18] ^= 0xff;
    let mut object = whole.clone();
    object[16..18].copy_from_slice(&1u16.to_ne_bytes());
    let mut garbled = whole.clone();
    garbled[6] = 9;
    for (bytes, words) in [
        (&b""[..], "the file is empty; publish the whole binary"),
        (
            b"\x1f\x8b\x08",
            "it is packed as gzip, not an ELF binary; publish the binary, packed once at most",
        ),
        (
            b"<html>404",
            "it is no ELF binary, for it begins with \"<html>404\"; see what the source delivers",
        ),
        (
            b"\x7fELF",
            "it is cut off: the file ends after 4 bytes, within its first header; publish the whole \
             binary",
        ),
        (&object, "it is an object file, not a program; publish the linked binary"),
        (&garbled, "its ELF headers are garbled; publish the binary as it was built"),
    ] {
        assert_eq!(refusal(bytes), words);
    }
    let words = refusal(&foreign);
    let end = "; publish the binary that is built for this target";
    assert!(words.starts_with("it is built for ") && words.ends_with(end), "{words}");
}

#[test]
fn an_interpreter_that_is_not_there_is_named() {
    let mut bytes = std::fs::read("/bin/true").unwrap();
    let at = bytes.windows(4).position(|window| window == b"/lib").unwrap();
    bytes[at..at + 4].copy_from_slice(b"/lob");
    let words = refusal(&bytes);
    assert!(words.contains("its interpreter /lob"), "{words}");
}

#[test]
fn the_note_of_what_passes_is_given() {
    let (_directory, path) = file(&own());
    let note = super::check(&path, None, &Acceptance::default()).unwrap().unwrap();
    assert_eq!((note.name(), note.version()), ("shop/till", "1.2.3"));
    assert_eq!(of(&path), Some(note));
    assert_eq!(of(Path::new("/bin/true")), None);
    let (_directory, page) = file(b"<html>");
    assert_eq!(of(&page), None);
}

#[test]
fn a_binary_says_who_it_is_or_is_refused() {
    let marked = Acceptance::default();
    let words = super::check(Path::new("/bin/true"), None, &marked).unwrap_err().to_string();
    assert!(words.starts_with("it does not say which program it is"), "{words}");
    let (_directory, path) = file(&of_version(&own(), "1.2.2"));
    let words = super::check(&path, None, &marked).unwrap_err().to_string();
    assert!(words.starts_with("it is version \"1.2.2\", older than \"1.2.3\""), "{words}");
    let deployed = |path: &Path, allowed| check_deployed(File::open(path).unwrap(), allowed);
    deployed(&path, false).expect("an operator may go back");
    let words = deployed(Path::new("/bin/true"), false).unwrap_err().to_string();
    assert!(words.starts_with("it does not say which program it is"), "{words}");
    deployed(Path::new("/bin/true"), true).unwrap();
    let (_directory, path) = file(&of_name(&own(), "shop/bill"));
    let words = deployed(&path, true).unwrap_err().to_string();
    assert!(words.starts_with("it is the program \"shop/bill\""), "{words}");
}

#[test]
fn a_garbled_note_is_refused() {
    let mut bytes = own();
    let at = bytes.windows(9).position(|window| window == b"shop/till").unwrap();
    bytes[at] = 0xff;
    assert!(refusal(&bytes).starts_with("its note is garbled; publish"));
}

/// Headers may lie about everything; none may make the reader panic, or read without bound.
#[test]
fn headers_that_lie_are_no_danger() {
    let whole = own();
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let (directory, path) = file(&whole);
    let writer = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
    let tables = [0, word(&whole, 0x20, 0x1c), word(&whole, 0x28, 0x20)];
    for _ in 0..500 {
        let at = tables[random.usize(..3)] + random.usize(..64);
        let byte = [random.u8(..)];
        std::os::unix::fs::FileExt::write_at(&writer, &byte, at as u64).unwrap();
        // Whether it is refused depends on the byte; that there is an answer is the point.
        let _ = check(&path);
        let original = &whole[at..=at];
        std::os::unix::fs::FileExt::write_at(&writer, original, at as u64).unwrap();
    }
    check(&path).unwrap_or_else(|error| panic!("restored, seed {seed}: {error}"));
    drop(directory);
}
