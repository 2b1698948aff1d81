//! What the attribute says of `s3(..)`, `gcs(..)` and `azure(..)`.

use super::{Fetcher, verdict};

#[test]
fn a_bucket_a_key_and_options() {
    for (value, expected) in [
        (
            r#"s3("releases", "app/{target}", region = "auto", access_key = (id(), "b"), path_style = true)"#,
            "ok",
        ),
        (r#"gcs(BUCKET, KEY, service_account = "/a.json")"#, "ok"),
        (r#"azure("releases", "app", account = "example").sas(sas())"#, "ok"),
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
            "`region` is a text that is not empty: `region = \"...\"` | `anonymous` is true or false | `sha256` says where it is published beside the binary: behind its key, as \".sha256\", or by a name such as \"SHA256SUMS\", or by \"/\" and a key of its own",
        ),
    ] {
        assert_eq!(verdict::<Fetcher>(value), expected, "{value}");
    }
}
