//! The setting of the operator's socket.

use super::Builder;
use crate::config::IntoControl;

impl Builder {
    /// The path of a UNIX socket by which an operator sees and moves the service: `"/run/app/selfup.sock"`,
    /// with the options of an [`Address`](crate::Address) behind a `?`: `mode` (0600 if it is left
    /// out), `owner`, `group` and `backlog`. Default: none. It takes the feature `control`.
    ///
    /// The master binds it when the service starts, replaces one there that nobody listens on, and removes
    /// it at the end. It is no address of the service: no program gets it. It outlives restarts and
    /// upgrades; a later version that names another path, or none, closes it when it is committed and the
    /// master follows. One that cannot be bound is a warning, and is tried again at the next commit; with
    /// [`required`](Self::required) it is an error at the start. Where there is no master there is none.
    ///
    /// What is [meant by each request](macro@crate::main#control) is at the attribute's key.
    ///
    #[doc = include_str!("../../control.md")]
    pub fn control(mut self, path: impl IntoControl) -> Self {
        let socket = self.check("control", path.into_control());
        self.config.control = socket.or(self.config.control);
        self
    }

    pub(super) fn check_control(&mut self) {
        let Some(control) = &self.config.control else { return };
        let place = control.place();
        let taken = self.config.addresses.iter().find(|address| address.place() == place);
        if let Some(taken) = taken {
            let taken = taken.as_str();
            self.refuse(format!("`control`: {taken:?} is there already; choose another path"));
        }
    }
}

#[cfg(test)]
#[cfg(feature = "control")]
mod tests {
    use crate::Config;

    fn mistake(path: &str) -> String {
        let builder = Config::builder().address("unix:/run/taken.sock?mode=0666");
        builder.control(path).build().unwrap_err().to_string()
    }

    #[test]
    fn only_its_owner_may_connect_unless_it_says_otherwise() {
        for (path, address) in [
            ("/run/a.sock", "unix:/run/a.sock?mode=0600"),
            ("/run/a.sock?owner=ops", "unix:/run/a.sock?owner=ops&mode=0600"),
            ("/run/a.sock?group=ops&mode=0660", "unix:/run/a.sock?group=ops&mode=0660"),
        ] {
            let config = Config::builder().control(path).build().unwrap();
            assert_eq!(config.control.unwrap().as_str(), address);
        }
    }

    #[test]
    fn a_mistake_is_named_with_its_fix() {
        let long = format!("/{}", "x".repeat(107));
        for (path, words) in [
            (
                "a.sock",
                "`control`: \"a.sock\" is not an absolute path; write one, such as \"/run/a.sock\"",
            ),
            ("unix:/a", "always at a path; write \"/a\""),
            ("/run/a?group=ops", "write `mode=0660&group=ops`"),
            ("/run/a?keepalive=1s", "`keepalive` is no option of a UNIX path"),
            ("/run/taken.sock", "`control`: \"unix:/run/taken.sock?mode=0666\" is there already"),
            (&long, "holds at most 107 bytes; this one has 108"),
        ] {
            let found = mistake(path);
            assert!(found.contains(words), "{path}: {found}");
        }
    }
}
