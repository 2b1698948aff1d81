//! Whose connections a process holds.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _, Write as _};

use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use nix::unistd::Pid;

/// The ports of the clients whose connections to `port` a process holds, as the kernel has it.
///
/// For one that is stopped: of one that runs it is true no more when it is read.
///
/// Not from `/proc/net/tcp`, where every connection of the machine that ended within a minute has a
/// line, and reading them takes longer than whole tests.
///
/// # Panics
///
/// If the kernel does not tell.
#[must_use]
pub fn clients_of(pid: Pid, port: u16) -> BTreeSet<u16> {
    let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let inodes: BTreeSet<u32> = descriptors.filter_map(|entry| inode(&entry)).collect();
    let connections = connections_to(port).expect("the kernel tells whose its sockets are");
    let held = connections.into_iter().filter(|(_, inode)| inodes.contains(inode));
    held.map(|(client, _)| client).collect()
}

fn inode(descriptor: &std::fs::DirEntry) -> Option<u32> {
    let link = std::fs::read_link(descriptor.path()).ok()?;
    link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The client and the inode of each, by `sock_diag(7)`.
fn connections_to(port: u16) -> io::Result<Vec<(u16, u32)>> {
    let (family, flags) = (AddressFamily::Netlink, SockFlag::SOCK_CLOEXEC);
    let socket = socket(family, SockType::Datagram, flags, SockProtocol::NetlinkSockDiag)?;
    let mut socket = File::from(socket);
    socket.write_all(&request(port))?;
    let (mut connections, mut bytes) = (Vec::new(), vec![0; 1 << 16]);
    loop {
        let read = socket.read(&mut bytes)?;
        let mut rest = &bytes[..read];
        while let Some((kind, message, others)) = next_message(rest) {
            match kind {
                SOCK_DIAG_BY_FAMILY => connections.extend(connection(message)),
                DONE => return Ok(connections),
                _ => return Err(io::Error::other(format!("a message of kind {kind}"))),
            }
            rest = others;
        }
    }
}

/// A `nlmsghdr` and an `inet_diag_req_v2`.
fn request(port: u16) -> Vec<u8> {
    let request_and_dump: u16 = 0x301;
    let states: u32 = 0xfff & !(1 << TIME_WAIT) & !(1 << LISTEN);
    let mut bytes = Vec::new();
    bytes.extend(72_u32.to_ne_bytes());
    bytes.extend(SOCK_DIAG_BY_FAMILY.to_ne_bytes());
    bytes.extend(request_and_dump.to_ne_bytes());
    bytes.extend([0; 8]);
    bytes.extend([AF_INET, IPPROTO_TCP, 0, 0]);
    bytes.extend(states.to_ne_bytes());
    bytes.extend(port.to_be_bytes());
    bytes.resize(72, 0);
    bytes
}

/// The first message, its kind before it and the other ones behind it.
fn next_message(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    let kind = u16::from_ne_bytes(*bytes.get(4..)?.first_chunk()?);
    let others = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    Some((kind, bytes.get(16..length)?, others))
}

/// The client's port and the inode of an `inet_diag_msg`.
fn connection(message: &[u8]) -> Option<(u16, u32)> {
    let port = u16::from_be_bytes(*message.get(6..)?.first_chunk()?);
    let inode = u32::from_ne_bytes(*message.get(68..)?.first_chunk()?);
    Some((port, inode))
}

const SOCK_DIAG_BY_FAMILY: u16 = 20;
const DONE: u16 = 3;
const AF_INET: u8 = 2;
const IPPROTO_TCP: u8 = 6;
const TIME_WAIT: u32 = 6;
const LISTEN: u32 = 10;
