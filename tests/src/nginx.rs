//! nginx as it is, with a directory of releases.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime};

use tempfile::TempDir;

use crate::{Port, Release, eventually};

/// An nginx of our own, which serves one directory.
#[derive(Debug)]
pub struct Nginx {
    directory: TempDir,
    port: Port,
    process: Child,
    published: u64,
}

impl Nginx {
    /// Starts one. None where nginx is not installed, which is said aloud, and a failure with `CI=true`.
    ///
    /// # Panics
    ///
    /// If it does not listen.
    #[must_use]
    pub fn try_start() -> Option<Self> {
        if Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_err() {
            let message = "SKIPPED: nginx is not installed (nginx-light of Debian)";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{message}");
            eprintln!("{message}");
            return None;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let port = Port::of_the_kernels_choice();
        let path = directory.path();
        std::fs::create_dir(path.join("releases")).expect("the directory is ours");
        let config = CONFIG.replace("DIRECTORY", &path.display().to_string());
        let config = config.replace("PORT", &port.number().to_string());
        std::fs::write(path.join("nginx.conf"), config).expect("the directory is ours");
        let process = start(path, &port);
        Some(Self { directory, port, process, published: 0 })
    }

    /// Where the release is published.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/app", self.port.number())
    }

    /// Puts `release` there, by a rename.
    ///
    /// # Panics
    ///
    /// If it cannot be written.
    pub fn publish(&mut self, release: &Release) {
        let path = self.directory.path().join("releases").join("app");
        let next = path.with_extension("next");
        std::fs::write(&next, release.bytes()).expect("the directory is ours");
        // nginx makes its tag of the second and the length, and tests are faster than that.
        self.published += 1;
        let age = Duration::from_secs(100_000 - self.published);
        let file = std::fs::File::options().append(true).open(&next).expect("it was written");
        file.set_modified(SystemTime::now() - age).expect("it is ours");
        std::fs::rename(&next, &path).expect("the directory is ours");
    }

    /// Ends it in the middle of whatever it does, and starts it again.
    ///
    /// # Panics
    ///
    /// If it does not listen again.
    pub fn crash(&mut self) {
        self.process.kill().expect("it is our child");
        self.process.wait().expect("it is our child");
        self.process = start(self.directory.path(), &self.port);
    }

    /// What it answered so far: the request, the status, and the bytes of the body.
    #[must_use]
    pub fn answered(&self) -> Vec<String> {
        let log = std::fs::read_to_string(self.log()).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    /// Waits until so many lines more are answered like this.
    pub fn wait_for(&self, line: &str, count: usize) {
        let found = || self.answered().iter().filter(|answered| *answered == line).count();
        let goal = found() + count;
        eventually(&format!("{line:?} is answered"), || (found() >= goal).then_some(()));
    }

    fn log(&self) -> PathBuf {
        self.directory.path().join("log")
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn start(directory: &Path, port: &Port) -> Child {
    let config = directory.join("nginx.conf");
    let process = Command::new("nginx").arg("-p").arg(directory).arg("-c").arg(config).spawn();
    eventually("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", port.number())).ok());
    process.expect("it is installed")
}

/// One process in the foreground, which writes nowhere else.
const CONFIG: &str = "\
daemon off;
master_process off;
pid DIRECTORY/pid;
error_log DIRECTORY/errors;
events {}
http {
    log_format short '$request_method $uri $status $body_bytes_sent';
    access_log DIRECTORY/log short;
    client_body_temp_path DIRECTORY/body;
    proxy_temp_path DIRECTORY/proxy;
    fastcgi_temp_path DIRECTORY/fastcgi;
    uwsgi_temp_path DIRECTORY/uwsgi;
    scgi_temp_path DIRECTORY/scgi;
    server {
        listen 127.0.0.1:PORT;
        root DIRECTORY/releases;
    }
}
";
