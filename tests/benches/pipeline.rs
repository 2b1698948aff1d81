//! What it takes to take a binary of a gigabyte: time and memory.
//!
//!     cargo bench -p selfup-tests --bench pipeline [-- ROUNDS [BYTES]]
//!
//! A server on loopback sends one file in each round to a service, whose pipeline downloads, digests,
//! examines and probes it, puts it in place and remembers that, without a restart behind it; to
//! another that verifies its signature, too; and to `curl | tee >(sha256sum)`, after which the file is
//! flushed to the disk. They take turns in who is the first. Timed is from the acceptance of the
//! request to the event, or the end.
//!
//! Medians and their ratios are printed, and by how much the master's memory had grown at its
//! highest. A ratio above 1.5, or more than 8 MiB, ends it with status 1. Default: 3 rounds of
//! 1,000,000,000 bytes. The machine should have nothing else to do, and three times that on its disk.
#![allow(clippy::print_stdout, reason = "what it is for")]
#![allow(clippy::unwrap_used, reason = "what goes wrong ends the measurement")]
#![allow(missing_docs, reason = "nobody uses it from outside")]

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Seek as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use selfup_tests::{Release, Service, ServiceBuilder, Signer};

fn main() -> ExitCode {
    let words = std::env::args().skip(1).filter_map(|word| word.parse().ok());
    let numbers: Vec<u64> = words.collect();
    let number = |at: usize, default| numbers.get(at).copied().unwrap_or(default);
    let (rounds, bytes) = (number(0, 3), number(1, 1_000_000_000));
    let directory = tempfile::tempdir().unwrap();
    let big = directory.path().join("big");
    write_big(&big, bytes);
    let signer = Signer::new();
    let signature = signer.sign_all(File::open(&big).unwrap(), "big");
    let server = Server::start(big, signature);
    let mut taken: [Vec<Taken>; 3] = Default::default();
    for round in 0..rounds {
        for turn in 0..3 {
            let who = usize::try_from((round + turn) % 3).unwrap();
            let by = match who {
                0 => Taken::by_service(&server, None),
                1 => Taken::by_service(&server, Some(&signer)),
                _ => Taken::by_curl(&server, directory.path()),
            };
            println!("{:>3}  {:<16} {by}", round + 1, WHO[who]);
            taken[who].push(by);
        }
    }
    let [service, verifying, curl] = &taken;
    let services = [(service, WHO[0]), (verifying, WHO[1])];
    // One after the other, so that each is printed.
    let missed = services.into_iter().filter(|(service, who)| !is_within(who, service, curl));
    if missed.count() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

const WHO: [&str; 3] = ["service", "with a signature", "curl"];

/// Prints what `service` took beside `curl`, and says whether that is little enough.
fn is_within(who: &str, service: &[Taken], curl: &[Taken]) -> bool {
    let seconds = |taken: &Taken| taken.time.as_secs_f64();
    let ratios = service.iter().zip(curl).map(|(service, curl)| seconds(service) / seconds(curl));
    let of_rounds = median(ratios);
    let (took, curl) = (median(service.iter().map(seconds)), median(curl.iter().map(seconds)));
    let grown = service.iter().map(Taken::grown).max().unwrap_or_default();
    let ratio = took / curl;
    println!("{who}: {took:.2} s, curl {curl:.2} s, ratio {ratio:.3}, limit 1.5");
    println!("  the median of the ratios of the rounds is {of_rounds:.3}");
    println!("  KiB by which the master had grown at most: {grown}, limit 8192");
    ratio <= 1.5 && grown <= 8192
}

/// What an upgrade took.
struct Taken {
    time: Duration,
    /// Growth in KiB: of anonymous memory after it, and of everything at its highest.
    anonymous: u64,
    peak: u64,
}

impl std::fmt::Display for Taken {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { time, anonymous, peak } = self;
        write!(formatter, "{:>6.2} s", time.as_secs_f64())?;
        if *peak == 0 {
            return Ok(());
        }
        write!(formatter, ", RssAnon +{anonymous} KiB, VmHWM +{peak} KiB")
    }
}

impl Taken {
    fn by_service(server: &Server, signer: Option<&Signer>) -> Self {
        server.publish(false);
        let builder = ServiceBuilder::new(&Release::good()).set("FETCHER", server.url());
        let builder = match signer {
            Some(signer) => builder.set("VERIFY", signer.key()),
            None => builder,
        };
        let builder = builder.set("NO_RESTART_AFTER_FETCH", "1").set("INTERVAL", "1h");
        let mut service = builder.start();
        assert_eq!(service.get("/check"), "Ok(())\n");
        // It has polled once, and knows its first answer by its tag.
        service.wait_for("event fetch_failed: ");
        flush();
        let (anonymous, peak) = (service.memory("RssAnon"), service.memory("VmHWM"));
        server.publish(true);
        assert_eq!(service.get("/check"), "Ok(())\n");
        service.wait_for("event upgraded: ");
        let time = server.accepted().elapsed();
        let verified = service.lines("event candidate_verified: ").len();
        assert_eq!(verified, usize::from(signer.is_some()));
        let taken = Self {
            time,
            anonymous: service.memory("RssAnon").saturating_sub(anonymous),
            peak: service.memory("VmHWM").saturating_sub(peak),
        };
        check(&service, server);
        assert!(service.stop().success());
        taken
    }

    fn by_curl(server: &Server, directory: &Path) -> Self {
        server.publish(true);
        flush();
        let script = "set -e; curl -sSf \"$0\" | tee >(sha256sum > sum) > file; sync file";
        let mut shell = Command::new("bash");
        let status = shell.args(["-c", script, &server.url()]).current_dir(directory).status();
        assert!(status.unwrap().success());
        let time = server.accepted().elapsed();
        std::fs::remove_file(directory.join("file")).unwrap();
        Self { time, anonymous: 0, peak: 0 }
    }

    fn grown(&self) -> u64 {
        self.anonymous.max(self.peak)
    }
}

/// That what was taken is what was sent.
fn check(service: &Service, server: &Server) {
    let found = std::fs::metadata(service.binary()).unwrap().len();
    assert_eq!(found, std::fs::metadata(&server.big).unwrap().len());
}

/// What others have written is not to be waited for.
fn flush() {
    assert!(Command::new("sync").status().unwrap().success());
}

/// A program with so many bytes: what is behind the last section is any bytes.
fn write_big(path: &Path, bytes: u64) {
    let release = Release::good();
    let mut file = File::create(path).unwrap();
    file.write_all(release.bytes()).unwrap();
    // No disk makes it shorter: noise, by xorshift.
    let (mut state, mut block) = (0x9e37_79b9_7f4a_7c15_u64, Vec::with_capacity(1 << 20));
    let mut left = bytes.saturating_sub(release.bytes().len() as u64);
    while left > 0 {
        block.clear();
        while block.len() < 1 << 20 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            block.extend(state.to_le_bytes());
        }
        let length = left.min(block.len() as u64);
        file.write_all(&block[..usize::try_from(length).unwrap()]).unwrap();
        left -= length;
    }
    file.sync_all().unwrap();
}

/// Sends the file, or says that there is none.
struct Server {
    port: u16,
    big: PathBuf,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    is_published: bool,
    accepted: Option<Instant>,
}

impl Server {
    fn start(big: PathBuf, signature: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let (serving, path) = (Arc::clone(&shared), big.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (serving, path, signature) =
                    (Arc::clone(&serving), path.clone(), signature.clone());
                // The signature is asked for while the file waits to be read. A client that goes
                // away fails what waits for it.
                std::thread::spawn(move || answer(stream, &path, &signature, &serving));
            }
        });
        Self { port, big, shared }
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/app", self.port)
    }

    fn publish(&self, is_published: bool) {
        self.shared.lock().unwrap().is_published = is_published;
    }

    /// When the file was asked for the last time.
    fn accepted(&self) -> Instant {
        self.shared.lock().unwrap().accepted.unwrap()
    }
}

fn answer(
    mut stream: TcpStream,
    path: &Path,
    signature: &str,
    shared: &Mutex<Shared>,
) -> io::Result<()> {
    let accepted = Instant::now();
    let mut reader = BufReader::new(stream.try_clone()?);
    let (mut request, mut line) = (String::new(), String::new());
    reader.read_line(&mut request)?;
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    if request.starts_with("GET /app.minisig ") {
        let length = signature.len();
        return write!(stream, "HTTP/1.1 200 X\r\nContent-Length: {length}\r\n\r\n{signature}");
    }
    {
        let mut shared = shared.lock().unwrap();
        shared.accepted = Some(accepted);
        if !shared.is_published {
            return stream.write_all(b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n");
        }
    }
    let mut file = File::open(path)?;
    let length = file.seek(io::SeekFrom::End(0))?;
    file.rewind()?;
    write!(stream, "HTTP/1.1 200 X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
    io::copy(&mut file, &mut stream).map(drop)
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
