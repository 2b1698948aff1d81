//! What `selfup::serve` costs while nothing happens, against what it is built on.
//!
//!     cargo bench -p selfup-tests --bench serve [-- PAIRS [REQUESTS [IDLE]]]
//!
//! Two processes of one binary: `selfup::serve` under a master, and a bare hyper server with the same
//! service and settings. A pair is a fresh process of each, which answer REQUESTS requests in turn,
//! on 32 connections that are kept; what they use of the processor is read from the scheduler, to the
//! nanosecond. Then each keeps IDLE connections that were used once. Medians and their ratio are
//! printed; ratios above 1.03 and 1.1 end it with status 1. Default: 15 pairs, 200000 requests,
//! 10000 connections.
#![allow(clippy::print_stdout, reason = "what it is for")]
#![allow(clippy::unwrap_used, reason = "what goes wrong ends the measurement")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]
#![allow(missing_docs, reason = "nobody uses it from outside")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Instant;

use nix::unistd::Pid;
use selfup_tests::{Release, Service, ServiceBuilder, eventually, status_of};

fn main() -> ExitCode {
    let words = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let numbers: Vec<usize> = words.collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (pairs, requests, idle) = (number(0, 15), number(1, 200_000), number(2, 10_000));
    let release = Release::of_fixture("measured");
    let measure = |stack: &'static str| Measured::of(&release, stack, requests, idle);
    let (mut serve, mut bare) = (Vec::new(), Vec::new());
    for pair in 0..pairs {
        // Neither is always the first.
        if pair % 2 == 0 {
            serve.push(measure("serve"));
            bare.push(measure("bare"));
        } else {
            bare.push(measure("bare"));
            serve.push(measure("serve"));
        }
        println!("{:>3}  serve {}", pair + 1, serve[pair]);
        println!("     bare  {}", bare[pair]);
    }
    let rate = |of: &[Measured]| median(of.iter().map(|it| it.requests_per_second));
    println!("requests/s: serve {:.0}, bare {:.0}", rate(&serve), rate(&bare));
    let compare = |what, limit, of: fn(&Measured) -> f64| compare(what, limit, &serve, &bare, of);
    let cpu = compare("CPU ns a request", 1.03, |it| it.cpu);
    let memory = compare("bytes an idle connection", 1.1, |it| it.memory);
    if cpu && memory { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// What one process has used.
struct Measured {
    /// Nanoseconds of processor time a request.
    cpu: f64,
    requests_per_second: f64,
    /// Bytes of anonymous memory a connection.
    memory: f64,
}

impl std::fmt::Display for Measured {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cpu, requests_per_second, memory } = self;
        write!(formatter, "{cpu:>7.0} ns/request {requests_per_second:>7.0} requests/s ")?;
        write!(formatter, "{memory:>6.0} bytes/connection")
    }
}

impl Measured {
    fn of(release: &Release, stack: &str, requests: usize, idle: usize) -> Self {
        let builder = ServiceBuilder::new(release).set("STACK", stack);
        let mut service = builder.start();
        let (address, pid) = (service.address(), service.pid_of(1));
        // Its memory and its pools have their size afterwards.
        ask(address, requests / 10);
        let (used, began) = (processor_time(pid), Instant::now());
        ask(address, requests);
        let (used, took) = (processor_time(pid) - used, began.elapsed());
        let memory = memory_of_idle(address, pid, idle);
        end(&mut service, stack);
        let requests_per_second = requests as f64 / took.as_secs_f64();
        Self { cpu: used as f64 / requests as f64, requests_per_second, memory }
    }
}

/// Whether the ratio of the medians is within `limit`.
fn compare(
    what: &str,
    limit: f64,
    serve: &[Measured],
    bare: &[Measured],
    of: fn(&Measured) -> f64,
) -> bool {
    let all = |measured: &[Measured]| median(measured.iter().map(of));
    let of_pairs = median(serve.iter().zip(bare).map(|(serve, bare)| of(serve) / of(bare)));
    let (serve, bare) = (all(serve), all(bare));
    let ratio = serve / bare;
    println!("{what}: serve {serve:.0}, bare {bare:.0}, ratio {ratio:.3}, limit {limit}");
    println!("  the median of the ratios of the pairs is {of_pairs:.3}");
    ratio <= limit
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Asks so often on [`CONNECTIONS`] connections, each of which waits for its answer.
fn ask(address: SocketAddr, requests: usize) {
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                let connections = CONNECTIONS / THREADS;
                let mut clients: Vec<_> = (0..connections).map(|_| connect(address)).collect();
                let rounds = requests / CONNECTIONS;
                for _ in 0..rounds {
                    for client in &mut clients {
                        client.write_all(REQUEST).unwrap();
                    }
                    for client in &mut clients {
                        read_answer(client);
                    }
                }
            });
        }
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    let client = TcpStream::connect(address).unwrap();
    client.set_nodelay(true).unwrap();
    client
}

/// The body has no digit at its end that could not be there before: it ends with a line.
fn read_answer(client: &mut TcpStream) {
    let (mut buffer, mut filled) = ([0; 1024], 0);
    loop {
        let read = client.read(&mut buffer[filled..]).unwrap();
        assert!(read > 0, "the connection was closed");
        filled += read;
        let answer = &buffer[..filled];
        let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        if answer.len() > head + 4 && answer.ends_with(b"\n") {
            assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"));
            return;
        }
    }
}

/// Nanoseconds that the threads of a process have run for, by the scheduler's count (proc(5)).
fn processor_time(pid: Pid) -> u64 {
    let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let of_thread = |thread: std::io::Result<std::fs::DirEntry>| -> u64 {
        let path = thread.unwrap().path().join("schedstat");
        let text = std::fs::read_to_string(path).unwrap();
        text.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap()
    };
    threads.map(of_thread).sum()
}

/// By how many bytes the process grows with each connection that is used once and kept.
fn memory_of_idle(address: SocketAddr, pid: Pid, idle: usize) -> f64 {
    let before = anonymous(pid);
    let descriptors = || std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
    let opened = descriptors();
    let mut clients = Vec::new();
    for _ in 0..idle {
        let mut client = connect(address);
        client.write_all(REQUEST).unwrap();
        read_answer(&mut client);
        clients.push(client);
    }
    let grown = (anonymous(pid) - before) as f64 / idle as f64;
    drop(clients);
    eventually("the connections have ended", || (descriptors() <= opened).then_some(()));
    grown
}

/// Bytes of anonymous memory of a process that are resident.
fn anonymous(pid: Pid) -> u64 {
    let text = status_of(pid, "RssAnon");
    let kilobytes: u64 = text.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes * 1024
}

fn end(service: &mut Service, stack: &str) {
    let ended = service.stop();
    // The bare one knows no other end than a signal.
    assert!(ended.success() || stack == "bare", "{stack} has not ended well: {ended}");
}

const THREADS: usize = 2;
const CONNECTIONS: usize = 32;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n";
