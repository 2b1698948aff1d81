//! Where the control socket is: `"/run/app/selfup.sock?mode=0660&group=ops"`.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Expr, Ident};

use super::address::grammar::control;
use super::{Value, literal, refuse, string};

/// The path of the control socket, with its options.
#[derive(Debug)]
pub(crate) struct ControlSocket(Expr);

impl Value for ControlSocket {
    fn from_expr(key: &Ident, value: &Expr) -> syn::Result<Self> {
        let mistake = match (string(value).map(syn::LitStr::value), literal(value)) {
            (Some(text), _) => control::address(&text).err(),
            (None, Some(_)) => Some(format!("`{key}` is a path such as \"/run/app/selfup.sock\"")),
            (None, None) => None,
        };
        refuse(value, mistake)?;
        Ok(Self(value.clone()))
    }
}

impl ToTokens for ControlSocket {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.0.to_tokens(tokens);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::main_attr::value::verdict;

    #[test]
    fn control_sockets() {
        for value in [
            "\"/run/app/selfup.sock\"",
            "\"/run/app.sock?mode=0660&group=ops\"",
            "\"/run/app.sock?owner=ops\"",
            "PATH",
        ] {
            assert_eq!(verdict::<ControlSocket>(value), "ok", "{value}");
        }
        for (value, expected) in [
            ("\"\"", "\"\" is not an absolute path; write one, such as \"/run/app/selfup.sock\""),
            (
                "\"a.sock\"",
                "\"a.sock\" is not an absolute path; write one, such as \"/run/a.sock\"",
            ),
            ("\"@a\"", "\"@a\" is not an absolute path; write one, such as \"/run/a\""),
            ("\"unix:/run/a\"", "the control socket is always at a path; write \"/run/a\""),
            ("\"/run/\"", "the socket path \"/run/\" ends without the name of a file"),
            ("\"/run/a?mode=rw\"", "\"rw\" is not a mode; write it in octal, such as `mode=0660`"),
            (
                "\"/run/a?group=ops\"",
                "the group \"ops\" may not connect with the default mode, 0600; write `mode=0660&group=ops`",
            ),
            ("\"/run/a?name=a\"", "the control socket has no use for a `name`; leave it out"),
            (
                "\"/run/a?nodelay\"",
                "`nodelay` is no option of a UNIX path; expected `name`, `backlog`, `mode`, `owner` or `group`",
            ),
            ("7", "`key` is a path such as \"/run/app/selfup.sock\""),
        ] {
            assert_eq!(verdict::<ControlSocket>(value), expected, "{value}");
        }
    }
}
