//! What a minisign public key looks like: <https://jedisct1.github.io/minisign/>, "Public key
//! format". In base64 it is 56 characters: an algorithm, the number of the key, and the key.

/// The key in `text`, which may be the whole of a `.pub` file, or the mistake in it.
pub(super) fn parse(text: &str) -> Result<&str, String> {
    let key = text.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    let is_key = key.len() == LENGTH && key.bytes().all(is_base64);
    if is_key && STARTS.iter().any(|start| key.starts_with(start)) {
        return Ok(key);
    }
    if SECRET.iter().any(|start| key.starts_with(start)) {
        return Err("a minisign secret key belongs to who signs alone: name the public key, the \
                    last line of the .pub file, and replace this pair by a new one"
            .to_owned());
    }
    Err(format!(
        "\"{}\" is not a minisign public key: expected 56 base64 characters, the last line of the \
         .pub file",
        shown(key)
    ))
}

/// As much of what is no key as may be shown, for nobody knows what it is.
fn shown(text: &str) -> String {
    if text.chars().count() <= LENGTH {
        return text.to_owned();
    }
    text.chars().take(LONGEST_SHOWN).chain("...".chars()).collect()
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/'
}

const LENGTH: usize = 56;

/// The algorithm, "Ed", and two bits of the number.
const STARTS: [&str; 4] = ["RWQ", "RWR", "RWS", "RWT"];

/// How a secret key begins: with a password, and without.
const SECRET: [&str; 2] = ["RWRTY0Iy", "RWQAAEIy"];

const LONGEST_SHOWN: usize = 12;
