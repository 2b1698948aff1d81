use tonic::transport::server::{Connected, TcpConnectInfo};

use super::Stream;

/// So that `tonic::Request::remote_addr()` tells the client's address. It has none on a UNIX socket.
impl Connected for Stream {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        let tcp = self.as_tcp();
        TcpConnectInfo {
            local_addr: tcp.and_then(|tcp| tcp.local_addr().ok()),
            remote_addr: tcp.and_then(|tcp| tcp.peer_addr().ok()),
        }
    }
}
