//! The fetchers that the attribute knows by name, and their options.

use syn::{Expr, Ident, Lit};

use super::{duration, hook, literal, peel, refuse, string, url};

/// One constructor in `selfup::fetcher`.
pub(super) struct BuiltIn {
    pub(super) name: &'static str,
    /// What its positional arguments are, with their articles.
    pub(super) first: &'static str,
    pub(super) example: &'static str,
    pub(super) check_first: fn(&Expr) -> Option<String>,
    /// Of a second one, if there is one.
    pub(super) check_second: Option<fn(&Expr) -> Option<String>>,
    /// Its own, and those that it shares with others.
    options: [Options; 2],
}

/// Each is a setter of the same name.
type Options = &'static [(&'static str, Kind)];

/// What an option takes.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Interval,
    Timeout,
    /// A name and a value, as often as one likes.
    Pairs,
    /// A user and a password.
    Pair,
    /// An array, or what gives one.
    List,
    /// A file beside the binary.
    Place,
    /// The same, where the binary has a path and no URL.
    Path,
    /// The same, where it is an object and has a key.
    KeyPlace,
    Proxy,
    /// A text that is not empty.
    Text,
    Flag,
}

impl BuiltIn {
    /// A forge, whose argument and an example of it are `expected`.
    const fn forge(
        name: &'static str,
        expected: (&'static str, &'static str),
        check_first: fn(&Expr) -> Option<String>,
    ) -> Self {
        let ((first, example), options) = (expected, [&[] as Options, FORGE]);
        Self { name, first, example, check_first, check_second: None, options }
    }

    /// A kind of bucket, with options of its `own`.
    const fn store(name: &'static str, first: &'static str, own: Options) -> Self {
        let (example, options) = ("\"releases\", \"myapp\"", [own, STORE]);
        let check_second: Option<fn(&Expr) -> Option<String>> = Some(check_key);
        Self { name, first, example, check_first: check_bucket, check_second, options }
    }

    /// How many positional arguments it takes.
    pub(super) fn count(&self) -> usize {
        1 + usize::from(self.check_second.is_some())
    }

    /// The names of its options, in the order in which messages list them.
    pub(super) fn options(&self) -> impl Iterator<Item = &'static str> + Clone {
        self.options.into_iter().flatten().map(|(name, _)| *name)
    }

    pub(super) fn kind(&self, option: &str) -> Option<Kind> {
        let mut options = self.options.into_iter().flatten();
        options.find(|(name, _)| *name == option).map(|(_, kind)| *kind)
    }
}

impl Kind {
    pub(super) fn check(self, key: &Ident, value: &Expr) -> syn::Result<()> {
        match self {
            Self::Interval => duration::check(value, Some(duration::ZERO_INTERVAL)),
            Self::Timeout => duration::check(
                value,
                Some("a timeout of zero would end every download at once; use at least \"1ms\""),
            ),
            Self::Place => refuse(value, check_place(key, value, "URL")),
            Self::Path => refuse(value, check_place(key, value, "path")),
            Self::KeyPlace => refuse(value, check_key_place(key, value)),
            Self::Flag => refuse(value, check_flag(key, value)),
            Self::Proxy => refuse(value, check_proxy(value)),
            Self::Text => refuse(value, check_text(key, value)),
            Self::List => refuse(value, check_list(key, value)),
            Self::Pairs => check_pair(key, value, "(\"name\", \"value\")"),
            Self::Pair if key == "access_key" => check_pair(key, value, "(\"id\", \"secret\")"),
            Self::Pair => check_pair(key, value, "(\"user\", \"password\")"),
        }
    }

    /// Whether the setter takes the two parts of a tuple.
    pub(super) fn is_pair(self) -> bool {
        matches!(self, Self::Pairs | Self::Pair)
    }
}

fn check_url(argument: &Expr) -> Option<String> {
    match (string(argument), literal(argument)) {
        (Some(text), _) => url::mistake(&text.value()),
        (None, Some(_)) => Some("`http` needs a URL: \"https://example.com/app\"".to_owned()),
        (None, None) => None,
    }
}

fn check_place(key: &Ident, value: &Expr, word: &str) -> Option<String> {
    let is_mistake = is_no_text(value);
    let (suffix, name) =
        if key == "sha256" { (".sha256", "SHA256SUMS") } else { (".sig", "app.sig") };
    is_mistake.then(|| {
        format!(
            "`{key}` says where it is published beside the binary: behind its {word}, as \"{suffix}\", \
             or by a name such as \"{name}\", or by a {word} of its own"
        )
    })
}

fn check_text(key: &Ident, value: &Expr) -> Option<String> {
    let is_mistake = is_no_text(value);
    is_mistake.then(|| format!("`{key}` is a text that is not empty: `{key} = \"...\"`"))
}

fn check_flag(key: &Ident, value: &Expr) -> Option<String> {
    let is_mistake = literal(value).is_some_and(|found| !matches!(found, Lit::Bool(_)));
    is_mistake.then(|| format!("`{key}` is `true` or `false`"))
}

fn check_repository(argument: &Expr) -> Option<String> {
    check_project(argument, "owner/repo", |parts| parts == 2)
}

fn check_group(argument: &Expr) -> Option<String> {
    check_project(argument, "group/project", |parts| parts >= 2)
}

fn check_project(
    argument: &Expr,
    example: &str,
    is_count: impl FnOnce(usize) -> bool,
) -> Option<String> {
    let mistake = match (string(argument), literal(argument)) {
        (Some(text), _) => {
            let project = text.value();
            let is_one = is_count(project.split('/').count())
                && !project.split('/').any(str::is_empty)
                && !project.contains(|c: char| c.is_whitespace() || c == ':');
            (!is_one).then(|| format!("{project:?} is not a project"))
        }
        (None, other) => other.map(|_| "this is not a project".to_owned()),
    };
    mistake.map(|mistake| format!("{mistake}; expected \"{example}\""))
}

fn check_proxy(value: &Expr) -> Option<String> {
    let is_mistake = match (string(value), literal(value)) {
        (Some(text), _) => {
            let text = text.value();
            let schemes = ["http://", "https://", "socks5://", "socks5h://"];
            text != "none" && !schemes.iter().any(|scheme| text.starts_with(scheme))
        }
        (None, other) => other.is_some(),
    };
    let message = "`proxy` is a URL such as \"http://proxy.example:3128\", or \"none\"";
    is_mistake.then(|| message.to_owned())
}

fn check_list(key: &Ident, value: &Expr) -> Option<String> {
    let is_mistake = literal(value).is_some() || matches!(peel(value), Expr::Tuple(_));
    let example = if key == "headers" { "(\"name\", \"value\")" } else { "\"x-version\"" };
    is_mistake.then(|| format!("`{key}` is a list: `{key} = [{example}]`"))
}

fn check_pair(key: &Ident, value: &Expr, example: &str) -> syn::Result<()> {
    match peel(value) {
        Expr::Tuple(pair) if pair.elems.len() == 2 => Ok(()),
        _ => {
            let message = format!("`{key}` is a pair: `{key} = {example}`");
            Err(syn::Error::new_spanned(value, message))
        }
    }
}

fn check_key_place(key: &Ident, value: &Expr) -> Option<String> {
    let (suffix, name) =
        if key == "sha256" { (".sha256", "SHA256SUMS") } else { (".sig", "app.sig") };
    is_no_text(value).then(|| {
        format!(
            "`{key}` says where it is published beside the binary: behind its key, as \"{suffix}\", or \
             by a name such as \"{name}\", or by \"/\" and a key of its own"
        )
    })
}

/// Whether it is a literal and not a string with something in it.
fn is_no_text(value: &Expr) -> bool {
    match (string(value), literal(value)) {
        (Some(text), _) => text.value().is_empty(),
        (None, other) => other.is_some(),
    }
}

fn check_bucket(argument: &Expr) -> Option<String> {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let is_mistake = is_no_text(argument)
        || string(argument).is_some_and(|text| !text.value().chars().all(is_plain));
    is_mistake.then(|| "the first argument is the name of a bucket: \"releases\"".to_owned())
}

fn check_key(argument: &Expr) -> Option<String> {
    let mistake = "the second argument is the key of an object: \"myapp/{target}\"";
    is_no_text(argument).then(|| mistake.to_owned())
}

fn check_path(argument: &Expr) -> Option<String> {
    let is_mistake = is_no_text(argument);
    is_mistake.then(|| "`file` needs a path: \"/srv/releases/app\"".to_owned())
}

fn check_function(argument: &Expr) -> Option<String> {
    hook::is_never_callable(argument)
        .then(|| "`from_fn` needs a function or a closure: `from_fn(my_fetch)`".to_owned())
}

/// Of a forge.
const FORGE: Options = &[
    ("interval", Kind::Interval),
    ("timeout", Kind::Timeout),
    ("asset", Kind::Text),
    ("tag", Kind::Text),
    ("prerelease", Kind::Flag),
    ("token", Kind::Text),
    ("token_env", Kind::Text),
    ("base", Kind::Text),
    ("allow_http", Kind::Flag),
    ("ca", Kind::Text),
    ("proxy", Kind::Proxy),
];

/// Of a bucket.
const STORE: Options = &[
    ("interval", Kind::Interval),
    ("timeout", Kind::Timeout),
    ("endpoint", Kind::Text),
    ("allow_http", Kind::Flag),
    ("anonymous", Kind::Flag),
    ("ca", Kind::Text),
    ("proxy", Kind::Proxy),
    ("sha256", Kind::KeyPlace),
    ("signature", Kind::KeyPlace),
];

/// In the order in which messages list them.
pub(super) static BUILT_IN: [BuiltIn; 9] = [
    BuiltIn {
        name: "http",
        first: "a URL",
        example: "\"https://example.com/app\"",
        check_first: check_url,
        check_second: None,
        options: [
            &[
                ("interval", Kind::Interval),
                ("timeout", Kind::Timeout),
                ("header", Kind::Pairs),
                ("headers", Kind::List),
                ("basic", Kind::Pair),
                ("bearer", Kind::Text),
                ("allow_http", Kind::Flag),
                ("ca", Kind::Text),
                ("proxy", Kind::Proxy),
                ("check_headers", Kind::List),
                ("sha256", Kind::Place),
                ("signature", Kind::Place),
            ],
            &[],
        ],
    },
    BuiltIn {
        name: "file",
        first: "a path",
        example: "\"/srv/releases/app\"",
        check_first: check_path,
        check_second: None,
        options: [
            &[
                ("interval", Kind::Interval),
                ("prerelease", Kind::Flag),
                ("sha256", Kind::Path),
                ("signature", Kind::Path),
            ],
            &[],
        ],
    },
    BuiltIn::forge("github", ("a repository", "\"owner/repo\""), check_repository),
    BuiltIn::forge("gitlab", ("a project", "\"group/project\""), check_group),
    BuiltIn::forge("gitea", ("a repository", "\"owner/repo\""), check_repository),
    BuiltIn::store(
        "s3",
        "a bucket and a key",
        &[
            ("region", Kind::Text),
            ("access_key", Kind::Pair),
            ("session_token", Kind::Text),
            ("path_style", Kind::Flag),
        ],
    ),
    BuiltIn::store(
        "gcs",
        "a bucket and a key",
        &[("service_account", Kind::Text), ("token", Kind::Text)],
    ),
    BuiltIn::store(
        "azure",
        "a container and a key",
        &[
            ("account", Kind::Text),
            ("account_key", Kind::Text),
            ("sas", Kind::Text),
            ("token", Kind::Text),
        ],
    ),
    BuiltIn {
        name: "from_fn",
        first: "a function",
        example: "my_fetch",
        check_first: check_function,
        check_second: None,
        options: [&[("interval", Kind::Interval)], &[]],
    },
];
