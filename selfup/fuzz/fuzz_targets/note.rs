//! Whatever is published, its headers and its note are read without a panic.
#![no_main]

use std::io::Write as _;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Where nothing is written to a disk.
    let mut file = tempfile::NamedTempFile::new_in("/dev/shm").unwrap();
    file.write_all(bytes).unwrap();
    selfup::fuzzing::note(file.path());
});
