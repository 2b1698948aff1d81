//! What a system call is about.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use nix::libc;
use nix::unistd::Pid;

/// One system call.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Call {
    /// As the manual has it, but for the `at` of what is not told apart here: `openat`, `rename`,
    /// `link`, `unlink`.
    pub name: &'static str,
    /// The files that it names, in this order, by the names that they have before it; descriptors are
    /// looked up.
    pub files: Vec<PathBuf>,
    /// What it returned, or the negative number of an error. `None` before it is made.
    pub result: Option<i64>,
    /// The descriptor that it is about, or has opened.
    pub descriptor: Option<i32>,
    /// The thread that makes it.
    pub thread: Pid,
    /// Whether that is the first one of its process.
    pub is_of_first_thread: bool,
    number: i64,
    may_create: bool,
}

/// Where a call has the name of a file.
#[derive(Clone, Copy)]
enum Named {
    /// A descriptor, in this argument.
    By(usize),
    /// A path, in this argument.
    At(usize),
    /// A path relative to a directory, in this argument and the next.
    In(usize),
}

impl Call {
    pub(super) fn read(thread: Pid, number: i64, arguments: [u64; 6]) -> Self {
        let known = CALLS.iter().find(|(known, ..)| *known == number);
        let (name, named): (&'static str, &[Named]) = match known {
            Some((_, name, named)) => (name, named),
            None if HARMLESS.contains(&number) => ("harmless", &[]),
            None => (UNKNOWN, &[]),
        };
        let files = named.iter().filter_map(|named| named.read(thread, &arguments)).collect();
        let descriptor = match named.first() {
            Some(By(index)) => i32::try_from(arguments[*index].cast_signed()).ok(),
            _ => None,
        };
        let flags = arguments[2];
        let creates = (libc::O_CREAT | libc::O_TRUNC).cast_unsigned();
        let may_create = name == "openat" && flags & u64::from(creates) != 0;
        let (result, is_of_first_thread) = (None, false);
        Self { name, files, result, descriptor, thread, is_of_first_thread, number, may_create }
    }

    pub(super) fn returned(&mut self, thread: Pid, result: i64) {
        self.result = Some(result);
        if self.name == "openat" && result >= 0 {
            self.descriptor = i32::try_from(result).ok();
        }
        self.thread = thread;
    }

    pub(super) fn is_about(&self, directories: &[PathBuf]) -> bool {
        let lies_there = |file: &PathBuf| directories.iter().any(|there| file.starts_with(there));
        let is_watched = |file| lies_there(file) || is_in_memory(file);
        [UNKNOWN, MEMORY].contains(&self.name) || self.files.iter().any(is_watched)
    }

    /// Whether it makes a file in memory, as a master does that is going to execute another binary.
    #[must_use]
    pub fn makes_memory(&self) -> bool {
        self.name == MEMORY
    }

    /// Whether it was made and did what it is for.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.result.is_some_and(|result| result >= 0)
    }

    /// Whether it may change what a disk holds, or make sure that it does.
    #[must_use]
    pub fn may_change(&self) -> bool {
        self.may_create || self.writes() || CHANGES.contains(&self.name)
    }

    /// Whether it changes a file that is there: what it holds, or whose it is.
    #[must_use]
    pub fn writes(&self) -> bool {
        WRITES.contains(&self.name)
    }

    /// Whether it may put a file there that was not.
    #[must_use]
    pub fn may_create(&self) -> bool {
        self.may_create
    }

    /// Whether it is one of those that are made again and again, to go through a file.
    #[must_use]
    pub fn may_loop(&self) -> bool {
        ["read", "write", "lseek", "copy_file_range", "sendfile"].contains(&self.name)
    }

    /// The file that it is about, by the descriptor that the caller has of it, while it is stopped.
    ///
    /// # Panics
    ///
    /// If it has none.
    #[must_use]
    pub fn open_file(&self) -> PathBuf {
        let descriptor = self.descriptor.expect("the call is about a descriptor");
        PathBuf::from(format!("/proc/{}/fd/{descriptor}", self.thread))
    }

    /// What a log says of it: names alone, of those files that are made anew each time the beginning.
    #[must_use]
    pub fn in_words(&self) -> String {
        let files = self.files.iter().map(|file| short_name(file));
        let name = if self.name == UNKNOWN {
            format!("call {}", self.number)
        } else {
            self.name.to_owned()
        };
        let thread = self.is_of_first_thread.then(|| "first:".to_owned());
        thread.into_iter().chain([name]).chain(files).collect::<Vec<_>>().join(" ")
    }
}

fn short_name(file: &Path) -> String {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    // A master that has put another in its place holds the old one open.
    let name = name.trim_end_matches(" (deleted)");
    let Some((binary, what)) = name.split_once(".selfup-") else { return name.to_owned() };
    // In a `state_dir` there are digits of the path in between.
    let is_digits = |text: &str| text.len() == 16 && text.bytes().all(|it| it.is_ascii_hexdigit());
    let binary = match binary.rsplit_once('-') {
        Some((binary, digits)) if is_digits(digits) => format!("{binary}-*"),
        _ => binary.to_owned(),
    };
    let what = if what.starts_with("stage-") { "stage-" } else { what };
    format!("{binary}.selfup-{what}")
}

fn is_in_memory(file: &Path) -> bool {
    file.as_os_str().as_encoded_bytes().starts_with(b"/memfd:")
}

impl Named {
    fn read(self, thread: Pid, arguments: &[u64; 6]) -> Option<PathBuf> {
        let opened = |index: usize| {
            // The kernel takes the lower half.
            let bytes = arguments[index].to_le_bytes();
            let number = i32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
            let link = if number == libc::AT_FDCWD {
                format!("/proc/{thread}/cwd")
            } else {
                format!("/proc/{thread}/fd/{number}")
            };
            std::fs::read_link(link).ok()
        };
        match self {
            Self::By(index) => opened(index),
            Self::At(index) => Some(text(thread, arguments[index])?.into()),
            Self::In(index) => {
                let path = PathBuf::from(text(thread, arguments[index + 1])?);
                // `fstat` is spelt so: the descriptor, and an empty path.
                let is_itself = path.as_os_str().is_empty();
                if path.is_absolute() {
                    Some(path)
                } else {
                    opened(index).map(|at| if is_itself { at } else { at.join(path) })
                }
            }
        }
    }
}

/// The string at an address of another process.
fn text(thread: Pid, address: u64) -> Option<String> {
    if address == 0 {
        return Some(String::new());
    }
    let memory = File::open(format!("/proc/{thread}/mem")).ok()?;
    let mut bytes = vec![0; LONGEST];
    let read = memory.read_at(&mut bytes, address).or_else(|_| {
        // The end of what is mapped may be near.
        let from = usize::try_from(address % 4096).unwrap_or_default();
        bytes.truncate(LONGEST - from);
        memory.read_at(&mut bytes, address)
    });
    bytes.truncate(read.ok()?);
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some(String::from_utf8_lossy(&bytes[..end]).into_owned())
}

/// The name of a call that is in neither of the lists.
const UNKNOWN: &str = "unknown";

/// The name of the call that makes a file in memory.
const MEMORY: &str = "memfd_create";

/// A page, and as long as a path may be.
const LONGEST: usize = 4096;

use Named::{At, By, In};

/// What is about files. Whatever is neither here nor harmless is watched, whatever it is about.
const CALLS: &[(i64, &str, &[Named])] = &[
    (libc::SYS_read, "read", &[By(0)]),
    (libc::SYS_pread64, "read", &[By(0)]),
    (libc::SYS_write, "write", &[By(0)]),
    (libc::SYS_pwrite64, "write", &[By(0)]),
    (libc::SYS_writev, "write", &[By(0)]),
    (libc::SYS_close, "close", &[By(0)]),
    (libc::SYS_fsync, "fsync", &[By(0)]),
    (libc::SYS_fdatasync, "fsync", &[By(0)]),
    (libc::SYS_syncfs, "syncfs", &[By(0)]),
    (libc::SYS_fstat, "fstat", &[By(0)]),
    (libc::SYS_newfstatat, "stat", &[In(0)]),
    (libc::SYS_statx, "stat", &[In(0)]),
    (libc::SYS_statfs, "statfs", &[At(0)]),
    (libc::SYS_fstatfs, "statfs", &[By(0)]),
    (libc::SYS_openat, "openat", &[In(0)]),
    (libc::SYS_unlinkat, "unlink", &[In(0)]),
    (libc::SYS_renameat, "rename", &[In(0), In(2)]),
    (libc::SYS_renameat2, "rename", &[In(0), In(2)]),
    (libc::SYS_linkat, "link", &[In(0), In(2)]),
    (libc::SYS_symlinkat, "symlink", &[In(1)]),
    (libc::SYS_mkdirat, "mkdir", &[In(0)]),
    (libc::SYS_fchmod, "fchmod", &[By(0)]),
    (libc::SYS_fchmodat, "chmod", &[In(0)]),
    (libc::SYS_fchown, "fchown", &[By(0)]),
    (libc::SYS_fchownat, "chown", &[In(0)]),
    (libc::SYS_flock, "flock", &[By(0)]),
    (libc::SYS_ftruncate, "ftruncate", &[By(0)]),
    (libc::SYS_fallocate, "fallocate", &[By(0)]),
    (libc::SYS_lseek, "lseek", &[By(0)]),
    (libc::SYS_ioctl, "ioctl", &[By(0)]),
    (libc::SYS_fadvise64, "fadvise", &[By(0)]),
    (libc::SYS_getdents64, "getdents", &[By(0)]),
    (libc::SYS_copy_file_range, "copy_file_range", &[By(2), By(0)]),
    (libc::SYS_sendfile, "sendfile", &[By(0), By(1)]),
    (libc::SYS_setxattr, "setxattr", &[At(0)]),
    (libc::SYS_lsetxattr, "setxattr", &[At(0)]),
    (libc::SYS_fsetxattr, "setxattr", &[By(0)]),
    (libc::SYS_getxattr, "getxattr", &[At(0)]),
    (libc::SYS_lgetxattr, "getxattr", &[At(0)]),
    (libc::SYS_fgetxattr, "getxattr", &[By(0)]),
    (libc::SYS_listxattr, "listxattr", &[At(0)]),
    (libc::SYS_llistxattr, "listxattr", &[At(0)]),
    (libc::SYS_flistxattr, "listxattr", &[By(0)]),
    (libc::SYS_removexattr, "removexattr", &[At(0)]),
    (libc::SYS_lremovexattr, "removexattr", &[At(0)]),
    (libc::SYS_fremovexattr, "removexattr", &[By(0)]),
    (libc::SYS_utimensat, "utimens", &[In(0)]),
    (libc::SYS_faccessat, "access", &[In(0)]),
    (libc::SYS_faccessat2, "access", &[In(0)]),
    (libc::SYS_readlinkat, "readlink", &[In(0)]),
    (libc::SYS_dup, "dup", &[By(0)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_stat, "stat", &[At(0)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_lstat, "stat", &[At(0)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_unlink, "unlink", &[At(0)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_rename, "rename", &[At(0), At(1)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_link, "link", &[At(0), At(1)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chmod, "chmod", &[At(0)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_chown, "chown", &[At(0)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_readlink, "readlink", &[At(0)]),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_access, "access", &[At(0)]),
    (libc::SYS_prctl, "prctl", &[]),
    (libc::SYS_memfd_create, MEMORY, &[]),
    (libc::SYS_execve, "execve", &[At(0)]),
];

const WRITES: &[&str] = &[
    "write",
    "fchmod",
    "fchown",
    "ftruncate",
    "fallocate",
    "copy_file_range",
    "sendfile",
    "setxattr",
    "removexattr",
    "utimens",
];

/// What else changes a directory, or has a disk hold what was changed.
const CHANGES: &[&str] =
    &["fsync", "syncfs", "unlink", "rename", "link", "symlink", "mkdir", "chmod", "chown"];

/// What no file is changed by: memory, time, threads, waiting, sockets, other processes.
const HARMLESS: &[i64] = &[
    libc::SYS_futex,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_create1,
    libc::SYS_eventfd2,
    libc::SYS_pipe2,
    libc::SYS_ppoll,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mprotect,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_clone,
    libc::SYS_clone3,
    libc::SYS_rseq,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_membarrier,
    libc::SYS_prlimit64,
    libc::SYS_uname,
    libc::SYS_getcwd,
    libc::SYS_socket,
    libc::SYS_socketpair,
    libc::SYS_connect,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_shutdown,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept4,
    libc::SYS_signalfd4,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_umask,
    libc::SYS_dup3,
    // Flags alone: std looks at what it closes, in debug builds.
    libc::SYS_fcntl,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_kill,
    libc::SYS_tgkill,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_setpgid,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_dup2,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_vfork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_fork,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_arch_prctl,
];
