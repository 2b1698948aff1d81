//! Archives of zip, made of headers that no honest writer makes.

use super::*;

/// One entry, as each of its two headers has it.
#[derive(Clone)]
pub(in crate::upgrade) struct Made {
    name: String,
    local_name: Option<String>,
    method: u16,
    local_method: Option<u16>,
    flags: u16,
    mode: u32,
    crc: u32,
    size: u32,
    local_size: Option<u32>,
    packed: Vec<u8>,
    /// Where the central directory says that it lies.
    offset: Option<u32>,
    extra: Vec<u8>,
}

impl Made {
    pub(in crate::upgrade) fn deflated(mut self) -> Self {
        let mut encoder =
            flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&self.packed).unwrap();
        self.packed = encoder.finish().unwrap();
        self.method = 8;
        self
    }

    fn local(&self) -> Vec<u8> {
        let name = self.local_name.as_ref().unwrap_or(&self.name);
        let mut bytes = b"PK\x03\x04\x14\0".to_vec();
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.local_method.unwrap_or(self.method).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend(four(self.packed.len()));
        bytes.extend(self.local_size.unwrap_or(self.size).to_le_bytes());
        bytes.extend(two(name.len()));
        bytes.extend([0; 2]);
        bytes.extend(name.as_bytes());
        bytes.extend(&self.packed);
        bytes
    }

    fn central(&self, offset: u32) -> Vec<u8> {
        let mut bytes = b"PK\x01\x02\x14\x03\x14\0".to_vec();
        bytes.extend(self.flags.to_le_bytes());
        bytes.extend(self.method.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(self.crc.to_le_bytes());
        bytes.extend(four(self.packed.len()));
        bytes.extend(self.size.to_le_bytes());
        bytes.extend(two(self.name.len()));
        bytes.extend(two(self.extra.len()));
        bytes.extend([0; 6]);
        bytes.extend((self.mode << 16).to_le_bytes());
        bytes.extend(self.offset.unwrap_or(offset).to_le_bytes());
        bytes.extend(self.name.as_bytes());
        bytes.extend(&self.extra);
        bytes
    }
}

fn two(number: usize) -> [u8; 2] {
    u16::try_from(number).unwrap().to_le_bytes()
}

fn four(number: usize) -> [u8; 4] {
    u32::try_from(number).unwrap().to_le_bytes()
}

pub(in crate::upgrade) fn file(name: &str, data: &[u8]) -> Made {
    let mut crc = flate2::Crc::new();
    crc.update(data);
    Made {
        name: name.to_owned(),
        local_name: None,
        method: 0,
        local_method: None,
        flags: 0,
        mode: 0o100_755,
        crc: crc.sum(),
        size: u32::try_from(data.len()).unwrap(),
        local_size: None,
        packed: data.to_vec(),
        offset: None,
        extra: Vec::new(),
    }
}

pub(in crate::upgrade) fn app() -> Made {
    file("app-1.0/app", &program())
}

pub(in crate::upgrade) fn archive(entries: &[Made]) -> Vec<u8> {
    counted(entries, u16::try_from(entries.len()).unwrap())
}

/// An archive that says that it has `count` entries.
fn counted(entries: &[Made], count: u16) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for entry in entries {
        directory.extend(entry.central(u32::try_from(bytes.len()).unwrap()));
        bytes.extend(entry.local());
    }
    let begin = bytes.len();
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend([count.to_le_bytes(); 2].concat());
    bytes.extend(four(directory.len()));
    bytes.extend(four(begin));
    bytes.extend([0; 2]);
    bytes
}

fn refused(entries: &[Made], words: &str) {
    let error = refusal(Format::Zip, &archive(entries));
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_is_meant_and_is_no_plain_file_is_refused() {
    for (name, mode, words) in [
        ("../app", 0o100_755, "has `..` in its path"),
        ("/usr/bin/app", 0o100_755, "has an absolute path"),
        ("app", 0o120_777, "is a symbolic link"),
        ("app", 0o020_644, "is a device"),
        ("app", 0o010_644, "is a pipe"),
        ("app", 0o104_755, "has a set-id bit"),
        ("app", 0o102_755, "has a set-id bit"),
    ] {
        refused(&[Made { mode, ..file(name, b"x") }], words);
    }
    refused(&[app(), file("bin/app", b"x")], "both app-1.0/app and bin/app may be the program");
    refused(&[file("tool", b"x")], "it has no app, but tool;");
    let others = [file("../../etc/passwd", b"x"), file("app/", b""), app()];
    assert!(decoded(Format::Zip, &archive(&others)).unwrap() == program());
}

#[test]
fn what_the_two_headers_do_not_agree_on_is_refused() {
    let contradiction = "its entry's two headers contradict each other";
    refused(&[Made { local_name: Some("app-1.0/xyz".into()), ..app() }], contradiction);
    refused(&[Made { local_method: Some(8), ..app() }], contradiction);
    refused(&[Made { local_size: Some(5), ..app() }], contradiction);
}

#[test]
fn what_the_headers_say_of_the_data_is_compared() {
    for made in [app(), app().deflated()] {
        refused(&[Made { crc: made.crc ^ 1, ..made.clone() }], "");
        refused(&[Made { size: made.size - 1, ..made.clone() }], "");
        refused(&[Made { size: made.size + 1, ..made.clone() }], "");
        refused(&[Made { packed: [&made.packed[..], b"more"].concat(), ..made }], "");
    }
    refused(&[Made { flags: 1, ..app() }], "its entry is encrypted");
    refused(&[Made { method: 12, ..app() }], "stored and deflated ones are read");
}

/// A deflated entry that says that it is small, and is not.
#[test]
fn a_bomb_ends_where_it_said_that_it_would() {
    let zeros = vec![0; 64 << 20];
    let bomb = file("app", &zeros).deflated();
    refused(std::slice::from_ref(&bomb), "unpacked it has more than 1048576 bytes");
    refused(&[Made { size: 1000, ..bomb }], "");
}

#[test]
fn overlapping_entries_are_refused() {
    let hidden = Made { offset: Some(60), ..file("other", b"x") };
    refused(&[app(), hidden], "its entries overlap");
    // Both names lead to the same bytes.
    let twin = Made { name: "app-1.0/xyz".into(), offset: Some(0), ..app() };
    refused(&[app(), twin], "its entries overlap");
    let behind = Made { offset: Some(1 << 30), ..app() };
    refused(&[behind], "");
}

/// A size of 64 bits beside one of 32, which is ignored, or none beside one that asks for it.
#[test]
fn lies_in_zip64_are_refused() {
    let field = |size: u64| [&[1, 0, 8, 0][..], &size.to_le_bytes()].concat();
    let ignored = Made { extra: field(5), ..app() };
    assert!(decoded(Format::Zip, &archive(&[ignored])).unwrap() == program());
    refused(&[Made { size: u32::MAX, extra: field(1 << 40), ..app() }], "");
    refused(&[Made { size: u32::MAX, extra: field(200_004), ..app() }], "contradict");
    refused(&[Made { size: u32::MAX, ..app() }], "");
    refused(&[Made { size: u32::MAX, extra: vec![1, 0, 8, 0, 1], ..app() }], "");
}

#[test]
fn a_directory_that_is_not_as_it_says_is_refused() {
    for count in [0, 2, u16::MAX] {
        refusal(Format::Zip, &counted(&[app()], count));
    }
    let many = vec![file("tiny", b""); 11_000];
    let words = refusal(Format::Zip, &archive(&many));
    assert!(words.contains("more than 10000 entries"), "{words}");
    refused(&[], "it has no app, but no file");
}
