//! UDP: packets that are echoed.
//!
//! All generations share one socket. A paused or draining one reads nothing, and what comes meanwhile
//! waits in the kernel for the one that serves; each may send for as long as it lives, so what was
//! read before is answered, from the same port. So a restart loses no packet. Nor does it keep a
//! client with its generation: the next packet goes to whichever serves, and what a program has to
//! remember of its clients does not go with it.
//!
//! Each packet is answered by `GENERATION: ` and the packet. It listens at `ADDR`, with a probation of
//! `PROBATION`; `kill -USR2` restarts it.

use std::env;

use selfup::State;

#[selfup::main(
    address = env::var("ADDR").unwrap_or("udp::3000".into()),
    probation = env::var("PROBATION").unwrap_or("10s".into()),
    debug
)]
async fn prog(state: State) -> selfup::Result<()> {
    let (socket, generation) = (state.udp_socket()?, state.generation());
    let mut shutdown = state.graceful_shutdown();
    let mut packet = [0; 1500];
    loop {
        let received = tokio::select! {
            received = socket.recv_from(&mut packet) => received,
            () = &mut shutdown => return Ok(()),
        };
        if let Ok((length, peer)) = received {
            let answer = [format!("{generation}: ").as_bytes(), &packet[..length]].concat();
            // Too long, or for nobody: the others are to be answered all the same.
            let _ = socket.send_to(&answer, peer).await;
        }
    }
}
