use std::net::TcpListener;

use super::*;
use crate::error::chain;
use crate::fetcher::RetryAfter;
use crate::identity::BinaryId;

fn fails(fetcher: &mut Http) -> String {
    let current = Current::new(BinaryId::from_bytes([0; 32]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    chain(&*runtime.block_on(fetcher.fetch(&current)).unwrap_err())
}

#[test]
fn a_server_that_never_answers_is_an_error() {
    // The kernel accepts the connection, and nobody takes it from there.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/app", listener.local_addr().unwrap());
    let mut fetcher = Http { head: Duration::from_millis(50), ..http(&url) };
    assert_eq!(fails(&mut fetcher), format!("{url}: 127.0.0.1 did not answer in 50ms"));
}

#[test]
fn tls_works_without_a_default_of_the_whole_process_and_leaves_none_behind() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/app", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut stream, _) = listener.accept().unwrap();
        let mut hello = [0; 6];
        stream.read_exact(&mut hello).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        hello
    });
    let error = fails(&mut http(&url));
    assert!(error.starts_with(&format!("{url}: ")), "{error}");
    if error.contains("certificates that the system trusts") {
        return; // A system without certificates, where this is the right answer.
    }
    // A handshake record with a client's hello in it (RFC 8446, sections 4 and 5.1).
    let hello = server.join().unwrap();
    assert_eq!((hello[0], hello[5]), (22, 1));
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[test]
fn a_signature_that_does_not_come_to_its_end_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/app", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        use std::io::{Read as _, Write as _};
        let (mut kept, head) = (Vec::new(), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
        for mut stream in listener.incoming().flatten() {
            let _ = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(head.as_bytes()).unwrap();
            kept.push(stream);
        }
    });
    let mut fetcher = Http { head: Duration::from_secs(1), ..http(&url) };
    let current = Current::new(BinaryId::from_bytes([0; 32])).with_wanted_signature(true);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = chain(&*runtime.block_on(fetcher.fetch(&current)).unwrap_err());
    assert!(error.starts_with(&format!("{url}.minisig: ")), "{error}");
    assert!(error.contains("1s"), "{error}");
}

#[test]
fn a_server_that_cuts_a_download_and_wants_to_be_left_alone_is_asked_no_further() {
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/app", listener.local_addr().unwrap());
        let (asked, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            use std::io::{Read as _, Write as _};
            let cut = "HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 5\r\n\r\nab".to_owned();
            let rest =
                format!("HTTP/1.1 {status}\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n");
            for (at, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                let _ = stream.read(&mut [0; 1024]).unwrap();
                asked.send(at).unwrap();
                stream.write_all(if at == 0 { &cut } else { &rest }.as_bytes()).unwrap();
            }
        });
        let current = Current::new(BinaryId::from_bytes([0; 32]));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let error = runtime.block_on(async {
            let Fetched::Binary(mut download) = http(&url).fetch(&current).await.unwrap() else {
                panic!("nothing is known yet");
            };
            tokio::io::copy(&mut download, &mut tokio::io::sink()).await.unwrap_err()
        });
        assert_eq!(told.try_iter().count(), 2);
        assert_eq!(RetryAfter::within(&error), Some(Duration::from_secs(3600)));
        let words = chain(&error);
        assert!(words.contains(&format!("{status}, and is to be left alone for 1h")), "{words}");
        assert!(words.contains("the download broke off after 2 bytes"), "{words}");
    }
}

#[test]
fn the_interval_is_five_minutes_unless_set() {
    assert_eq!(Fetcher::interval(&http("http://localhost")), Duration::from_secs(300));
    assert_eq!(
        Fetcher::interval(&http("http://localhost").interval("1m")),
        Duration::from_secs(60)
    );
}

#[test]
fn a_socks_proxy_is_spoken_to() {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("socks5h://{}", listener.local_addr().unwrap());
    let proxy = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // RFC 1928, sections 3 and 4: no one has to say who they are, and the name is the proxy's to find.
        let mut greeting = [0; 2];
        stream.read_exact(&mut greeting).unwrap();
        stream.read_exact(&mut vec![0; greeting[1].into()]).unwrap();
        stream.write_all(&[5, 0]).unwrap();
        let mut request = [0; 5];
        stream.read_exact(&mut request).unwrap();
        let mut name = vec![0; request[4].into()];
        stream.read_exact(&mut name).unwrap();
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.write_all(&[5, 0, 0, 1, 127, 0, 0, 1, 0, 80]).unwrap();
        stream.read_exact(&mut [0; 16]).unwrap();
        stream.write_all(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n").unwrap();
        String::from_utf8(name).unwrap()
    });
    let error = fails(&mut http("http://releases.invalid/app").proxy(url));
    assert!(error.contains("status 410 Gone"), "{error}");
    assert_eq!(proxy.join().unwrap(), "releases.invalid");
}
