//! Where to listen: `":3000"`, `"127.0.0.1:3000"`, `"[::1]:3000"`, `"localhost:3000"`,
//! `"unix:/run/app.sock"`, `"unix:@abstract"`, `"udp::5353"`, `"fd:NAME"`.
//!
//! Only the form is checked. Whether a name resolves and a port is free is known on the machine
//! that runs the program, not on the one that compiles it.

use std::net::{Ipv4Addr, Ipv6Addr};

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token};

use super::{Value, literal, peel, refuse, string};
use crate::errors::combine;

/// One address or a list of them.
#[derive(Debug)]
pub(crate) struct Addresses(Expr);

impl Value for Addresses {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        match list(value) {
            Some((brackets, elements)) => check_list(key, brackets, elements)?,
            None => check(value)?,
        }
        Ok(Self(value.clone()))
    }
}

impl ToTokens for Addresses {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

fn list(value: &Expr) -> Option<(&Expr, &Punctuated<Expr, Token![,]>)> {
    match peel(value) {
        Expr::Reference(reference) => list(&reference.expr),
        brackets @ Expr::Array(array) => Some((brackets, &array.elems)),
        _ => None,
    }
}

fn check_list(
    key: &Ident,
    brackets: &Expr,
    elements: &Punctuated<Expr, Token![,]>,
) -> syn::Result<()> {
    if elements.is_empty() {
        let message = format!(
            "`{key} = []` listens on nothing; leave the key out, or name at least one address"
        );
        return Err(syn::Error::new_spanned(brackets, message));
    }
    let mut all = Ok(());
    let mut seen = Vec::new();
    for element in elements {
        if let Err(error) = check(element) {
            combine(&mut all, error);
        } else if let Some(text) = string(element) {
            let address = text.value();
            if seen.contains(&address) && !has_port_of_the_kernels_choice(&address) {
                let message = format!("address \"{address}\" is listed twice");
                combine(&mut all, syn::Error::new_spanned(text, message));
            }
            seen.push(address);
        }
    }
    all
}

/// Each `:0` is another port.
fn has_port_of_the_kernels_choice(address: &str) -> bool {
    address.ends_with(":0")
}

fn check(element: &Expr) -> syn::Result<()> {
    let mistake = match (string(element), literal(element)) {
        (Some(text), _) => mistake(&text.value()),
        (None, Some(_)) => Some(format!("expected an address string such as {EXAMPLES}")),
        (None, None) => None,
    };
    refuse(element, mistake)
}

fn mistake(address: &str) -> Option<String> {
    if let Some(path) = address.strip_prefix("unix:") {
        return unix_mistake(path);
    }
    if let Some(name) = address.strip_prefix("fd:") {
        return name.is_empty().then(|| {
            "`fd:` must be followed by the name of a socket that the process manager passes"
                .to_owned()
        });
    }
    let (scheme, socket) = match address.strip_prefix("udp:") {
        Some(socket) => ("udp:", socket),
        None => ("", address),
    };
    let example = |host: &str| format!("\"{scheme}{host}:3000\"");
    if let Some((url_scheme, _)) = socket.split_once("://") {
        return Some(format!(
            "\"{address}\" is a URL; write the address without `{url_scheme}://`, such as {}",
            example("127.0.0.1")
        ));
    }
    if is_number(socket) {
        return Some(format!(
            "\"{address}\" is not an address; did you mean \"{scheme}:{socket}\"?"
        ));
    }
    let (host, port) = match split(socket) {
        Ok(parts) => parts,
        Err(message) => return Some(message),
    };
    match (host_mistake(host, scheme), port) {
        (Some(message), _) => Some(message),
        (None, None | Some("")) if host.is_empty() => Some(format!(
            "\"{address}\" has no port; write {} to listen on every interface",
            example("")
        )),
        (None, None | Some("")) => Some(format!(
            "address \"{address}\" has no port; write {}, or {} to listen on every interface",
            example(host),
            example("")
        )),
        (None, Some(port)) if !is_number(port) || port.parse::<u16>().is_err() => {
            Some(format!("\"{port}\" is not a port number (0 to 65535)"))
        }
        (None, Some(_)) => None,
    }
}

fn unix_mistake(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("`unix:` must be followed by a socket path".to_owned());
    }
    if path == "@" {
        return Some("`unix:@` must be followed by the name of an abstract socket".to_owned());
    }
    let length = path.len();
    (length > LONGEST_SOCKET_PATH).then(|| {
        format!("a socket path holds at most {LONGEST_SOCKET_PATH} bytes; this one has {length}")
    })
}

/// Host and port; the brackets of an IPv6 address stay with the host.
fn split(socket: &str) -> Result<(&str, Option<&str>), String> {
    if socket.starts_with('[') {
        let Some(end) = socket.find(']') else {
            return Err(format!("\"{socket}\" has no closing bracket"));
        };
        let (host, rest) = socket.split_at(end + 1);
        return match rest.strip_prefix(':') {
            None if !rest.is_empty() => Err(format!("expected `:` and a port behind \"{host}\"")),
            port => Ok((host, port)),
        };
    }
    match socket.rsplit_once(':') {
        Some((host, port)) if host.contains(':') => Err(without_brackets(socket, host, port)),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((socket, None)),
    }
}

fn without_brackets(socket: &str, host: &str, port: &str) -> String {
    if host.parse::<Ipv6Addr>().is_ok() && port.parse::<u16>().is_ok() {
        return format!("an IPv6 address needs brackets: \"[{host}]:{port}\"");
    }
    if socket.parse::<Ipv6Addr>().is_ok() {
        return format!("an IPv6 address needs brackets: \"[{socket}]:3000\"");
    }
    format!(
        "\"{socket}\" is not an address; expected a host and a port, such as \"127.0.0.1:3000\""
    )
}

fn host_mistake(host: &str, scheme: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.trim_end_matches(']');
        let without_zone = inner.split_once('%').map_or(inner, |(ip, _)| ip);
        return without_zone
            .parse::<Ipv6Addr>()
            .is_err()
            .then(|| format!("\"{inner}\" is not an IPv6 address"));
    }
    if host == "*" {
        return Some(format!(
            "to listen on every interface, leave the host out: \"{scheme}:3000\""
        ));
    }
    let is_dotted = !host.is_empty() && host.chars().all(|c| c.is_ascii_digit() || c == '.');
    if is_dotted {
        return host
            .parse::<Ipv4Addr>()
            .is_err()
            .then(|| format!("\"{host}\" is not an IPv4 address"));
    }
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    (!is_name).then(|| format!("\"{host}\" is not a host name"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

const EXAMPLES: &str = "\":3000\", \"127.0.0.1:3000\" or \"unix:/run/app.sock\"";

/// `sun_path` has 108 bytes, the last of them for the terminator: unix(7).
const LONGEST_SOCKET_PATH: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn accepted() {
        for address in [
            ":3000",
            ":0",
            "127.0.0.1:3000",
            "0.0.0.0:65535",
            "[::1]:3000",
            "[::]:80",
            "[fe80::1%eth0]:80",
            "localhost:3000",
            "my-host.internal:1",
            "unix:/run/a.sock",
            "unix:relative.sock",
            "unix:@abstract",
            "udp::5353",
            "udp:127.0.0.1:53",
            "udp:[::1]:53",
            "fd:web",
        ] {
            assert_eq!(mistake(address), None, "{address}");
        }
    }

    #[test]
    fn refused() {
        for (address, expected) in [
            ("", "\"\" has no port; write \":3000\" to listen on every interface"),
            (":", "\":\" has no port; write \":3000\" to listen on every interface"),
            (
                "127.0.0.1",
                "address \"127.0.0.1\" has no port; write \"127.0.0.1:3000\", or \":3000\" to listen on every interface",
            ),
            (
                "127.0.0.1:",
                "address \"127.0.0.1:\" has no port; write \"127.0.0.1:3000\", or \":3000\" to listen on every interface",
            ),
            (
                "[::1]",
                "address \"[::1]\" has no port; write \"[::1]:3000\", or \":3000\" to listen on every interface",
            ),
            (
                "udp:127.0.0.1",
                "address \"udp:127.0.0.1\" has no port; write \"udp:127.0.0.1:3000\", or \"udp::3000\" to listen on every interface",
            ),
            ("3000", "\"3000\" is not an address; did you mean \":3000\"?"),
            ("udp:3000", "\"udp:3000\" is not an address; did you mean \"udp::3000\"?"),
            (":99999", "\"99999\" is not a port number (0 to 65535)"),
            (":+80", "\"+80\" is not a port number (0 to 65535)"),
            (":http", "\"http\" is not a port number (0 to 65535)"),
            ("::1:3000", "an IPv6 address needs brackets: \"[::1]:3000\""),
            ("fe80::1", "an IPv6 address needs brackets: \"[fe80::1]:3000\""),
            ("::1", "an IPv6 address needs brackets: \"[::1]:3000\""),
            ("::", "an IPv6 address needs brackets: \"[::]:3000\""),
            (
                "a:b:80",
                "\"a:b:80\" is not an address; expected a host and a port, such as \"127.0.0.1:3000\"",
            ),
            ("[::1:3000", "\"[::1:3000\" has no closing bracket"),
            ("[::1]3000", "expected `:` and a port behind \"[::1]\""),
            ("[::g]:3000", "\"::g\" is not an IPv6 address"),
            ("300.0.0.1:80", "\"300.0.0.1\" is not an IPv4 address"),
            ("*:80", "to listen on every interface, leave the host out: \":3000\""),
            ("my host:80", "\"my host\" is not a host name"),
            (
                "http://localhost:80",
                "\"http://localhost:80\" is a URL; write the address without `http://`, such as \"127.0.0.1:3000\"",
            ),
            ("unix:", "`unix:` must be followed by a socket path"),
            ("unix:@", "`unix:@` must be followed by the name of an abstract socket"),
            (
                "fd:",
                "`fd:` must be followed by the name of a socket that the process manager passes",
            ),
        ] {
            assert_eq!(mistake(address).as_deref(), Some(expected), "{address}");
        }
        assert!(mistake(&format!("unix:/{}", "x".repeat(107))).is_some());
        assert!(mistake(&format!("unix:/{}", "x".repeat(106))).is_none());
    }

    #[test]
    fn lists() {
        for (value, expected) in [
            (r#"[":80", ":81", ADDRESS]"#, "ok"),
            (r#"&[":80", ":81"]"#, "ok"),
            (r#"[":0", ":0"]"#, "ok"),
            ("addresses()", "ok"),
            (
                "[]",
                "`key = []` listens on nothing; leave the key out, or name at least one address",
            ),
            (
                r#"[":80", "81", ":80"]"#,
                "\"81\" is not an address; did you mean \":81\"? | address \":80\" is listed twice",
            ),
            (
                "-80",
                "expected an address string such as \":3000\", \"127.0.0.1:3000\" or \"unix:/run/app.sock\"",
            ),
        ] {
            assert_eq!(verdict::<Addresses>(value), expected, "{value}");
        }
    }
}
