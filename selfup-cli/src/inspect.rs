//! What a file is, and whether a service on this machine would take it.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use selfup::__cli::{LONGEST_SIGNATURE, Look, look, verify};
use selfup::{BinaryId, PublicKey};
use serde::Serialize;

use crate::end::{End, Failure};
use crate::output::{self, BAD, BOLD, GOOD, Output};
use crate::text;

pub(crate) mod glibc;

/// The document of `--json`.
#[derive(Debug, Serialize)]
struct Report {
    path: String,
    size: u64,
    digest: String,
    /// Word size, byte order and architecture.
    machine: Option<String>,
    /// Whether everything is there that its headers name; none, if it is no ELF file.
    whole: Option<bool>,
    /// Whether this machine would run it.
    runs_here: bool,
    /// Why not.
    problem: Option<String>,
    note: Option<Note>,
    glibc: Option<String>,
    signature: Option<Signature>,
}

#[derive(Debug, Serialize)]
struct Note {
    name: String,
    version: String,
    target: String,
    protocol: u32,
    libc: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Signature {
    file: String,
    /// None, if no key was named.
    good: Option<bool>,
    key: Option<String>,
    comment: Option<String>,
    problem: Option<String>,
}

pub(crate) fn run(matches: &ArgMatches, output: Output) -> Result<End, Failure> {
    let Some(path) = matches.get_one::<PathBuf>("FILE") else {
        return Err(Failure::usage("no file is named"));
    };
    let keys: Vec<_> = matches.get_many::<String>("key").into_iter().flatten().collect();
    let keys = keys.into_iter().map(|key| public_key(key)).collect::<Result<Vec<_>, _>>()?;
    let report = report(path, &keys)?;
    let why_not = report.problem.clone().or_else(|| {
        let signature = report.signature.as_ref().filter(|it| it.good == Some(false))?;
        signature.problem.clone()
    });
    let why_not =
        why_not.or_else(|| report.note.is_none().then(|| format!("its note: {UNMARKED}")));
    if output.is_json() {
        output::document(&report);
    } else {
        lines(&report).into_iter().all(output::line);
    }
    let Some(why_not) = why_not else { return Ok(End::Done) };
    output::say(&format!("selfup: {}: {why_not}", path.display()));
    Ok(End::Nothing)
}

fn report(path: &Path, keys: &[PublicKey]) -> Result<Report, Failure> {
    let unread = |error: std::io::Error| {
        Failure::nothing(format!("{} cannot be read: {error}; name a file", path.display()))
    };
    let file = open(path).map_err(unread)?;
    let digest = BinaryId::of_file(path).map_err(unread)?;
    let size = file.metadata().map_err(unread)?.len();
    let (looked, no_binary) = match look(path) {
        Ok(looked) => (Some(looked), None),
        Err(error) => (None, Some(error.chain())),
    };
    let glibc = glibc::of(path);
    let problem =
        looked.as_ref().and_then(|looked| looked.problem.as_ref()).map(selfup::Error::chain);
    let problem = no_binary.or(problem).or_else(|| glibc.as_ref()?.problem());
    Ok(Report {
        path: path.display().to_string(),
        size,
        digest: digest.to_string(),
        machine: looked.as_ref().map(|looked| looked.machine.clone()),
        whole: looked.as_ref().map(|looked| !looked.is_cut),
        runs_here: problem.is_none(),
        problem,
        note: looked.as_ref().and_then(note),
        glibc: glibc.map(|glibc| glibc.wanted.to_string()),
        signature: signature(path, &file, keys),
    })
}

/// A regular file: what is a pipe would be waited for without end.
pub(crate) fn open(path: &Path) -> std::io::Result<File> {
    let file =
        File::options().read(true).custom_flags(nix::fcntl::OFlag::O_NONBLOCK.bits()).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(std::io::Error::other("it is no regular file"))
}

fn note(looked: &Look) -> Option<Note> {
    let note = looked.note.as_ref()?;
    Some(Note {
        name: note.name().to_owned(),
        version: note.version().to_owned(),
        target: note.target().to_owned(),
        protocol: note.protocol(),
        libc: libc_of(note.target()),
    })
}

fn libc_of(target: &str) -> Option<&'static str> {
    selfup::__cli::libc_of(target)
}

/// The signature beside `path`: there, or asked for.
fn signature(path: &Path, file: &File, keys: &[PublicKey]) -> Option<Signature> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".minisig");
    let beside = PathBuf::from(beside);
    let mut report = Signature {
        file: beside.display().to_string(),
        good: (!keys.is_empty()).then_some(false),
        key: None,
        comment: None,
        problem: None,
    };
    let text = match read_short(&beside) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && keys.is_empty() => {
            return None;
        }
        Err(error) => {
            report.problem = Some(format!("{} cannot be read: {error}", beside.display()));
            return Some(report);
        }
    };
    if !keys.is_empty() {
        match verify(file, &text, keys) {
            Ok((key, comment)) => {
                report = Signature {
                    good: Some(true),
                    key: Some(key),
                    comment: Some(comment),
                    ..report
                };
            }
            Err(error) => report.problem = Some(error.chain()),
        }
    }
    Some(report)
}

fn read_short(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    open(path)?.take(LONGEST_SIGNATURE as u64).read_to_string(&mut text)?;
    Ok(text)
}

/// The key that `text` is, or that is in the file of this name.
fn public_key(text: &str) -> Result<PublicKey, Failure> {
    PublicKey::parse(text).or_else(|error| match read_short(Path::new(text)) {
        Ok(found) => PublicKey::parse(&found)
            .map_err(|error| Failure::usage(format!("--key: the file {text}: {}", error.chain()))),
        Err(_) => Err(Failure::usage(format!("--key: {}", error.chain()))),
    })
}

fn lines(report: &Report) -> Vec<String> {
    let (good, bad) = (
        |words: &str| format!("{GOOD}{words}{GOOD:#}"),
        |words: &str| format!("{BAD}{words}{BAD:#}"),
    );
    let mut lines = vec![
        format!("{BOLD}{}{BOLD:#}", text::line(&report.path)),
        format!("size       {} bytes", report.size),
        format!("digest     {}", report.digest),
    ];
    if let Some(machine) = &report.machine {
        lines.push(format!("machine    {}", text::line(machine)));
    }
    match &report.note {
        Some(note) => {
            lines.push(format!("name       {}", text::line(&note.name)));
            lines.push(format!("version    {}", text::line(&note.version)));
            let libc = note.libc.map(|libc| format!(" ({libc})")).unwrap_or_default();
            lines.push(format!("target     {}{libc}", text::line(&note.target)));
            lines.push(format!("protocol   {}", note.protocol));
        }
        None => lines.push(format!("note       {}", bad(UNMARKED))),
    }
    if let Some(glibc) = &report.glibc {
        lines.push(format!("glibc      {glibc} or newer"));
    }
    if let Some(is_whole) = report.whole {
        lines.push(format!(
            "whole      {}",
            if is_whole { good("yes") } else { bad("no, cut off") }
        ));
    }
    let runs = if report.runs_here { good("yes") } else { bad("no") };
    lines.push(format!("runs here  {runs}"));
    lines.push(format!(
        "signature  {}",
        match &report.signature {
            None => "none beside it".to_owned(),
            Some(Signature { good: Some(true), key, comment, .. }) => {
                let [key, comment] =
                    [key, comment].map(|it| text::line(it.as_deref().unwrap_or_default()));
                format!("{}, by key {key}: {comment}", good("good"))
            }
            Some(Signature { good: Some(false), .. }) => bad("not good"),
            Some(signature) =>
                format!("{}, not verified; name a --key", text::line(&signature.file)),
        }
    ));
    lines
}

const UNMARKED: &str = "none: services that are not told `allow_unmarked` refuse it";
