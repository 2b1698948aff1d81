//! The note as the attribute's expansion writes it, at compile time.

use super::semantic::is_semantic;
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
    ///
    /// # Panics
    ///
    /// Which is at compile time: if it cannot be compared with another.
    #[must_use]
    pub const fn version(mut self, version: &'static str) -> Self {
        assert!(is_semantic(version), "`version` is not a semantic version such as \"1.2.3\"");
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

/// Places the [note](mod@crate::note) in a program that does not use
/// [`#[selfup::main]`](macro@crate::main), which places it by itself.
///
/// Written once, at the top level of the binary's own crate, its `main.rs`: in a library it would
/// have the library's name, and the linker might leave it out. Without arguments the note says what
/// Cargo knows: the name is `package/binary`, the version that of the package. `name` and `version`,
/// string literals or constants, stand in place of those; the version is written as in `Cargo.toml`,
/// and one that is not does not compile.
///
/// On a system whose binaries are not ELF files it expands to nothing.
///
/// ```no_run
/// selfup::note!(name = "company/shop", version = "2.0.0");
///
/// fn prog(state: selfup::State) {
///     println!("generation {}", state.generation());
/// }
///
/// fn main() -> std::process::ExitCode {
///     let config = || selfup::Config::builder().address(":3000").build();
///     selfup::run(config, selfup::Program::blocking(prog))
/// }
/// ```
#[macro_export]
macro_rules! note {
    () => {
        $crate::__note!();
    };
    ($($key:ident = $value:expr),+ $(,)?) => {
        $crate::__note!($($key = $value),+);
    };
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
