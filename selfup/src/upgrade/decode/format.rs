//! How a published file is packed, by its first bytes.

use std::fmt;

/// What has to be undone before there is a binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::upgrade) enum Format {
    Gzip,
    Zstd,
    Xz,
    Tar,
    Zip,
}

impl Format {
    /// What a file that begins like this is, if it is packed. [`START`] bytes tell.
    pub(in crate::upgrade) fn of(start: &[u8]) -> Option<Self> {
        let known = MAGIC.iter().find(|(magic, _)| start.starts_with(magic));
        match known {
            Some((_, format)) => Some(*format),
            None => Self::is_tar(start).then_some(Self::Tar),
        }
    }

    /// Whether this is the first header of a tar archive, POSIX or GNU. Older ones have no mark.
    pub(super) fn is_tar(start: &[u8]) -> bool {
        start.get(257..262) == Some(b"ustar")
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
            Self::Xz => "xz",
            Self::Tar => "tar",
            Self::Zip => "zip",
        })
    }
}

/// As many first bytes are needed: the first block of a tar archive.
pub(super) const START: usize = 512;

/// RFC 1952, RFC 8878 (3.1.1), the .xz file format (2.1.1.1), and APPNOTE.TXT (4.3.7, 4.3.16).
const MAGIC: &[(&[u8], Format)] = &[
    (&[0x1f, 0x8b], Format::Gzip),
    (&[0x28, 0xb5, 0x2f, 0xfd], Format::Zstd),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], Format::Xz),
    (b"PK\x03\x04", Format::Zip),
    (b"PK\x05\x06", Format::Zip),
];
