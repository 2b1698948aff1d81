use super::Fetcher;
use crate::main_attr::value::verdict;

fn check(cases: &[(&str, &str)]) {
    for (value, expected) in cases {
        assert_eq!(verdict::<Fetcher>(value), *expected, "{value}");
    }
}

#[test]
fn expressions() {
    check(&[
        (r#"http("https://example.com/app")"#, "ok"),
        (
            r#"http(URL, interval = "1s", timeout = LONG, header = ("a", "b"), header = ("c", d()))"#,
            "ok",
        ),
        (r#"http("http://x/y").timeout("5s")"#, "ok"),
        (r#"file("/srv/app", interval = "1s")"#, "ok"),
        (r#"from_fn(|_| async { todo!() }, interval = "1s")"#, "ok"),
        (
            r#"s3("releases", "app/{target}", region = "auto", access_key = (id(), "b"), path_style = true)"#,
            "ok",
        ),
        (r#"gcs(BUCKET, KEY, service_account = "/a.json")"#, "ok"),
        (r#"azure("releases", "app", account = "example").sas(sas())"#, "ok"),
        ("mine", "ok"),
        ("Mine::new(x).often()", "ok"),
        ("self::http(3)", "ok"),
        (
            r#""http://x/y""#,
            r#"a fetcher is an expression, not a string; did you mean `http("http://x/y")`?"#,
        ),
        (
            r#""/srv/app""#,
            r#"a fetcher is an expression, not a string; did you mean `file("/srv/app")`?"#,
        ),
        (
            r#""x""#,
            r#"a fetcher is an expression, not a string; did you mean `http("https://example.com/app")`?"#,
        ),
        ("3", r#"expected a fetcher, such as `http("https://example.com/app")`"#),
        ("http", "`http` is a constructor; call it: `http(...)`"),
        ("|_| ()", "a closure is not a fetcher by itself; wrap it: `from_fn(...)`"),
        (
            r#"htp("http://x/y", interval = "1s")"#,
            "`htp` is not a built-in fetcher; did you mean `http`?",
        ),
        (
            r#"my::own(interval = "1s")"#,
            "only the built-in fetchers take `key = value` options: `http`, `file`, `github`, `gitlab`, `gitea`, `s3`, `gcs`, `azure`, `from_fn`",
        ),
    ]);
}

#[test]
fn arguments_and_options() {
    check(&[
        ("http()", r#"`http` needs a URL: `http("https://example.com/app")`"#),
        ("http(3)", "`http` needs a URL: \"https://example.com/app\""),
        ("file()", r#"`file` needs a path: `file("/srv/releases/app")`"#),
        (r#"file("")"#, "`file` needs a path: \"/srv/releases/app\""),
        ("from_fn(3)", "`from_fn` needs a function or a closure: `from_fn(my_fetch)`"),
        (
            r#"http("http://x/y", "z")"#,
            "`http` takes one argument, a URL, and `key = value` options",
        ),
        (r#"http("http://x/y", interval)"#, "`interval` needs a value: `interval = ...`"),
        (r#"http(interval = "1s", "http://x/y")"#, "`http` takes a URL first, then its options"),
        (
            r#"http("http://x/y", intervall = "1s")"#,
            "`http` has no option `intervall`; did you mean `interval`?",
        ),
        (
            r#"http("http://x/y", colour = 1)"#,
            "`http` has no option `colour`; expected one of `interval`, `timeout`, `header`, `headers`, `basic`, `bearer`, `allow_http`, `ca`, `proxy`, `check_headers`, `sha256`, `signature`",
        ),
        (r#"http("http://x/y", sha256 = "SHA256SUMS", signature = place())"#, "ok"),
        (r#"http("http://x/y", interval = "1s", interval = "2s")"#, "`interval` is given twice"),
        (
            r#"http("http://x/y", header = "a: b")"#,
            r#"`header` is a pair: `header = ("name", "value")`"#,
        ),
        (
            r#"http("x", interval = "1", timeout = 0)"#,
            "\"x\" is not an absolute URL; it must start with `https://` or `http://` | a duration needs a unit: write \"1s\" or \"1ms\" | a timeout of zero would end every download at once; use at least \"1ms\"",
        ),
    ]);
}

#[test]
fn buckets_and_keys() {
    check(&[
        (r#"s3("releases")"#, r#"`s3` needs a bucket and a key: `s3("releases", "myapp")`"#),
        (
            r#"s3("releases/myapp", "")"#,
            "the first argument is the name of a bucket: \"releases\" | the second argument is the key of an object: \"myapp/{target}\"",
        ),
        (
            r#"azure("a", "b", "c")"#,
            "`azure` takes two arguments, a container and a key, and `key = value` options",
        ),
        (
            r#"s3("a", "b", access_key = "c", access_key = ("c", "d"))"#,
            "`access_key` is a pair: `access_key = (\"id\", \"secret\")` | `access_key` is given twice",
        ),
        (
            r#"s3("a", "b", region = "", anonymous = 1, sha256 = 2)"#,
            "`region` is a text that is not empty: `region = \"...\"` | `anonymous` is `true` or `false` | `sha256` says where it is published beside the binary: behind its key, as \".sha256\", or by a name such as \"SHA256SUMS\", or by \"/\" and a key of its own",
        ),
    ]);
}

#[test]
fn what_lies_beside_a_binary() {
    check(&[
        (r#"file("/srv/app-*", prerelease = true, sha256 = ".sha256", signature = at())"#, "ok"),
        (r#"file("/srv/app-*", prerelease = "yes")"#, "`prerelease` is `true` or `false`"),
        (
            r#"file("/srv/app", signature = "")"#,
            "`signature` says where it is published beside the binary: behind its path, as \".sig\", or by a name such as \"app.sig\", or by a path of its own",
        ),
        (
            r#"http("http://x/y", sha256 = true)"#,
            "`sha256` says where it is published beside the binary: behind its URL, as \".sha256\", or by a name such as \"SHA256SUMS\", or by a URL of its own",
        ),
    ]);
}

#[test]
fn what_is_said_of_the_servers() {
    check(&[
        (
            r#"http(URL, basic = ("me", password()), ca = CA, proxy = "none", check_headers = ["x-version"])"#,
            "ok",
        ),
        (
            r#"http(URL, bearer = token(), proxy = PROXY, headers = [("a", "b")], check_headers = NAMES)"#,
            "ok",
        ),
        (
            r#"http(URL, basic = "me:swordfish", bearer = "")"#,
            r#"`basic` is a pair: `basic = ("user", "password")` | `bearer` is a text that is not empty: `bearer = "..."`"#,
        ),
        (
            r#"http(URL, proxy = "proxy.example:3128", ca = true)"#,
            r#"`proxy` is a URL such as "http://proxy.example:3128", or "none" | `ca` is a text that is not empty: `ca = "..."`"#,
        ),
        (
            r#"http(URL, headers = ("a", "b"), check_headers = "x-version")"#,
            r#"`headers` is a list: `headers = [("name", "value")]` | `check_headers` is a list: `check_headers = ["x-version"]`"#,
        ),
    ]);
}

#[test]
fn projects_of_forges_and_their_options() {
    check(&[
        (
            r#"github("owner/app", asset = "app-{target}", token_env = "GITHUB_TOKEN", prerelease = true, allow_http = false)"#,
            "ok",
        ),
        (r#"gitlab("group/sub/app", tag = TAG, base = "https://git.example.com")"#, "ok"),
        (
            r#"github("group/sub/app")"#,
            "\"group/sub/app\" is not a project; expected \"owner/repo\"",
        ),
        (
            r#"gitea("https://codeberg.org/owner/app")"#,
            "\"https://codeberg.org/owner/app\" is not a project; expected \"owner/repo\"",
        ),
        ("gitlab(7)", "this is not a project; expected \"group/project\""),
        ("github()", r#"`github` needs a repository: `github("owner/repo")`"#),
        (r#"github("o/r", tag = "")"#, "`tag` is a text that is not empty: `tag = \"...\"`"),
        (r#"github("o/r", prerelease = "yes")"#, "`prerelease` is `true` or `false`"),
    ]);
}
