//! What is published compressed or in an archive, by honest tools and by others.
#![allow(clippy::expect_used, reason = "what is not as it should be fails the test")]

use std::fs;
use std::io::Write as _;
use std::process::Command;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use selfup_tests::{Answer, Load, Published, Release};

/// What this makes of the release in `server` in its directory, as a project's own script would.
fn packed_by(script: &str, release: &Release) -> Release {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let package = directory.path().join("server-1.0");
    fs::create_dir_all(package.join("server")).expect("the directory is ours");
    fs::write(package.join("README.md"), "how to install it").expect("the directory is ours");
    release.install(&package.join("server/server"));
    let mut shell = Command::new("sh");
    let status = shell.args(["-ec", script]).current_dir(directory.path()).status();
    assert!(status.is_ok_and(|status| status.success()), "{script}");
    Release::of(fs::read(directory.path().join("out")).expect("the script makes it"))
}

fn zip_of(release: &Release) -> Release {
    packed_by("zip -qr out.zip server-1.0; mv out.zip out", release)
}

/// Publishes `packed`, and waits until a generation of the `release` in it is committed.
fn upgrade(published: &Published, packed: &Release, release: &Release) {
    let committed = published.service.lines(COMMITTED).len();
    published.publisher.publish(Answer::Whole(packed.clone()));
    published.service.wait_for_nth(COMMITTED, committed + 1);
    published.service.assert_runs(release);
}

#[test]
fn each_kind_of_archive_is_taken_and_not_sent_again() {
    let mut published = Published::start(&[]);
    let load = Load::start(published.service.address(), "/", 2);
    for script in [
        "tar -cf - server-1.0 | gzip > out",
        "tar -cf - server-1.0 | xz -9 > out",
        "tar --format=pax -cf - server-1.0 | zstd -q > out",
        "zip -qr out.zip server-1.0; mv out.zip out",
        "gzip -c server-1.0/server/server > out",
    ] {
        let release = Release::good();
        let packed = packed_by(script, &release);
        upgrade(&published, &packed, &release);
        published.publisher.wait_for("GET 304", 2);
    }
    load.wait_for(50);
    assert_eq!(load.stop(), [""; 0]);
    let sent = published.publisher.answered().iter().filter(|line| *line == "GET 200").count();
    assert_eq!(sent, 1 + 5, "each once, and the first");
    published.service.assert_files(&[".app.selfup-previous"]);
    assert!(published.service.stop().success());
}

#[test]
fn an_archive_whose_binary_runs_is_not_sent_again_after_a_restart() {
    let mut published = Published::start(&[]);
    let release = Release::good();
    upgrade(&published, &zip_of(&release), &release);
    published.publisher.wait_for("GET 304", 1);
    let mut again = published.start_again(&[]);
    published.publisher.wait_for("GET 304", 2);
    let sent = published.publisher.answered().iter().filter(|line| *line == "GET 200").count();
    assert_eq!(sent, 2, "the first release, and the archive");
    again.assert_runs(&release);
    assert_eq!(again.lines("event candidate_"), [""; 0]);
    assert!(again.stop().success());
}

/// Each would cost the disk, the memory or the time of who unpacks it, or write elsewhere.
#[test]
fn what_is_made_to_do_harm_is_refused_and_costs_nothing() {
    let mut published = Published::start(&[("MAX_SIZE", "300MiB")]);
    let service = &published.service;
    let (peak, anonymous) = (service.memory("VmHWM"), service.memory("RssAnon"));
    let load = Load::start(service.address(), "/", 2);
    let most = "unpacked it has more than 314572800 bytes";
    let attacks: Vec<(Vec<u8>, &str)> = vec![
        (ten_gigabytes_of_gzip(), most),
        (zip_that_says(10_000_000_000), most),
        (zip_that_says(1000), "it cannot be unpacked as zip"),
        (gzip(&a_million_entries()), "it has more than 10000 entries"),
        (gzip(&tar(&[("../../server", b'0', 0o755)])), "has `..` in its path"),
        (gzip(&tar(&[("/bin/server", b'0', 0o755)])), "has an absolute path"),
        (gzip(&tar(&[("bin/server", b'2', 0o777)])), "is a symbolic link"),
        (gzip(&tar(&[("bin/server", b'1', 0o777)])), "is a hard link"),
        (gzip(&tar(&[("bin/server", b'4', 0o777)])), "is a device"),
        (gzip(&tar(&[("bin/server", b'0', 0o4755)])), "has a set-id bit"),
        (gzip(&tar(&[("a/server", b'0', 0o755), ("b/server", b'0', 0o755)])), "both a/server and"),
        (gzip(&tar(&[("bin/tool", b'0', 0o755)])), "it has no server, but bin/tool;"),
    ];
    for (count, (attack, words)) in attacks.into_iter().enumerate() {
        published.publisher.publish(Answer::Whole(Release::of(attack)));
        let line = service.wait_for_nth(REFUSED, count + 1);
        assert!(line.contains(words), "{words:?} is not in {line}");
        // It is known by its tag, and not sent again.
        published.publisher.wait_for("GET 304", 2);
    }
    service.assert_files(&[]);
    let grown = service.memory("VmHWM").saturating_sub(peak);
    assert!(grown <= 8 * 1024, "at its highest the master had grown by {grown} KiB");
    let grown = service.memory("RssAnon").saturating_sub(anonymous);
    assert!(grown <= 4 * 1024, "the master grew by {grown} KiB");

    let release = Release::good();
    upgrade(&published, &zip_of(&release), &release);
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}

#[test]
fn an_archive_that_is_cut_or_has_more_behind_it_is_refused() {
    let mut published = Published::start(&[]);
    let release = Release::good();
    let archives =
        ["tar -cf - server-1.0 | gzip > out", "zip -qr out.zip server-1.0; mv out.zip out"]
            .map(|script| packed_by(script, &release));
    let mut count = 0;
    for archive in &archives {
        let cut = archive.cut(archive.bytes().len() - 100);
        let more = Release::of([archive.bytes(), b"and more"].concat());
        for bad in [cut, more] {
            published.publisher.publish(Answer::Whole(bad));
            count += 1;
            let line = published.service.wait_for_nth(REFUSED, count);
            assert!(line.contains("it cannot be unpacked as "), "{line}");
        }
    }
    upgrade(&published, &archives[0], &release);
    assert!(published.service.stop().success());
}

#[test]
fn the_entry_that_is_the_binary_can_be_named() {
    let mut published = Published::start(&[("BIN", "./server-1.0/bin/till")]);
    let release = Release::good();
    let script = "cd server-1.0; mkdir bin; cp server/server bin/till; cp server/server till; cd ..; \
                  tar -cf - server-1.0 | gzip > out";
    upgrade(&published, &packed_by(script, &release), &release);
    assert!(published.service.stop().success());
}

#[test]
fn a_body_that_has_no_end_or_another_length_is_refused_and_the_next_release_taken() {
    let mut published = Published::start(&[("MAX_SIZE", "64MiB")]);
    let (service, release) = (&published.service, Release::good());
    let load = Load::start(service.address(), "/", 2);
    published.publisher.publish(Answer::Endless(release.clone()));
    let line = service.wait_for_nth(REFUSED, 1);
    assert!(line.contains("longer than 67108864 bytes, the most that is taken"), "{line}");
    // More is announced than is taken.
    published.publisher.publish(Answer::Announced(release.again(), 65 << 20));
    let line = service.wait_for_nth(REFUSED, 2);
    assert!(line.contains("longer than 67108864 bytes, the most that is taken"), "{line}");
    // Less than there is announces what is cut off; more, what never comes.
    let length = release.bytes().len();
    published.publisher.publish(Answer::Announced(release.clone(), 100_000));
    service.wait_for("it is cut off");
    published.publisher.publish(Answer::Announced(release.again(), length * 2));
    service.wait_for("event fetch_failed: ");
    service.assert_files(&[]);
    published.upgrade(&Release::good());
    assert_eq!(load.stop(), [""; 0]);
    assert!(published.service.stop().success());
}

#[test]
fn a_body_that_has_no_end_is_left_alone_until_its_time_has_come_or_an_operator_wants_it() {
    let mut published = Published::start(&[("MAX_SIZE", "64MiB")]);
    let service = &published.service;
    published.publisher.publish(Answer::Endless(Release::good()));
    for times in 1..=2 {
        service.wait_for_nth(REFUSED, times);
        // The answer begins, and is not read.
        published.publisher.wait_for("GET endless", 5);
        assert_eq!(service.lines(REFUSED).len(), times);
        assert_eq!(service.lines("event fetch_failed: "), [""; 0]);
        service.assert_files(&[]);
        assert_eq!(service.get("/clear"), "Ok(())\n");
    }
    published.upgrade(&Release::good());
    assert!(published.service.stop().success());
}

#[test]
fn a_download_that_is_cut_is_gone_on_with() {
    let mut published = Published::start(&[]);
    let release = Release::good();
    let half = release.bytes().len() / 2;
    published.publisher.publish(Answer::Cut(release.clone(), half));
    published.service.wait_for(COMMITTED);
    published.service.assert_runs(&release);
    let answered = published.publisher.answered();
    let of = |line: &str| answered.iter().filter(|answered| *answered == line).count();
    assert_eq!((of("GET cut"), of("GET 206")), (1, 1), "{answered:?}");
    assert_eq!(published.service.lines("event fetch_failed: "), [""; 0]);
    assert!(published.service.stop().success());
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything")
}

/// 640 members of 16 MiB each.
fn ten_gigabytes_of_gzip() -> Vec<u8> {
    gzip(&vec![0; 16 << 20]).repeat(640)
}

/// One entry of ten gigabytes, which is announced as one of `size` bytes.
fn zip_that_says(size: u64) -> Vec<u8> {
    // Blocks of zeros, none of which is the last: they can be repeated.
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&vec![0; 16 << 20]).expect("memory takes everything");
    encoder.flush().expect("memory takes everything");
    let block = encoder.get_ref().clone();
    let packed = block.repeat(640);
    let sizes = [(packed.len() as u64).to_le_bytes(), size.to_le_bytes()].map(|size| size.to_vec());
    let name = b"server";
    let head = |signature: &[u8], made: &[u8]| {
        let mut bytes = [signature, made, b"\x2d\0\0\0\x08\0\0\0\0\0\0\0\0\0"].concat();
        bytes.extend([0xff; 8]);
        bytes.extend(b"\x06\0\x14\0");
        bytes
    };
    let extra = [&b"\x01\0\x10\0"[..], &sizes[1], &sizes[0]].concat();
    let mut bytes = head(b"PK\x03\x04", b"");
    bytes.extend([&name[..], &extra, &packed].concat());
    let directory = u32::try_from(bytes.len()).expect("it is short");
    bytes.extend(head(b"PK\x01\x02", b"\x2d\x03"));
    bytes.extend([&[0; 6][..], &(0o100_755_u32 << 16).to_le_bytes(), &[0; 4]].concat());
    bytes.extend([&name[..], &extra].concat());
    let length = u32::try_from(bytes.len()).expect("it is short") - directory;
    bytes.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
    bytes.extend([&length.to_le_bytes()[..], &directory.to_le_bytes(), &[0; 2]].concat());
    bytes
}

/// A header and no data for each entry: name, type and mode.
fn tar(entries: &[(&str, u8, u32)]) -> Vec<u8> {
    let mut bytes: Vec<u8> = entries.iter().flat_map(|entry| tar_header(*entry)).collect();
    bytes.extend([0; 1024]);
    bytes
}

fn tar_header((name, kind, mode): (&str, u8, u32)) -> [u8; 512] {
    let mut header = [0; 512];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, name.as_bytes());
    put(100, format!("{mode:07o}").as_bytes());
    put(124, b"00000000000");
    put(148, b"        ");
    put(156, &[kind]);
    put(157, b"/etc/passwd");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..154].copy_from_slice(format!("{sum:06o}").as_bytes());
    header[154] = 0;
    header
}

fn a_million_entries() -> Vec<u8> {
    tar_header(("tiny", b'0', 0o644)).repeat(1_000_000)
}

const COMMITTED: &str = "event committed: ";

const REFUSED: &str = "event candidate_refused: ";
