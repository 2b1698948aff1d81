use super::Place;

/// Reads what stands behind `unix:`.
pub(super) fn unix(path: &str) -> Result<Place, String> {
    if let Some(name) = path.strip_prefix('@') {
        if name.is_empty() {
            return Err("`unix:@` must be followed by the name of an abstract socket".to_owned());
        }
        check_length("an abstract name", name)?;
        return Ok(Place::Abstract(name.to_owned()));
    }
    if path.is_empty() {
        return Err("`unix:` must be followed by a socket path".to_owned());
    }
    if path.starts_with("//") {
        let path = path.trim_start_matches('/');
        return Err(format!("\"unix:\" is followed by a path: write \"unix:/{path}\""));
    }
    if !path.starts_with('/') {
        return Err(format!(
            "the socket path \"{path}\" is relative, and to what may change; write an absolute \
             one, such as \"unix:/run/{path}\""
        ));
    }
    let is_a_name = path.rsplit('/').next().is_some_and(|name| !matches!(name, "" | "." | ".."));
    if !is_a_name {
        return Err(format!("the socket path \"{path}\" ends without the name of a file"));
    }
    check_length("a socket path", path)?;
    Ok(Place::Path(path.to_owned()))
}

fn check_length(what: &str, text: &str) -> Result<(), String> {
    let length = text.len();
    if text.contains('\0') {
        return Err(format!("{what} holds no null bytes"));
    }
    if length > LONGEST {
        return Err(format!("{what} holds at most {LONGEST} bytes; this one has {length}"));
    }
    Ok(())
}

/// Reads what stands behind `fd:`.
pub(super) fn inherited(name: &str) -> Result<Place, String> {
    if name.is_empty() {
        return Err("`fd:` must be followed by the name of a socket that the process manager \
                    passes, or by its number"
            .to_owned());
    }
    if name.bytes().all(|byte| byte.is_ascii_digit()) {
        let number = name.parse().ok().filter(|number| *number >= FIRST);
        return number.map(Place::Number).ok_or_else(|| {
            format!(
                "{name} is no socket that a process manager passes; the first is \"fd:{FIRST}\""
            )
        });
    }
    if name.len() > LONGEST_NAME || name.chars().any(|c| c == ':' || c.is_control()) {
        return Err(format!(
            "\"{name}\" is not the name of a socket; it holds up to {LONGEST_NAME} bytes, without \
             colons"
        ));
    }
    Ok(Place::Name(name.to_owned()))
}

/// `sun_path` has 108 bytes, the last of them for the terminator: unix(7).
const LONGEST: usize = 107;

/// `SD_LISTEN_FDS_START`: `sd_listen_fds(3)`.
const FIRST: i32 = 3;

/// `FileDescriptorName=`: systemd.socket(5).
const LONGEST_NAME: usize = 255;
