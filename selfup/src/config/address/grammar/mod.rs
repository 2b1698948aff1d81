//! What an address may say, and what is wrong with one that says something else.
//!
//! The attribute checks at compile time what the builder checks at run time, in the same words, so
//! this folder is in both crates, and a test of `selfup` holds the two to be the same.

pub(crate) mod control;
pub(crate) mod inet;
mod local;
mod options;

pub(crate) use self::inet::Socket;
pub(crate) use self::options::Options;

/// An address, understood.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Parsed {
    pub(crate) place: Place,
    pub(crate) options: Options,
}

/// What is listened on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Place {
    Tcp(Socket),
    Udp(Socket),
    /// A UNIX socket in the file system.
    Path(String),
    /// A UNIX socket in the namespace of abstract names.
    Abstract(String),
    /// A socket that the process manager hands in, by its number.
    Number(i32),
    /// A socket that the process manager hands in, by its name.
    Name(String),
}

/// Reads an address, or says what is wrong with it and how to mend it.
pub(crate) fn parse(text: &str) -> Result<Parsed, String> {
    let (address, options) = match text.split_once('?') {
        Some((address, options)) => (address, Some(options)),
        None => (text, None),
    };
    let place = if let Some(path) = address.strip_prefix("unix:") {
        local::unix(path)?
    } else if let Some(name) = address.strip_prefix("fd:") {
        local::inherited(name)?
    } else if let Some(socket) = address.strip_prefix("udp:") {
        Place::Udp(inet::socket(address, socket, "udp:")?)
    } else {
        Place::Tcp(inet::socket(address, address, "")?)
    };
    let options = options.map(|options| options::parse(options, &place)).transpose()?;
    Ok(Parsed { place, options: options.unwrap_or_default() })
}

impl Parsed {
    /// Whether both are one socket. Port 0 is another port each time.
    pub(crate) fn is_same_socket(&self, other: &Self) -> bool {
        self.place == other.place && !self.place.has_port_of_the_kernels_choice()
    }

    /// Why `later` cannot stand in a list behind `earlier`; both with their texts.
    pub(crate) fn conflict(
        (earlier, first): (&str, &Self),
        (later, second): (&str, &Self),
    ) -> Option<String> {
        let (one, other) = (&first.options, &second.options);
        if let (Some(name), true) = (&one.name, one.name == other.name) {
            return Some(format!("{later:?} has the name {name:?} of {earlier:?}; choose another"));
        }
        let are_named = one.name.is_some() && other.name.is_some();
        if first.is_same_socket(second) && are_named {
            let is_same = one.without_name() == other.without_name();
            return (!is_same).then(|| {
                format!("{earlier:?} and {later:?} are one socket; give both the same options")
            });
        }
        if earlier == later && first.is_same_socket(second) {
            return Some(format!("{later:?} is listed twice"));
        }
        first
            .place
            .is_taken_by(&second.place)
            .then(|| format!("{earlier:?} and {later:?} cannot both be bound; keep one of them"))
    }
}

impl Place {
    fn has_port_of_the_kernels_choice(&self) -> bool {
        matches!(self, Self::Tcp(Socket { port: 0, .. }) | Self::Udp(Socket { port: 0, .. }))
    }

    /// Whether a second socket for `other` could never be bound beside one for this.
    fn is_taken_by(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tcp(one), Self::Tcp(other)) | (Self::Udp(one), Self::Udp(other)) => {
                one.is_taken_by(other)
            }
            _ => self == other,
        }
    }

    /// What it is, for people.
    fn kind(&self) -> &'static str {
        match self {
            Self::Tcp(_) => "a TCP address",
            Self::Udp(_) => "a UDP address",
            Self::Path(_) => "a UNIX path",
            Self::Abstract(_) => "an abstract UNIX name",
            Self::Number(_) | Self::Name(_) => "a socket that is handed in",
        }
    }
}
