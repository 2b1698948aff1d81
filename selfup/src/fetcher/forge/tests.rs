//! What is said of settings, and what hostile answers can do.

use super::model::Release;
use super::site::Site;
use super::*;

fn mistake(forge: &Forge) -> String {
    forge.check().map_or_else(|error| error.to_string(), |()| "none".to_owned())
}

fn dialects() -> Vec<&'static dyn Dialect> {
    vec![
        #[cfg(feature = "github")]
        &github::GitHub,
        #[cfg(feature = "gitlab")]
        &gitlab::GitLab,
        #[cfg(feature = "gitea")]
        &gitea::Gitea,
    ]
}

fn forge(dialect: &'static dyn Dialect) -> Forge {
    Forge::new(dialect, "owner/app".to_owned()).base("https://git.example.com")
}

#[test]
fn a_mistake_in_a_setting_is_told_at_the_start() {
    for dialect in dialects() {
        let forge = || forge(dialect);
        assert_eq!(mistake(&forge()), "none");
        for (wrong, words) in [
            (forge().interval("5"), "`interval`: "),
            (forge().timeout("0s"), "`timeout` is zero"),
            (forge().asset(""), "`asset` is \"\"; expected the name of a file"),
            (forge().asset("dist/app"), "`asset` is \"dist/app\"; expected the name of a file"),
            (forge().asset("app-{triple}"), "`asset` is \"app-{triple}\"; expected the name"),
            (forge().token(""), "`token` is empty"),
            (forge().token("swordfish\n"), "`token` has a control character in it"),
            (forge().token_env("SELFUP_NO_SUCH"), "`token_env`: the variable \"SELFUP_NO_SUCH\": "),
            (forge().tag("v*.1"), "`tag` is \"v*.1\"; expected a tag such as"),
            (forge().base("git.example.com"), "`base` is not a URL"),
            (forge().ca(""), "`ca` is empty"),
            (Forge::new(dialect, "app".to_owned()), "\"app\" is not a project; expected"),
        ] {
            let mistake = mistake(&wrong);
            assert!(mistake.starts_with(words), "{mistake}");
            assert!(!mistake.contains("swordfish"), "{mistake}");
        }
    }
}

#[test]
fn a_forge_is_asked_over_http_only_where_that_is_allowed() {
    for dialect in dialects() {
        let forge = |base| forge(dialect).base(base).token("swordfish");
        let words = "`base`: http://git.example.com/ would be asked over http, where anybody";
        let told = mistake(&forge("http://git.example.com"));
        assert!(told.starts_with(words) && !told.contains("swordfish"), "{told}");
        assert_eq!(mistake(&forge("http://git.example.com").allow_http(true)), "none");
        assert_eq!(mistake(&forge("http://127.0.0.1:3000")), "none");
    }
}

#[cfg(feature = "gitea")]
#[test]
fn a_gitea_has_to_be_named() {
    assert_eq!(
        mistake(&gitea("owner/app")),
        "`base` is missing; give the URL of the forge, such as \"https://codeberg.org\""
    );
}

#[cfg(not(feature = "archives"))]
#[test]
fn a_packed_file_that_nothing_unpacks_is_a_mistake() {
    let mistake = mistake(&forge(dialects()[0]).asset("app.tar.gz"));
    assert!(mistake.contains("build the program with selfup's feature `archives`"), "{mistake}");
}

#[test]
fn a_token_is_not_shown() {
    for dialect in dialects() {
        let forge = forge(dialect).token("swordfish").proxy("http://me:swordfish@proxy");
        let shown = format!("{forge:?} {:?}", forge.settings.token);
        assert!(shown.contains("has_token: true") && !shown.contains("swordfish"), "{shown}");
    }
}

#[test]
fn other_settings_make_a_validator_void() {
    for dialect in dialects() {
        let forge = || forge(dialect);
        let others = [
            forge(),
            forge().asset("app"),
            forge().token("swordfish"),
            forge().tag("v1.*"),
            forge().prerelease(true),
            forge().base("https://git.example.org"),
            Forge::new(dialect, "owner/other".to_owned()).base("https://git.example.com"),
        ];
        let mut sources: Vec<_> = others.iter().map(|forge| forge.settings.source()).collect();
        assert_eq!(forge().interval("1s").settings.source(), sources[0]);
        sources.sort();
        sources.dedup();
        assert_eq!(sources.len(), others.len());
    }
}

/// Both of what every forge answers.
const ANSWER: &str = r#"{"tag_name": "v1.2.3", "draft": false, "prerelease": true, "upcoming_release": null,
    "body": "x\u0000\ud83d\ude00", "assets": [{"id": 18446744073709551615, "name": "app", "size": 3,
    "state": "uploaded", "digest": "sha256:00", "created_at": "2026", "browser_download_url": "x"}]}"#;

const LINKS: &str = r#"{"tag_name": "v1.2.3", "assets": {"links": [{"id": 1, "name": "a b", "url":
    "https://x/y%00%zz"}, {"name": "app", "url": "https://x/y"}]}}"#;

/// What is in a release that was read has its bounds, whatever was read.
fn assert_bounded(release: &Release) {
    assert!((1..=255).contains(&release.tag.as_str().len()));
    for asset in &release.assets {
        assert!((1..=255).contains(&asset.name.len()));
        assert!(!asset.name.contains(['/', '\n', '\0']), "{asset:?}");
    }
    let _ = release.tag.version();
}

fn read(dialect: &dyn Dialect, json: &[u8]) {
    if let Ok(Some(release)) = dialect.one(json) {
        assert_bounded(&release);
        let site = Site::new(dialect, "https://git.example.com".parse().unwrap(), "owner/app");
        for asset in &release.assets {
            let _ = dialect.file(&site, &release.tag, asset, true);
        }
        for can_unpack in [false, true] {
            let (tag, target, program) = (&release.tag, "x86_64-unknown-linux-gnu", "app");
            let wanted = chooser::Wanted { program, target, tag, can_unpack };
            let _ = chooser::by_platform(&release.assets, &wanted);
        }
        let _ = chooser::by_name(&release.assets, "app");
    }
    for release in dialect.many(json).unwrap_or_default() {
        assert_bounded(&release);
    }
}

#[test]
fn hostile_answers_are_bounded_and_end_nothing() {
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let nested = format!("{{\"tag_name\": \"v1\", \"assets\": {deep}}}");
    let many = format!(
        "{{\"tag_name\": \"v1\", \"assets\": [{}{{\"name\": \"app\"}}]}}",
        "{\"name\": \"app-linux-amd64\"},".repeat(10_000)
    );
    let long = format!("{{\"tag_name\": \"{}\"}}", "9.".repeat(1_000_000));
    for dialect in dialects() {
        for json in [&deep, &nested, &many, &long, "", "null", "{}", "[]", "[null]", "\u{feff}{}"] {
            read(dialect, json.as_bytes());
        }
    }
}

#[test]
fn random_changes_of_good_answers_end_nothing() {
    let mut random = fastrand::Rng::with_seed(7);
    let splices: [&[u8]; 8] = [
        b"{",
        b"]",
        b"\"",
        b"..",
        b"\\u0000",
        b"-1",
        b"app-linux-amd64.tar.gz",
        b"v9999999999.1.1",
    ];
    let lists = [ANSWER, LINKS].map(|answer| format!("[{answer},{answer}]"));
    for _ in 0..20_000 {
        let answers = [ANSWER, LINKS, &lists[0], &lists[1]];
        let mut json = answers[random.usize(..4)].as_bytes().to_vec();
        for _ in 0..random.usize(1..6) {
            let at = random.usize(..json.len());
            match random.u8(..4) {
                0 => json[at] = random.u8(..),
                1 => json.truncate(at.max(1)),
                2 => drop(json.remove(at)),
                _ => drop(json.splice(at..at, splices[random.usize(..8)].iter().copied())),
            }
            if json.is_empty() {
                break;
            }
        }
        for dialect in dialects() {
            read(dialect, &json);
        }
    }
}
