use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::error::{Error, ErrorKind, Result};

/// Where to listen, as it was configured: `:3000`, `127.0.0.1:3000`, `[::1]:3000` or
/// `localhost:3000`.
///
/// `:3000` is every interface, IPv6 and IPv4 alike, as in Go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Address {
    text: String,
    host: Host,
    port: u16,
}

/// The part before the port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Host {
    Any,
    Ip(IpAddr),
    Name(String),
}

impl Address {
    /// Reads an address.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], with what was found, what was expected and the fix.
    pub fn parse(text: &str) -> Result<Self> {
        let (host, port) = split(text)?;
        Ok(Self { text: text.to_owned(), host, port })
    }

    /// The address as it was configured.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn host(&self) -> &Host {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Whether a second listener for `other` could never be bound beside this one. Port 0 is
    /// another port each time.
    pub(crate) fn is_taken_by(&self, other: &Self) -> bool {
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

impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self { text: address.to_string(), host: Host::Ip(address.ip()), port: address.port() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn split(text: &str) -> Result<(Host, u16)> {
    let bad = |message: String| Err(Error::new(ErrorKind::Config, message));
    if text.is_empty() {
        return bad("the address is empty; write \":3000\" to listen on every interface".into());
    }
    for scheme in ["unix:", "udp:", "fd:"] {
        if text.starts_with(scheme) {
            return bad(format!(
                "address {text:?} is not supported yet; expected a TCP address such as \":3000\" \
                 or \"127.0.0.1:3000\""
            ));
        }
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        return bad(format!("{text:?} is not an address; did you mean \":{text}\"?"));
    }
    if text.parse::<std::net::Ipv6Addr>().is_ok() {
        return bad(format!("an IPv6 address needs brackets and a port: \"[{text}]:3000\""));
    }
    let Some((host, port)) = text.rsplit_once(':').filter(|(_, port)| !port.ends_with(']')) else {
        return bad(format!(
            "address {text:?} has no port; write \"{text}:3000\", or \":3000\" to listen on every \
             interface"
        ));
    };
    let Ok(port) = port.parse::<u16>() else {
        return bad(format!("{port:?} is not a port number (0 to 65535) in address {text:?}"));
    };
    Ok((parse_host(host, text)?, port))
}

fn parse_host(host: &str, text: &str) -> Result<Host> {
    if host.is_empty() {
        return Ok(Host::Any);
    }
    let bracketed = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(inside) = bracketed {
        return inside.parse().map(|ip| Host::Ip(IpAddr::V6(ip))).map_err(|source| {
            let message = format!("{inside:?} is not an IPv6 address in address {text:?}");
            Error::new(ErrorKind::Config, message).caused_by(source)
        });
    }
    if host.contains(':') {
        let message = format!("an IPv6 address needs brackets: \"[{host}]:3000\"");
        return Err(Error::new(ErrorKind::Config, message));
    }
    if let Ok(ip) = host.parse() {
        return Ok(Host::Ip(ip));
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if host.bytes().all(is_name) {
        return Ok(Host::Name(host.to_owned()));
    }
    let message = format!("{host:?} is neither an IP address nor a host name in address {text:?}");
    Err(Error::new(ErrorKind::Config, message))
}

/// One address or several, as the settings `address` and `addresses` take them.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be used as a listen address",
    label = "expected an address, or a list of addresses",
    note = "write a string such as \":3000\", \"127.0.0.1:3000\" or \"[::1]:3000\", a \
            `std::net::SocketAddr`, or a list of either"
)]
pub trait IntoAddresses {
    /// The addresses, or the first reason why one is none.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Config`], with what was found, what was expected and the fix.
    fn into_addresses(self) -> Result<Vec<Address>>;
}

impl IntoAddresses for Address {
    fn into_addresses(self) -> Result<Vec<Address>> {
        Ok(vec![self])
    }
}

impl IntoAddresses for SocketAddr {
    fn into_addresses(self) -> Result<Vec<Address>> {
        Ok(vec![self.into()])
    }
}

impl IntoAddresses for &str {
    fn into_addresses(self) -> Result<Vec<Address>> {
        Address::parse(self).map(|address| vec![address])
    }
}

impl IntoAddresses for String {
    fn into_addresses(self) -> Result<Vec<Address>> {
        self.as_str().into_addresses()
    }
}

impl IntoAddresses for &String {
    fn into_addresses(self) -> Result<Vec<Address>> {
        self.as_str().into_addresses()
    }
}

impl<T: IntoAddresses> IntoAddresses for Vec<T> {
    fn into_addresses(self) -> Result<Vec<Address>> {
        collect(self)
    }
}

impl<T: IntoAddresses, const N: usize> IntoAddresses for [T; N] {
    fn into_addresses(self) -> Result<Vec<Address>> {
        collect(self)
    }
}

impl<T: IntoAddresses + Clone> IntoAddresses for &[T] {
    fn into_addresses(self) -> Result<Vec<Address>> {
        collect(self.iter().cloned())
    }
}

fn collect<T: IntoAddresses>(parts: impl IntoIterator<Item = T>) -> Result<Vec<Address>> {
    let mut addresses = Vec::new();
    for part in parts {
        addresses.extend(part.into_addresses()?);
    }
    Ok(addresses)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        for (text, host, port) in [
            (":3000", Host::Any, 3000),
            ("127.0.0.1:0", Host::Ip([127, 0, 0, 1].into()), 0),
            ("[::1]:80", Host::Ip(IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)), 80),
            ("localhost:8080", Host::Name("localhost".into()), 8080),
        ] {
            let address = Address::parse(text).unwrap();
            assert_eq!((address.host(), address.port()), (&host, port), "{text}");
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn addresses_that_exclude_each_other_are_known() {
        let is_taken = |one: &str, other: &str| {
            Address::parse(one).unwrap().is_taken_by(&Address::parse(other).unwrap())
        };
        assert!(is_taken(":1", "127.0.0.1:1") && is_taken("127.0.0.1:1", ":1"));
        assert!(is_taken("0.0.0.0:1", "127.0.0.1:1") && is_taken("[::]:1", "127.0.0.1:1"));
        assert!(!is_taken("0.0.0.0:1", "[::1]:1") && !is_taken("127.0.0.1:1", "127.0.0.2:1"));
        assert!(!is_taken(":1", ":2") && !is_taken(":0", ":0"));
    }

    #[test]
    fn what_is_no_address_is_told_the_fix() {
        for (text, fix) in [
            ("", "write \":3000\""),
            ("3000", "did you mean \":3000\"?"),
            ("127.0.0.1", "write \"127.0.0.1:3000\""),
            ("::1", "\"[::1]:3000\""),
            ("fe80::zz:1", "needs brackets"),
            ("[::1]", "has no port"),
            ("[::g]:1", "not an IPv6 address"),
            (":99999", "(0 to 65535)"),
            ("a b:80", "neither an IP address nor a host name"),
            ("unix:/run/app.sock", "not supported yet"),
        ] {
            let message = Address::parse(text).unwrap_err().to_string();
            assert!(message.contains(fix), "{text:?}: {message}");
        }
    }
}
