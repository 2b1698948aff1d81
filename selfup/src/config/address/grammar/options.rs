use std::time::Duration;

use super::Place;

/// What stands behind the `?`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(crate) struct Options {
    pub(crate) name: Option<String>,
    pub(crate) backlog: Option<i32>,
    pub(crate) nodelay: Option<bool>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) mode: Option<u32>,
    pub(crate) owner: Option<String>,
    pub(crate) group: Option<String>,
}

impl Options {
    pub(crate) fn without_name(&self) -> Self {
        Self { name: None, ..self.clone() }
    }
}

/// Reads `key=value`, joined by `&`.
pub(super) fn parse(text: &str, place: &Place) -> Result<Options, String> {
    let known = known(place);
    let expected = || match known {
        [one] => format!("`{one}`"),
        [others @ .., last] => format!("`{}` or `{last}`", others.join("`, `")),
        [] => String::new(),
    };
    let mut options = Options::default();
    let mut seen = Vec::new();
    for option in text.split('&') {
        let (key, value) = option.split_once('=').unwrap_or((option, ""));
        if !known.contains(&key) {
            let (kind, expected) = (place.kind(), expected());
            return Err(format!("`{key}` is no option of {kind}; expected {expected}"));
        }
        if seen.contains(&key) {
            return Err(format!("the option `{key}` is given twice"));
        }
        seen.push(key);
        if value.is_empty() && !(key == "nodelay" && option == key) {
            return Err(format!("the option `{key}` needs a value: `{key}=...`"));
        }
        set(&mut options, key, value)?;
    }
    Ok(options)
}

fn known(place: &Place) -> &'static [&'static str] {
    match place {
        Place::Tcp(_) => &["name", "backlog", "nodelay", "keepalive"],
        Place::Path(_) => &["name", "backlog", "mode", "owner", "group"],
        Place::Abstract(_) => &["name", "backlog"],
        Place::Udp(_) | Place::Number(_) | Place::Name(_) => &["name"],
    }
}

fn set(options: &mut Options, key: &str, value: &str) -> Result<(), String> {
    match key {
        "name" => options.name = Some(name(value)?),
        "backlog" => options.backlog = Some(backlog(value)?),
        "nodelay" => options.nodelay = Some(flag(key, value)?),
        "keepalive" => options.keepalive = Some(keepalive(value)?),
        "mode" => options.mode = Some(mode(value)?),
        "owner" => options.owner = Some(account(key, value)?),
        _ => options.group = Some(account(key, value)?),
    }
    Ok(())
}

/// No address is a name: each has a colon.
fn name(value: &str) -> Result<String, String> {
    let is_name = value.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if is_name {
        return Ok(value.to_owned());
    }
    Err(format!("\"{value}\" is not a name; use letters, digits, `-`, `.` and `_`"))
}

fn backlog(value: &str) -> Result<i32, String> {
    let number = value.parse().ok().filter(|number| *number > 0);
    number.ok_or_else(|| format!("\"{value}\" is not a queue length; use 1 to {}", i32::MAX))
}

fn flag(key: &str, value: &str) -> Result<bool, String> {
    match value {
        "" | "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(format!("`{key}` is \"true\" or \"false\", and not \"{value}\"")),
    }
}

fn keepalive(value: &str) -> Result<Duration, String> {
    let digits = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &value[digits.len()..] {
        "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => 0,
    };
    let seconds = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    let seconds = seconds.filter(|seconds| (1..=LONGEST_KEEPALIVE).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        format!("\"{value}\" is not a time to keep alive; use \"1s\" to \"{LONGEST_KEEPALIVE}s\"")
    })
}

fn mode(value: &str) -> Result<u32, String> {
    let is_octal = value.len() <= 4 && value.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mode = u32::from_str_radix(value, 8).ok().filter(|mode| is_octal && *mode <= 0o777);
    mode.ok_or_else(|| format!("\"{value}\" is not a mode; write it in octal, such as `mode=0660`"))
}

fn account(key: &str, value: &str) -> Result<String, String> {
    if let Some((owner, group)) = value.split_once(':') {
        return Err(format!("write `owner={owner}&group={group}`"));
    }
    if value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(format!("`{key}` is a name or a number, and not \"{value}\""));
    }
    Ok(value.to_owned())
}

/// `TCP_KEEPIDLE` takes no more: tcp(7).
const LONGEST_KEEPALIVE: u64 = 32_767;
