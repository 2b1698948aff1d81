//! Where a machine keeps a system call.

use nix::libc::user_regs_struct;
use nix::sys::ptrace;
use nix::unistd::Pid;

/// What a thread that is stopped at a call holds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Registers(user_regs_struct);

impl Registers {
    pub(super) fn of(pid: Pid) -> nix::Result<Self> {
        ptrace::getregs(pid).map(Self)
    }

    pub(super) fn write(self, pid: Pid) -> nix::Result<()> {
        ptrace::setregs(pid, self.0)
    }

    /// These, as they were before a call, once that has returned `result`.
    pub(super) fn returning(self, result: i64, after: Self) -> Self {
        let mut registers = self;
        registers.set_result(result);
        registers.go_on_as(after);
        registers
    }
}

#[cfg(target_arch = "x86_64")]
impl Registers {
    pub(super) fn number(self) -> i64 {
        self.0.orig_rax.cast_signed()
    }

    pub(super) fn arguments(self) -> [u64; 6] {
        let Self(it) = self;
        [it.rdi, it.rsi, it.rdx, it.r10, it.r8, it.r9]
    }

    pub(super) fn result(self) -> i64 {
        self.0.rax.cast_signed()
    }

    /// With arguments that no call can do anything with.
    pub(super) fn spoilt(self) -> Self {
        let Self(mut it) = self;
        (it.rdi, it.rsi, it.rdx, it.r10) = (u64::MAX, u64::MAX, u64::MAX, u64::MAX);
        Self(it)
    }

    fn set_result(&mut self, result: i64) {
        self.0.rax = result.cast_unsigned();
    }

    fn go_on_as(&mut self, Self(after): Self) {
        (self.0.rip, self.0.rcx, self.0.r11) = (after.rip, after.rcx, after.r11);
        // There is no call any more that could be made again.
        self.0.orig_rax = after.orig_rax;
    }
}

#[cfg(target_arch = "aarch64")]
impl Registers {
    pub(super) fn number(self) -> i64 {
        self.0.regs[8].cast_signed()
    }

    pub(super) fn arguments(self) -> [u64; 6] {
        [0, 1, 2, 3, 4, 5].map(|index: usize| self.0.regs[index])
    }

    pub(super) fn result(self) -> i64 {
        self.0.regs[0].cast_signed()
    }

    /// With arguments that no call can do anything with.
    pub(super) fn spoilt(self) -> Self {
        let Self(mut it) = self;
        it.regs[..4].fill(u64::MAX);
        Self(it)
    }

    fn set_result(&mut self, result: i64) {
        self.0.regs[0] = result.cast_unsigned();
    }

    fn go_on_as(&mut self, Self(after): Self) {
        self.0.pc = after.pc;
    }
}
