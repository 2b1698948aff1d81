//! Servers of others, as processes.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};

use crate::eventually;

/// A server that runs for as long as this lives.
#[derive(Debug)]
pub(super) struct Tool {
    process: Child,
    address: SocketAddr,
}

impl Tool {
    /// Starts a server that is told by its arguments at which port of the loopback interface.
    pub(super) fn start(command: impl Fn(u16) -> Command) -> Self {
        eventually("a server starts", || {
            // Neither can be given a socket, nor tells which port it chose: one that is free a moment
            // before is.
            let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            let address = free.expect("a port");
            let mut command = command(address.port());
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let process = command.spawn().expect("the tool can be started");
            let mut tool = Self { process, address };
            let is_up = eventually("it listens, or has ended", || {
                let has_ended = tool.process.try_wait().expect("it is our child").is_some();
                let is_up = TcpStream::connect(address).is_ok();
                (is_up || has_ended).then_some(is_up && !has_ended)
            });
            is_up.then_some(tool)
        })
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
