use std::io;

use socket2::Socket;

use super::{Bound, Kind};
use crate::config::{Address, Place};

/// The sockets that a process manager handed in: none, for the one that does runs on Linux.
#[derive(Debug, Default)]
pub(crate) struct Given(());

impl Given {
    pub(crate) fn take() -> Self {
        Self(())
    }

    pub(crate) fn has_kept() -> bool {
        false
    }

    #[expect(clippy::unused_self, reason = "where there are some, it has them")]
    #[expect(clippy::unnecessary_wraps, reason = "where there are some, one may be of no use")]
    pub(super) fn kept(&self, _address: &Address, _backlog: i32) -> io::Result<Option<Bound>> {
        Ok(None)
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
