//! The note as the attribute's expansion writes it, at compile time.

use super::{KIND, OWNER, TAG_NAME, TAG_PROTOCOL, TAG_TARGET, TAG_VERSION};
use crate::channel::message::PROTOCOL;
use crate::identity::TARGET;

/// What a note says: the fields of one program.
#[derive(Clone, Copy, Debug)]
pub struct Fields {
    name: Option<&'static str>,
    package: &'static str,
    binary: &'static str,
    version: &'static str,
}

impl Fields {
    /// The fields that Cargo knows about the crate that it is building.
    #[must_use]
    pub const fn of_cargo(
        package: Option<&'static str>,
        binary: Option<&'static str>,
        version: Option<&'static str>,
    ) -> Self {
        let package = or_empty(package);
        let binary = match binary {
            Some(binary) => binary,
            None => package,
        };
        Self { name: None, package, binary, version: or_empty(version) }
    }

    /// The program's name, in place of `package/binary`.
    #[must_use]
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The program's version, in place of its package's.
    #[must_use]
    pub const fn version(mut self, version: &'static str) -> Self {
        self.version = version;
        self
    }

    /// The length of the descriptor in bytes, a multiple of four.
    #[must_use]
    pub const fn descriptor_len(&self) -> usize {
        self.write(Descriptor { bytes: &mut [0; 0], at: 0 }).next_multiple_of(4)
    }

    const fn write(&self, mut to: Descriptor<'_>) -> usize {
        to.field(TAG_PROTOCOL, &[&PROTOCOL.to_le_bytes()]);
        match self.name {
            Some(name) => to.field(TAG_NAME, &[name.as_bytes()]),
            None => to.field(TAG_NAME, &[self.package.as_bytes(), b"/", self.binary.as_bytes()]),
        }
        to.field(TAG_VERSION, &[self.version.as_bytes()]);
        to.field(TAG_TARGET, &[TARGET.as_bytes()]);
        to.at
    }
}

/// An ELF note, laid out as the linker and every reader of notes expect it: the owner's name ends
/// with a zero and is padded to a multiple of four.
#[repr(C, align(4))]
#[derive(Debug)]
pub struct Note<const LEN: usize> {
    namesz: u32,
    descsz: u32,
    kind: u32,
    owner: [u8; 8],
    descriptor: [u8; LEN],
}

#[expect(clippy::cast_possible_truncation, reason = "const code has no `try_from`; see `field`")]
impl<const LEN: usize> Note<LEN> {
    /// The note that says `fields`; `LEN` is `fields.descriptor_len()`.
    #[must_use]
    pub const fn new(fields: &Fields) -> Self {
        let mut descriptor = [0; LEN];
        fields.write(Descriptor { bytes: &mut descriptor, at: 0 });
        // A note's words have the byte order of the machine.
        let (namesz, descsz) = (OWNER.len() as u32 + 1, descriptor.len() as u32);
        Self { namesz, descsz, kind: KIND, owner: *b"selfup\0\0", descriptor }
    }
}

#[cfg(test)]
impl<const LEN: usize> Note<LEN> {
    pub(crate) fn parse(&self) -> super::Note {
        super::parse(&self.descriptor).unwrap()
    }
}

/// Where the fields go: beyond the end of `bytes` they are only counted.
struct Descriptor<'a> {
    bytes: &'a mut [u8],
    at: usize,
}

#[expect(clippy::cast_possible_truncation, reason = "const code has no `try_from`; see `field`")]
impl Descriptor<'_> {
    const fn field(&mut self, tag: u16, parts: &[&[u8]]) {
        let mut len = 0;
        let mut part = 0;
        while part < parts.len() {
            len += parts[part].len();
            part += 1;
        }
        assert!(len <= u16::MAX as usize, "a field of the note is longer than 65535 bytes");
        self.put(&tag.to_le_bytes());
        self.put(&(len as u16).to_le_bytes());
        part = 0;
        while part < parts.len() {
            self.put(parts[part]);
            part += 1;
        }
    }

    const fn put(&mut self, bytes: &[u8]) {
        let mut i = 0;
        while i < bytes.len() {
            if self.at < self.bytes.len() {
                self.bytes[self.at] = bytes[i];
            }
            self.at += 1;
            i += 1;
        }
    }
}

const fn or_empty(value: Option<&'static str>) -> &'static str {
    match value {
        Some(value) => value,
        None => "",
    }
}

/// Puts the note into the crate that names it; the attribute's expansion calls it once.
#[doc(hidden)]
#[macro_export]
macro_rules! __note {
    ($($field:ident = $value:expr),*) => {
        // Sections by this name mean something to ELF only; elsewhere LLVM aborts on it.
        #[cfg(any(
            target_os = "linux",
            target_os = "android",
            target_os = "freebsd",
            target_os = "netbsd",
            target_os = "openbsd",
            target_os = "dragonfly",
            target_os = "illumos",
            target_os = "solaris",
        ))]
        const _: () = {
            const __FIELDS: $crate::__private::note::Fields = $crate::__private::note::Fields::of_cargo(
                ::core::option_env!("CARGO_PKG_NAME"),
                ::core::option_env!("CARGO_BIN_NAME"),
                ::core::option_env!("CARGO_PKG_VERSION"),
            )$(.$field($value))*;
            #[used]
            #[unsafe(link_section = ".note.selfup")]
            static __NOTE: $crate::__private::note::Note<{ __FIELDS.descriptor_len() }> = $crate::__private::note::Note::new(&__FIELDS);
        };
    };
}
