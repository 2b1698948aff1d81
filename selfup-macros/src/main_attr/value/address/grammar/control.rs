use super::parse;

/// Reads where the control socket is, and gives that as an address. Nobody but its owner may connect,
/// unless it says so.
pub(crate) fn address(text: &str) -> Result<String, String> {
    if let Some(path) = text.strip_prefix("unix:") {
        return Err(format!("the control socket is always at a path; write \"{path}\""));
    }
    if !text.starts_with('/') || text.starts_with("//") {
        let path = text.trim_start_matches(['/', '@']);
        let path = if path.is_empty() { "app/selfup.sock" } else { path };
        return Err(format!(
            "\"{text}\" is not an absolute path; write one, such as \"/run/{path}\""
        ));
    }
    let address = format!("unix:{text}");
    let options = parse(&address)?.options;
    if options.name.is_some() {
        return Err("the control socket has no use for a `name`; leave it out".to_owned());
    }
    if options.mode.is_some() {
        return Ok(address);
    }
    if let Some(group) = options.group {
        return Err(format!(
            "the group {group:?} may not connect with the default mode, 0600; write \
             `mode=0660&group={group}`"
        ));
    }
    let joint = if text.contains('?') { '&' } else { '?' };
    Ok(format!("{address}{joint}mode=0600"))
}
