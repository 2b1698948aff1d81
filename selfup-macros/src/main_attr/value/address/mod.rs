//! Where to listen: `":3000"`, `"127.0.0.1:3000"`, `"[::1]:3000"`, `"localhost:3000"`,
//! `"unix:/run/app.sock?mode=0660"`, `"unix:@abstract"`, `"udp::5353"`, `"fd:NAME"`, `"fd:3"`.
//!
//! Only the form is checked. Whether a name resolves and a port is free is known on the machine
//! that runs the program, not on the one that compiles it.

pub(super) mod grammar;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::punctuated::Punctuated;
use syn::{Expr, Ident, Token};

use self::grammar::Parsed;
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
            let Ok(parsed) = grammar::parse(&address) else { continue };
            let conflict = seen.iter().find_map(|(earlier, first): &(String, Parsed)| {
                Parsed::conflict((earlier, first), (&address, &parsed))
            });
            if let Some(conflict) = conflict {
                combine(&mut all, syn::Error::new_spanned(text, format!("address {conflict}")));
            }
            seen.push((address, parsed));
        }
    }
    all
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
    grammar::parse(address).err()
}

const EXAMPLES: &str = "\":3000\", \"127.0.0.1:3000\" or \"unix:/run/app.sock\"";

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
            "unix:/run/a.sock?mode=0660&owner=app&group=7&backlog=5&name=a",
            ":3000?nodelay&keepalive=30s",
            ":3000?name=admin",
            "unix:@abstract",
            "udp::5353",
            "udp:127.0.0.1:53",
            "udp:[::1]:53",
            "fd:web",
            "fd:3",
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
                "`fd:` must be followed by the name of a socket that the process manager passes, or by its number",
            ),
        ] {
            assert_eq!(mistake(address).as_deref(), Some(expected), "{address}");
        }
        assert!(mistake(&format!("unix:/{}", "x".repeat(107))).is_some());
        assert!(mistake(&format!("unix:/{}", "x".repeat(106))).is_none());
    }

    #[test]
    fn refused_as_the_builder_does() {
        for (address, expected) in [
            (
                "unix:a.sock",
                "the socket path \"a.sock\" is relative, and to what may change; write an absolute one, such as \"unix:/run/a.sock\"",
            ),
            (
                ":80?mode=0660",
                "`mode` is no option of a TCP address; expected `name`, `backlog`, `nodelay` or `keepalive`",
            ),
        ] {
            assert_eq!(mistake(address).as_deref(), Some(expected), "{address}");
        }
    }

    #[test]
    fn lists() {
        for (value, expected) in [
            (r#"[":80", ":81", ADDRESS]"#, "ok"),
            (r#"&[":80", ":81"]"#, "ok"),
            (r#"[":0", ":0"]"#, "ok"),
            (r#"[":80?name=a", ":80?name=b"]"#, "ok"),
            (
                r#"[":80", "127.0.0.1:80"]"#,
                "address \":80\" and \"127.0.0.1:80\" cannot both be bound; keep one of them",
            ),
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
