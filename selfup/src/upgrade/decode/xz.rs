//! The .xz file format: one stream after another, to the end of the file.

use std::io::{BufRead, Read};

use lzma_rust2::XzReader;

use super::WINDOW;

pub(super) fn open(source: impl BufRead) -> impl Read {
    XzReader::new_mem_limit(source, true, MEMORY)
}

/// In KiB: the dictionary, and what the decoder has beside it.
const MEMORY: u32 = (WINDOW >> 10) + 1024;
