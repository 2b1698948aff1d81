//! What a binary is built for.

use std::fmt;

use object::Endianness;

/// Word size, byte order and architecture, as an ELF header gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Machine {
    pub(super) bits: u8,
    pub(super) endian: Endianness,
    pub(super) number: u16,
}

/// "64-bit little-endian x86-64".
impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let order = match self.endian {
            Endianness::Little => "little",
            Endianness::Big => "big",
        };
        write!(f, "{}-bit {order}-endian ", self.bits)?;
        match NAMES.iter().find(|(number, _)| *number == self.number) {
            Some((_, name)) => f.write_str(name),
            None => write!(f, "machine {}", self.number),
        }
    }
}

/// The machines that Rust has Linux targets for, by the numbers of the ELF specification.
const NAMES: &[(u16, &str)] = &[
    (3, "x86"),
    (8, "MIPS"),
    (20, "PowerPC"),
    (21, "PowerPC"),
    (22, "S390"),
    (40, "ARM"),
    (62, "x86-64"),
    (183, "AArch64"),
    (243, "RISC-V"),
    (258, "LoongArch"),
];
