use std::io;

use socket2::Socket;

use super::Kind;
use crate::config::Place;

/// The sockets that a process manager handed in: none, for the one that does runs on Linux.
#[derive(Debug, Default)]
pub(crate) struct Given(());

impl Given {
    pub(crate) fn take() -> Self {
        Self(())
    }

    #[expect(clippy::unused_self, reason = "where there are some, it has them")]
    pub(super) fn get(&self, place: &Place) -> io::Result<(Kind, Socket)> {
        let what = match place {
            Place::Number(number) => format!("numbered {number}"),
            Place::Name(name) => format!("named {name:?}"),
            _ => "for it".to_owned(),
        };
        let text = format!("no socket {what} was handed in: this system has no socket activation");
        Err(io::Error::new(io::ErrorKind::Unsupported, text))
    }
}
