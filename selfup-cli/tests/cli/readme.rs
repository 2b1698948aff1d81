//! The README, held to what is true.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Stdio;

use crate::fake::{Fake, status};
use crate::ran::{Ran, selfup};
use crate::site::{Site, sample};

const README: &str = include_str!("../../README.md");

#[test]
fn every_command_in_it_works() {
    let (site, signer) = (Site::new(), selfup_tests::Signer::new());
    let release = site.write("release", sample());
    site.write("release.minisig", signer.sign_all(&sample()[..], "x"));
    let key = site.write("key.pub", signer.key());
    let path = site.path().to_str().unwrap().to_owned();
    let fake = Fake::new(move |asked| match asked.what.as_str() {
        "GET /status" => asked.answer(200, &status(std::process::id(), &path)),
        "GET /events" => {
            let first = status(1, &path);
            let mut stream = asked.stream();
            let _ = stream.write_all(format!("event: status\ndata: {first}\n\n").as_bytes());
            let _ = std::io::copy(&mut stream, &mut std::io::sink());
        }
        _ => asked.answer(200, r#"{"outcome":"committed","is_good":true}"#),
    });
    let block = README.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    let commands: Vec<_> = block.lines().filter_map(|line| line.strip_prefix("selfup ")).collect();
    assert_eq!(commands.len(), 10);
    for command in commands {
        let words = command.split_whitespace().map(|word| match word {
            "/run/app/selfup.sock" => fake.socket(),
            "/srv/app/app" => site.path().to_str().unwrap().to_owned(),
            "release/app" => release.to_str().unwrap().to_owned(),
            "release.pub" => key.to_str().unwrap().to_owned(),
            // Who may not write the directory of a test.
            "nobody" => nix::unistd::geteuid().to_string(),
            word => word.to_owned(),
        });
        let words: Vec<_> = words.collect();
        if words[0] == "watch" {
            let mut child = selfup(&words).stdout(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            assert!(line.contains("master_pid") && child.wait().unwrap().success(), "{line}");
            continue;
        }
        let ran = Ran::of(selfup(&words).output().unwrap());
        assert_eq!(ran.code, 0, "{command}: {ran:?}");
    }
}

#[test]
fn every_finding_has_its_line() {
    let sources = [
        include_str!("../../src/doctor/access.rs"),
        include_str!("../../src/doctor/beside.rs"),
        include_str!("../../src/doctor/binary.rs"),
        include_str!("../../src/doctor/package.rs"),
        include_str!("../../src/doctor/place.rs"),
        include_str!("../../src/doctor/subject.rs"),
        include_str!("../../src/doctor/system.rs"),
        include_str!("../../src/doctor/unit/judge.rs"),
    ];
    let mut count = 0;
    for source in sources {
        for call in [
            "findings.ok(",
            "findings.warn(",
            "findings.fail(",
            "findings.add(",
            "findings.checked(",
        ] {
            for (at, _) in source.match_indices(call) {
                let name = source[at + call.len()..].trim_start().strip_prefix('"').unwrap();
                let name = name.split('"').next().unwrap();
                assert!(README.contains(&format!("`{name}`")), "{name} is in the README");
                count += 1;
            }
        }
    }
    assert!(count > 40, "{count}");
}
