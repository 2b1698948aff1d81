use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Socket {
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// The part before the port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    /// Every interface, IPv6 and IPv4 alike.
    Any,
    Ip(IpAddr),
    /// Resolved where it is bound; an IPv6 address with a zone, too.
    Name(String),
}

impl Socket {
    pub(super) fn is_taken_by(&self, other: &Self) -> bool {
        let same_port = self.port != 0 && self.port == other.port;
        same_port && (self.host.covers(&other.host) || other.host.covers(&self.host))
    }
}

impl Host {
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Any, _) => true,
            (Self::Ip(one), Self::Ip(other)) if one.is_unspecified() => {
                one.is_ipv6() || other.is_ipv4()
            }
            _ => self == other,
        }
    }
}

/// Reads `socket`, which is `address` without its `scheme`.
pub(super) fn socket(address: &str, socket: &str, scheme: &str) -> Result<Socket, String> {
    let example = |host: &str| format!("\"{scheme}{host}:3000\"");
    if let Some((url_scheme, _)) = socket.split_once("://") {
        return Err(format!(
            "\"{address}\" is a URL; write the address without `{url_scheme}://`, such as {}",
            example("127.0.0.1")
        ));
    }
    if is_number(socket) {
        return Err(format!(
            "\"{address}\" is not an address; did you mean \"{scheme}:{socket}\"?"
        ));
    }
    let (text, port) = split(socket)?;
    let host = host(text, scheme)?;
    match port {
        None | Some("") if text.is_empty() => Err(format!(
            "\"{address}\" has no port; write {} to listen on every interface",
            example("")
        )),
        None | Some("") => Err(format!(
            "address \"{address}\" has no port; write {}, or {} to listen on every interface",
            example(text),
            example("")
        )),
        Some(port) => {
            let number = is_number(port).then(|| port.parse().ok()).flatten();
            let number =
                number.ok_or_else(|| format!("\"{port}\" is not a port number (0 to 65535)"))?;
            Ok(Socket { host, port: number })
        }
    }
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

fn host(host: &str, scheme: &str) -> Result<Host, String> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.trim_end_matches(']');
        let (address, zone) = inner.split_once('%').unwrap_or((inner, ""));
        let parsed = address.parse::<Ipv6Addr>();
        let ip = parsed.map_err(|_| format!("\"{inner}\" is not an IPv6 address"))?;
        return Ok(if zone.is_empty() {
            Host::Ip(IpAddr::V6(ip))
        } else {
            Host::Name(inner.to_owned())
        });
    }
    if host.is_empty() {
        return Ok(Host::Any);
    }
    if host == "*" {
        let text = "to listen on every interface, leave the host out";
        return Err(format!("{text}: \"{scheme}:3000\""));
    }
    if host.chars().all(|c| c.is_ascii_digit() || c == '.') {
        let parsed = host.parse::<Ipv4Addr>();
        let ip = parsed.map_err(|_| format!("\"{host}\" is not an IPv4 address"))?;
        return Ok(Host::Ip(IpAddr::V4(ip)));
    }
    let is_name = host.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'));
    if is_name {
        return Ok(Host::Name(host.to_owned()));
    }
    Err(format!("\"{host}\" is not a host name"))
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}
