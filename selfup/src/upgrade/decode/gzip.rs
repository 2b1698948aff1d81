//! gzip, RFC 1952: one member after another, to the end of the file.
//!
//! `gzip` itself passes over what is behind the last member, with a warning. Nobody publishes that
//! on purpose, so here it is refused.

use std::io::{BufRead, Read};

pub(super) fn open(source: impl BufRead) -> impl Read {
    flate2::bufread::MultiGzDecoder::new(source)
}
