//! What the name of a file says about where the file runs.
//!
//! A name is read word by word, and each word has to be understood: what a word means is never
//! found by looking for letters in it, for `darwin` has a `win`, and `arm64` an `arm`.

/// What a triple, or the words of a name, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Platform {
    arch: Option<&'static str>,
    os: Option<&'static str>,
    /// The C library with its calling convention: `gnu`, `musleabihf`, `msvc`.
    libc: Option<&'static str>,
}

/// What one word says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    Arch(&'static str),
    Os(&'static str),
    Libc(&'static str),
    /// Who makes the machine, which no binary depends on.
    Vendor,
}

impl Platform {
    /// What `words` say together, if each is understood and none contradicts another.
    pub(super) fn of<'a>(words: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut platform = Self::default();
        for word in words {
            let (place, found) = match Word::of(word)? {
                Word::Arch(arch) => (&mut platform.arch, arch),
                // `linux-android` is one system, and not that of the first word.
                Word::Os("android") if platform.os == Some("linux") => {
                    platform.os = Some("android");
                    continue;
                }
                Word::Os(os) => (&mut platform.os, os),
                Word::Libc(libc) => (&mut platform.libc, libc),
                Word::Vendor => continue,
            };
            if place.is_some_and(|earlier| earlier != found) {
                return None;
            }
            *place = Some(found);
        }
        Some(platform)
    }

    /// Whether a file belongs to one kind of machine, rather than to all or to none.
    pub(super) fn is_told(&self) -> bool {
        self.arch.is_some() && self.os.is_some()
    }

    /// Whether a file of this platform runs on `target`, as far as is told. A C library that is not
    /// told may be any.
    pub(super) fn runs_on(&self, target: &Self) -> bool {
        self.is_told()
            && self.arch == target.arch
            && self.os == target.os
            && (self.libc.is_none() || self.libc == target.libc)
    }

    /// Whether the C library is told, where `target` has one.
    pub(super) fn is_complete(&self, target: &Self) -> bool {
        self.libc == target.libc
    }
}

impl Word {
    fn of(word: &str) -> Option<Self> {
        let find = |table: &[(&'static str, &[&str])]| {
            let mut rows = table.iter();
            rows.find(|(name, others)| *name == word || others.contains(&word))
                .map(|(name, _)| *name)
        };
        find(ARCHS)
            .map(Self::Arch)
            .or_else(|| find(SYSTEMS).map(Self::Os))
            .or_else(|| find(LIBCS).map(Self::Libc))
            .or_else(|| VENDORS.contains(&word).then_some(Self::Vendor))
    }
}

/// Whether `word` is one that this room understands.
pub(super) fn is_known(word: &str) -> bool {
    Word::of(word).is_some()
}

/// The words of a name or a triple, in lower case.
pub(super) fn words(text: &str) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for part in text.split(is_separator).filter(|part| !part.is_empty()) {
        let part = part.to_ascii_lowercase();
        match words.last_mut() {
            // The one architecture with a separator in its name.
            Some(last) if last == "x86" && part == "64" => "x86_64".clone_into(last),
            _ => words.push(part),
        }
    }
    words
}

/// Whether words end at `letter`.
pub(super) fn is_separator(letter: char) -> bool {
    matches!(letter, '-' | '_' | '.' | '+' | ' ')
}

/// As Rust writes them in a triple, and what others write. `arm` alone is the one of Rust's triple,
/// `ARMv6`; ambiguous words, such as `64bit`, are none.
const ARCHS: &[(&str, &[&str])] = &[
    ("x86_64", &["amd64", "x64"]),
    ("aarch64", &["arm64", "armv8"]),
    ("i686", &["i386", "386", "x86", "ia32"]),
    ("i586", &[]),
    ("armv7", &["armv7l", "armv7hf"]),
    ("arm", &["armv6", "armv6l", "armv6hf"]),
    ("armv5te", &["armv5"]),
    ("riscv64gc", &["riscv64"]),
    ("powerpc64le", &["ppc64le"]),
    ("powerpc64", &["ppc64"]),
    ("powerpc", &["ppc"]),
    ("s390x", &[]),
    ("loongarch64", &["loong64"]),
    ("sparc64", &[]),
    ("mips", &[]),
    ("mipsel", &["mipsle"]),
    ("mips64", &[]),
    ("mips64el", &["mips64le"]),
    ("wasm32", &["wasm"]),
    ("universal", &["universal2"]),
];

const SYSTEMS: &[(&str, &[&str])] = &[
    ("linux", &[]),
    ("darwin", &["macos", "osx"]),
    ("windows", &["win"]),
    ("android", &[]),
    ("freebsd", &[]),
    ("netbsd", &[]),
    ("openbsd", &[]),
    ("dragonfly", &[]),
    ("illumos", &[]),
    ("solaris", &["sunos"]),
    ("wasi", &["wasip1", "wasip2"]),
];

const LIBCS: &[(&str, &[&str])] = &[
    ("gnu", &["glibc"]),
    ("gnueabi", &[]),
    ("gnueabihf", &[]),
    ("gnux32", &[]),
    ("musl", &[]),
    ("musleabi", &[]),
    ("musleabihf", &[]),
    ("msvc", &[]),
];

const VENDORS: &[&str] = &["unknown", "pc", "apple"];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Option<Platform> {
        Platform::of(words(text).iter().map(String::as_str))
    }

    fn runs(name: &str, target: &str) -> bool {
        of(name).unwrap().runs_on(&of(target).unwrap())
    }

    #[test]
    fn a_triple_and_the_words_of_others_are_one_platform() {
        for (name, target) in [
            ("linux_amd64", "x86_64-unknown-linux-gnu"),
            ("Linux-x86-64", "x86_64-unknown-linux-musl"),
            ("linux-arm64", "aarch64-unknown-linux-gnu"),
            ("linux_armv7", "armv7-unknown-linux-gnueabihf"),
            ("linux_armv6", "arm-unknown-linux-gnueabihf"),
            ("arm-linux", "arm-unknown-linux-gnueabihf"),
            ("darwin.arm64", "aarch64-apple-darwin"),
            ("macos_x64", "x86_64-apple-darwin"),
            ("win-x64", "x86_64-pc-windows-msvc"),
            ("linux-386", "i686-unknown-linux-gnu"),
            ("aarch64-linux-android", "aarch64-linux-android"),
        ] {
            assert!(runs(name, target), "{name} on {target}");
        }
    }

    #[test]
    fn what_only_looks_like_a_platform_is_another() {
        for (name, target) in [
            ("darwin_amd64", "x86_64-pc-windows-msvc"),
            ("linux_arm64", "arm-unknown-linux-gnueabihf"),
            ("linux_arm", "aarch64-unknown-linux-gnu"),
            ("linux_armv7", "arm-unknown-linux-gnueabihf"),
            ("x86-linux", "x86_64-unknown-linux-gnu"),
            ("x86_64-unknown-linux-musl", "x86_64-unknown-linux-gnu"),
            ("x86_64-unknown-linux-gnux32", "x86_64-unknown-linux-gnu"),
            ("armv7-unknown-linux-gnueabi", "armv7-unknown-linux-gnueabihf"),
            ("aarch64-linux-android", "aarch64-unknown-linux-gnu"),
            ("mips64-linux", "mips-unknown-linux-gnu"),
            ("linux", "x86_64-unknown-linux-gnu"),
            ("amd64", "x86_64-unknown-linux-gnu"),
        ] {
            assert!(!runs(name, target), "{name} on {target}");
        }
        assert_eq!(of("linux-amd64-arm64"), None);
        assert_eq!(of("linux-windows-amd64"), None);
        assert_eq!(of("linux-amd64-debug"), None);
    }
}
