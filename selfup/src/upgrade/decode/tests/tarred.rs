//! Archives of tar, made of headers that no honest writer makes.

use ::tar::{EntryType, Header};

use super::*;

#[derive(Clone)]
pub(in crate::upgrade) struct Made {
    header: Header,
    data: Vec<u8>,
}

impl Made {
    fn of(mut self, kind: EntryType) -> Self {
        self.header.set_entry_type(kind);
        self
    }

    fn mode(mut self, mode: u32) -> Self {
        self.header.set_mode(mode);
        self
    }

    fn size(mut self, size: u64) -> Self {
        self.header.set_size(size);
        self
    }

    fn bytes(mut self) -> Vec<u8> {
        self.header.set_cksum();
        let mut bytes = self.header.as_bytes().to_vec();
        bytes.extend(&self.data);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
        bytes
    }
}

pub(in crate::upgrade) fn file(name: &str, data: &[u8]) -> Made {
    let mut header = Header::new_ustar();
    header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
    header.set_mode(0o755);
    header.set_size(data.len() as u64);
    header.set_entry_type(EntryType::Regular);
    Made { header, data: data.to_vec() }
}

pub(in crate::upgrade) fn app() -> Made {
    file("app-1.0/app", &program())
}

pub(in crate::upgrade) fn archive(entries: &[Made]) -> Vec<u8> {
    let mut bytes: Vec<u8> = entries.iter().cloned().flat_map(Made::bytes).collect();
    bytes.extend([0; 1024]);
    bytes
}

fn pax(key: &str, value: &str) -> Made {
    let length = |length: &usize| length.to_string().len() + key.len() + value.len() + 3 == *length;
    let length = (0..100_000).find(length).unwrap();
    let record = format!("{length} {key}={value}\n");
    file("pax", record.as_bytes()).of(EntryType::XHeader)
}

fn long(name: &str) -> Made {
    file("././@LongLink", format!("{name}\0").as_bytes()).of(EntryType::GNULongName)
}

fn refused(entries: &[Made], words: &str) {
    let error = refusal(Format::Gzip, &gzip(&archive(entries)));
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_is_meant_and_is_no_plain_file_is_refused() {
    let link = |kind| {
        let mut link = file("bin/app", b"").of(kind);
        link.header.set_link_name_literal("/etc/passwd").unwrap();
        link
    };
    for (entry, words) in [
        (file("../../app", b"x"), "its entry ../../app has `..` in its path;"),
        (file("/usr/bin/app", b"x"), "its entry /usr/bin/app has an absolute path;"),
        (link(EntryType::Symlink), "its entry bin/app is a symbolic link;"),
        (link(EntryType::Link), "its entry bin/app is a hard link;"),
        (link(EntryType::Char), "is a device;"),
        (link(EntryType::Block), "is a device;"),
        (link(EntryType::Fifo), "is a pipe;"),
        (link(EntryType::GNUSparse), "is a sparse file;"),
        (link(EntryType::new(b'Q')), "is of an unknown type;"),
        (app().mode(0o4755), "its entry app-1.0/app has a set-id bit;"),
        (app().mode(0o2755), "has a set-id bit;"),
        (long("bin/../app"), "the entry of a long name is missing"),
    ] {
        refused(std::slice::from_ref(&entry), words);
        // Whether the right one comes before or behind it.
        for entries in [[app(), entry.clone()], [entry, app()]] {
            refusal(Format::Gzip, &gzip(&archive(&entries)));
        }
    }
}

#[test]
fn what_is_not_meant_is_passed_over_whatever_it_is() {
    let mut entries: Vec<_> = [
        ("../../etc/passwd", EntryType::Regular),
        ("/etc/passwd", EntryType::Regular),
        ("app", EntryType::Directory),
        ("app.link", EntryType::Symlink),
        ("dev/sda", EntryType::Block),
    ]
    .map(|(name, kind)| file(name, b"").of(kind).mode(0o6777))
    .into();
    entries.push(app());
    assert!(decoded(Format::Tar, &archive(&entries)).unwrap() == program());
}

#[test]
fn two_that_are_meant_are_refused_and_one_that_is_missing_is_answered_with_what_is_there() {
    refused(&[app(), file("bin/app", b"x")], "both app-1.0/app and bin/app may be the program");
    refused(&[file("README", b"x"), file("tool", b"x")], "it has no app, but README, tool;");
    refused(&[file("app/", b"")], "it has no app, but no file;");
}

#[test]
fn a_long_name_is_the_name_of_the_next_entry() {
    let directory = "d".repeat(200);
    let name = format!("{directory}/app");
    for long_name in [long(&name), pax("path", &name)] {
        let entries = [long_name.clone(), file("short", &program())];
        assert!(decoded(Format::Tar, &archive(&entries)).unwrap() == program());
        refused(&[long_name, long("other"), app()], "an entry has two long names");
    }
    let entries = [pax("path", "other"), app()];
    refused(&entries, "it has no app, but other;");
    refused(&[long(&"d/".repeat(40_000)), app()], "a name in it is longer than 65536 bytes");
    refused(&[app().of(EntryType::GNULongLink), app()], "longer than 65536 bytes");
}

#[test]
fn what_two_readers_read_in_two_ways_is_refused() {
    refused(&[pax("size", "1"), app()], "its `size` is none that can be relied on");
    refused(&[pax("GNU.sparse.major", "1"), app()], "`GNU.sparse.major`");
    refused(&[pax("path", "app").of(EntryType::XGlobalHeader), app()], "its `path` is none");
    let comment = pax("comment", "a commit").of(EntryType::XGlobalHeader);
    assert!(
        decoded(Format::Tar, &archive(&[comment, app()])).is_ok(),
        "as `git archive` writes it"
    );
    let hidden = [archive(&[app()]), archive(&[app()])].concat();
    let error = refusal(Format::Tar, &hidden);
    assert!(error.contains("there is something behind its end"), "{error}");
}

#[test]
fn a_size_that_is_a_lie_is_refused() {
    refused(&[file("app", b"x").size(1 << 40)], "unpacked it has more than 1048576 bytes");
    refused(&[file("app", b"x").size(600_000)], "an entry is cut off");
    refused(&[file("other", b"x").size(u64::MAX), app()], "");
    refused(&[app(), file("other", b"x").size(1 << 40)], "an entry is cut off");
}

#[test]
fn a_million_tiny_entries_end_at_the_ten_thousandth() {
    let one = file("tiny", b"").bytes();
    let words = decode_within(1 << 30, Format::Tar, &one.repeat(11_000)).unwrap_err().to_string();
    assert!(words.contains("more than 10000 entries"), "{words}");
}
