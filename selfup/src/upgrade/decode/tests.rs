//! Each format as it is published, and each lie that somebody may tell with it.

use std::io::Write as _;

use super::*;
use crate::upgrade::testing::block_on;

pub(in crate::upgrade) mod tarred;
pub(in crate::upgrade) mod zipped;

/// Longer than every buffer, and not to be packed into one.
pub(in crate::upgrade) fn program() -> Vec<u8> {
    let mut bytes = b"\x7fELF".to_vec();
    let mut random = fastrand::Rng::with_seed(7);
    bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(200_000));
    bytes
}

/// What comes out of `bytes`, of at most so many, where `app` is wanted.
fn decode_within(most: u64, format: Format, bytes: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut to = |bytes: &[u8]| {
        out.extend_from_slice(bytes);
        Ok(())
    };
    let mut room = |_| Ok(());
    let mut output = flow::Output::new(most, &mut room, &mut to);
    block_on(decode(format, bytes, bytes.len() as u64, b"app", &mut output))?;
    Ok(out)
}

pub(in crate::upgrade) fn decoded(format: Format, bytes: &[u8]) -> Result<Vec<u8>> {
    decode_within(LIMIT, format, bytes)
}

pub(in crate::upgrade) fn refusal(format: Format, bytes: &[u8]) -> String {
    let error = decoded(format, bytes).map(|bytes| bytes.len()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Decode);
    error.chain()
}

const LIMIT: u64 = 1 << 20;

pub(in crate::upgrade) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub(in crate::upgrade) fn zstd(bytes: &[u8]) -> Vec<u8> {
    let fastest = ruzstd::encoding::CompressionLevel::Fastest;
    ruzstd::encoding::compress_to_vec(bytes, fastest)
}

pub(in crate::upgrade) fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Pack = fn(&[u8]) -> Vec<u8>;

const STREAMS: [(Format, Pack); 3] = [(Format::Gzip, gzip), (Format::Zstd, zstd), (Format::Xz, xz)];

/// Every way in which a program is published.
fn published() -> Vec<(Format, Vec<u8>)> {
    let tar = tarred::archive(&[tarred::file("app-1.0/README", b"read me"), tarred::app()]);
    let mut published = vec![(Format::Tar, tar.clone())];
    for (format, pack) in STREAMS {
        published.extend([(format, pack(&program())), (format, pack(&tar))]);
    }
    let readme = zipped::file("app-1.0/README", b"read me");
    published.push((Format::Zip, zipped::archive(&[readme.clone(), zipped::app().deflated()])));
    published.push((Format::Zip, zipped::archive(&[readme, zipped::app()])));
    published
}

#[test]
fn each_format_gives_the_program_and_is_known_by_its_first_bytes() {
    for (format, bytes) in published() {
        assert_eq!(Format::of(&bytes), Some(format));
        assert!(decoded(format, &bytes).unwrap() == program(), "{format}");
    }
    for other in [&program()[..], b"", b"\x1f", b"<!DOCTYPE html>"] {
        assert_eq!(Format::of(other), None);
    }
}

#[test]
fn what_is_cut_off_is_refused_wherever_it_was_cut() {
    for (format, bytes) in published() {
        let length = bytes.len();
        for cut in [512, 600, length / 2, length - 1100, length - 22, length - 9, length - 1] {
            refusal(format, &bytes[..cut]);
        }
    }
}

#[test]
fn what_is_behind_the_end_is_refused() {
    for (format, bytes) in published() {
        for garbage in [&b"x"[..], &[7; 1024], &program()] {
            refusal(format, &[&bytes, garbage].concat());
        }
    }
}

#[test]
fn a_flipped_bit_is_refused_by_the_checksum() {
    for (format, mut bytes) in published() {
        if format != Format::Tar {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            refusal(format, &bytes);
        }
    }
}

#[test]
fn several_members_frames_and_streams_are_one_file() {
    let program = program();
    let (start, end) = program.split_at(70_000);
    for (format, pack) in STREAMS {
        let bytes = [pack(start), pack(end)].concat();
        assert!(decoded(format, &bytes).unwrap() == program, "{format}");
    }
    // A frame that is to be skipped: RFC 8878, section 3.1.2.
    let skipped = [&[0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0][..], b"abc"].concat();
    let bytes = [zstd(start), skipped.clone(), zstd(end)].concat();
    assert!(decoded(Format::Zstd, &bytes).unwrap() == program);
    refusal(Format::Zstd, &[zstd(&program), skipped[..9].to_vec()].concat());
}

/// Ten gigabytes of zeros are some megabytes in each format.
#[test]
fn a_bomb_ends_at_the_limit() {
    let zeros = vec![0; 16 << 20];
    for (format, pack) in STREAMS {
        let bomb = pack(&zeros).repeat(640);
        assert!(bomb.len() < 64 << 20, "{format}: {}", bomb.len());
        let words = refusal(format, &bomb);
        assert!(words.starts_with("unpacked it has more than 1048576 bytes"), "{words}");
        // In a tar archive, in an entry that nobody wants.
        let tar = tarred::archive(&[tarred::file("padding", &zeros), tarred::app()]);
        let words = refusal(format, &pack(&tar));
        assert!(words.starts_with("unpacked it has more than 1048576 bytes"), "{words}");
    }
}

#[test]
fn the_limit_itself_is_no_bomb() {
    let whole = vec![0; 1 << 20];
    for (format, pack) in STREAMS {
        assert!(decoded(format, &pack(&whole)).unwrap() == whole);
    }
}

/// The memory that a decoder needs is what the file asks for.
#[test]
fn a_window_of_more_than_64_mib_is_refused_before_there_is_one() {
    // A window of 128 MiB, and an empty raw block that is the last: RFC 8878, section 3.1.1.
    let frame = |window| [&[0x28, 0xb5, 0x2f, 0xfd, 0, window][..], &[1, 0, 0]].concat();
    assert!(decoded(Format::Zstd, &frame(16 << 3)).is_ok());
    assert!(refusal(Format::Zstd, &frame(17 << 3)).contains("indow"));
    // The dictionary's size is byte 16 of a file with one filter, and its header ends with a CRC.
    let with_dictionary = |size: u8| {
        let mut bytes = xz(b"");
        if bytes[12] == 0 {
            bytes = xz(b"x");
        }
        bytes[16] = size;
        let mut crc = flate2::Crc::new();
        crc.update(&bytes[12..20]);
        bytes[20..24].copy_from_slice(&crc.sum().to_le_bytes());
        bytes
    };
    assert!(decoded(Format::Xz, &with_dictionary(28)).is_ok(), "64 MiB");
    let words = refusal(Format::Xz, &with_dictionary(30));
    assert!(words.contains("mem_limit"), "{words}");
}

#[test]
fn a_disk_that_fails_is_not_the_files_fault() {
    struct Broken;
    impl rawzip::ReaderAt for Broken {
        fn read_at(&self, _: &mut [u8], _: u64) -> std::io::Result<usize> {
            Err(std::io::Error::from_raw_os_error(libc::EIO))
        }
    }
    for format in [Format::Gzip, Format::Zstd, Format::Xz, Format::Tar, Format::Zip] {
        let (mut room, mut to) = (|_| Ok(()), |_: &[u8]| Ok(()));
        let mut output = flow::Output::new(LIMIT, &mut room, &mut to);
        let error = block_on(decode(format, Broken, 1000, b"app", &mut output)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Stage, "{format}");
        assert!(error.chain().contains("Input/output error"), "{}", error.chain());
    }
}

#[test]
fn a_failed_write_is_passed_on_as_it_is() {
    for (format, bytes) in published() {
        let full = || Error::new(ErrorKind::Stage, "no space left");
        let (mut room, mut to) = (|_| Ok(()), |_: &[u8]| Err(full()));
        let mut output = flow::Output::new(LIMIT, &mut room, &mut to);
        let length = bytes.len() as u64;
        let decoded = block_on(decode(format, &bytes[..], length, b"app", &mut output));
        assert_eq!(decoded.unwrap_err().kind(), ErrorKind::Stage, "{format}");
    }
}
