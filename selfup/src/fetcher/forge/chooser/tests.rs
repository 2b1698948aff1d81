//! Lists of files as real projects publish them.

use super::*;

const GNU: &str = "x86_64-unknown-linux-gnu";
const MUSL: &str = "x86_64-unknown-linux-musl";
const ARM64: &str = "aarch64-unknown-linux-gnu";
const ARM: &str = "arm-unknown-linux-gnueabihf";
const ARMV7: &str = "armv7-unknown-linux-gnueabihf";

/// The file that is chosen from `names`, which are separated by spaces, or the words of the error.
fn choose(project: &str, tag: &str, names: &str, target: &str) -> Result<String, String> {
    choose_with(project, tag, names, target, true)
}

fn choose_with(
    program: &str,
    tag: &str,
    names: &str,
    target: &str,
    can_unpack: bool,
) -> Result<String, String> {
    let asset = |name: &str| Asset { name: name.to_owned(), ..Asset::default() };
    let assets: Vec<_> = names.split_whitespace().map(asset).collect();
    let tag = &Tag::new(tag).unwrap();
    let wanted = Wanted { program, target, tag, can_unpack };
    let found = by_platform(&assets, &wanted).map(|asset| asset.name.clone());
    found.map_err(|error| error.to_string())
}

const RIPGREP: &str = "
    ripgrep-14.1.1-aarch64-apple-darwin.tar.gz ripgrep-14.1.1-aarch64-apple-darwin.tar.gz.sha256
    ripgrep-14.1.1-aarch64-unknown-linux-gnu.tar.gz
    ripgrep-14.1.1-aarch64-unknown-linux-gnu.tar.gz.sha256
    ripgrep-14.1.1-armv7-unknown-linux-gnueabihf.tar.gz
    ripgrep-14.1.1-armv7-unknown-linux-musleabihf.tar.gz
    ripgrep-14.1.1-i686-pc-windows-msvc.zip ripgrep-14.1.1-i686-unknown-linux-gnu.tar.gz
    ripgrep-14.1.1-s390x-unknown-linux-gnu.tar.gz ripgrep-14.1.1-x86_64-apple-darwin.tar.gz
    ripgrep-14.1.1-x86_64-pc-windows-gnu.zip ripgrep-14.1.1-x86_64-pc-windows-msvc.zip
    ripgrep-14.1.1-x86_64-unknown-linux-musl.tar.gz
    ripgrep-14.1.1-x86_64-unknown-linux-musl.tar.gz.sha256
    ripgrep_14.1.1-1_amd64.deb ripgrep_14.1.1-1_amd64.deb.sha256";

const BAT: &str = "
    bat-musl_0.24.0_amd64.deb bat-musl_0.24.0_arm64.deb bat_0.24.0_amd64.deb bat_0.24.0_arm64.deb
    bat-v0.24.0-aarch64-unknown-linux-gnu.tar.gz bat-v0.24.0-arm-unknown-linux-gnueabihf.tar.gz
    bat-v0.24.0-arm-unknown-linux-musleabihf.tar.gz bat-v0.24.0-i686-unknown-linux-gnu.tar.gz
    bat-v0.24.0-x86_64-apple-darwin.tar.gz bat-v0.24.0-x86_64-pc-windows-msvc.zip
    bat-v0.24.0-x86_64-unknown-linux-gnu.tar.gz bat-v0.24.0-x86_64-unknown-linux-musl.tar.gz";

/// cargo-dist, two programs.
const UV: &str = "
    dist-manifest.json sha256.sum source.tar.gz source.tar.gz.sha256 uv-installer.ps1 uv-installer.sh
    uv-aarch64-apple-darwin.tar.gz uv-aarch64-unknown-linux-gnu.tar.gz
    uv-aarch64-unknown-linux-musl.tar.gz uv-armv7-unknown-linux-gnueabihf.tar.gz
    uv-i686-unknown-linux-gnu.tar.gz uv-x86_64-pc-windows-msvc.zip
    uv-x86_64-unknown-linux-gnu.tar.gz uv-x86_64-unknown-linux-gnu.tar.gz.sha256
    uv-x86_64-unknown-linux-musl.tar.gz
    uv-build-x86_64-unknown-linux-gnu.tar.gz uv-build-x86_64-unknown-linux-musl.tar.gz";

/// goreleaser, with a program that is not called as its project.
const GH: &str = "
    gh_2.60.1_checksums.txt gh_2.60.1_linux_386.deb gh_2.60.1_linux_386.tar.gz
    gh_2.60.1_linux_amd64.deb gh_2.60.1_linux_amd64.rpm gh_2.60.1_linux_amd64.tar.gz
    gh_2.60.1_linux_arm64.tar.gz gh_2.60.1_linux_armv6.tar.gz gh_2.60.1_macOS_amd64.zip
    gh_2.60.1_macOS_arm64.zip gh_2.60.1_macOS_universal.pkg gh_2.60.1_windows_amd64.msi
    gh_2.60.1_windows_amd64.zip gh_2.60.1_windows_arm64.zip";

const LAZYGIT: &str = "
    checksums.txt lazygit_0.44.1_Darwin_arm64.tar.gz lazygit_0.44.1_Darwin_x86_64.tar.gz
    lazygit_0.44.1_Linux_32-bit.tar.gz lazygit_0.44.1_Linux_arm64.tar.gz
    lazygit_0.44.1_Linux_armv6.tar.gz lazygit_0.44.1_Linux_x86_64.tar.gz
    lazygit_0.44.1_Windows_x86_64.zip lazygit_0.44.1_freebsd_x86_64.tar.gz";

const HUGO: &str = "
    hugo_0.134.1_checksums.txt hugo_0.134.1_darwin-universal.tar.gz hugo_0.134.1_Linux-64bit.tar.gz
    hugo_0.134.1_linux-amd64.deb hugo_0.134.1_linux-amd64.tar.gz hugo_0.134.1_linux-arm.tar.gz
    hugo_0.134.1_linux-arm64.tar.gz hugo_0.134.1_windows-amd64.zip
    hugo_extended_0.134.1_linux-amd64.tar.gz hugo_extended_withdeploy_0.134.1_linux-amd64.tar.gz";

/// Plain binaries beside packed ones, and names of more than one fashion.
const YQ: &str = "
    checksums checksums-bsd extract-checksum.sh yq_darwin_amd64 yq_darwin_amd64.tar.gz yq_linux_386
    yq_linux_amd64 yq_linux_amd64.tar.gz yq_linux_arm yq_linux_arm64 yq_linux_arm64.tar.gz
    yq_man_page_only.tar.gz yq_windows_amd64.exe yq_windows_amd64.zip";

const JQ: &str = "
    jq-1.7.1.tar.gz jq-1.7.1.zip jq-linux-amd64 jq-linux-arm64 jq-linux-armhf jq-linux-i386 jq-linux64
    jq-macos-amd64 jq-macos-arm64 jq-osx-amd64 jq-win64.exe jq-windows-amd64.exe sha256sum.txt";

const PROMETHEUS: &str = "
    prometheus-2.54.1.darwin-amd64.tar.gz prometheus-2.54.1.linux-386.tar.gz
    prometheus-2.54.1.linux-amd64.tar.gz prometheus-2.54.1.linux-arm64.tar.gz
    prometheus-2.54.1.linux-armv5.tar.gz prometheus-2.54.1.linux-armv6.tar.gz
    prometheus-2.54.1.linux-armv7.tar.gz prometheus-2.54.1.linux-mips64le.tar.gz
    prometheus-2.54.1.windows-amd64.zip sha256sums.txt";

const HELIX: &str = "
    helix-24.07-aarch64-linux.tar.xz helix-24.07-aarch64-macos.tar.xz helix-24.07-source.tar.xz
    helix-24.07-x86_64-linux.tar.xz helix-24.07-x86_64-windows.zip helix-24.07-x86_64.AppImage";

const ZELLIJ: &str = "
    zellij-aarch64-apple-darwin.sha256sum zellij-aarch64-unknown-linux-musl.tar.gz
    zellij-no-web-x86_64-unknown-linux-musl.tar.gz zellij-x86_64-unknown-linux-musl.sha256sum
    zellij-x86_64-unknown-linux-musl.tar.gz";

#[test]
fn what_projects_publish_is_understood() {
    for (project, tag, names, target, expected) in [
        ("ripgrep", "14.1.1", RIPGREP, MUSL, "ripgrep-14.1.1-x86_64-unknown-linux-musl.tar.gz"),
        ("ripgrep", "14.1.1", RIPGREP, ARM64, "ripgrep-14.1.1-aarch64-unknown-linux-gnu.tar.gz"),
        (
            "ripgrep",
            "14.1.1",
            RIPGREP,
            ARMV7,
            "ripgrep-14.1.1-armv7-unknown-linux-gnueabihf.tar.gz",
        ),
        ("bat", "v0.24.0", BAT, GNU, "bat-v0.24.0-x86_64-unknown-linux-gnu.tar.gz"),
        ("bat", "v0.24.0", BAT, MUSL, "bat-v0.24.0-x86_64-unknown-linux-musl.tar.gz"),
        ("bat", "v0.24.0", BAT, ARM, "bat-v0.24.0-arm-unknown-linux-gnueabihf.tar.gz"),
        ("bat", "v0.24.0", BAT, "x86_64-apple-darwin", "bat-v0.24.0-x86_64-apple-darwin.tar.gz"),
        ("uv", "0.4.18", UV, GNU, "uv-x86_64-unknown-linux-gnu.tar.gz"),
        ("uv", "0.4.18", UV, MUSL, "uv-x86_64-unknown-linux-musl.tar.gz"),
        ("cli", "v2.60.1", GH, GNU, "gh_2.60.1_linux_amd64.tar.gz"),
        ("cli", "v2.60.1", GH, ARM64, "gh_2.60.1_linux_arm64.tar.gz"),
        ("cli", "v2.60.1", GH, ARM, "gh_2.60.1_linux_armv6.tar.gz"),
        ("cli", "v2.60.1", GH, "x86_64-pc-windows-msvc", "gh_2.60.1_windows_amd64.zip"),
        ("lazygit", "v0.44.1", LAZYGIT, MUSL, "lazygit_0.44.1_Linux_x86_64.tar.gz"),
        (
            "lazygit",
            "v0.44.1",
            LAZYGIT,
            "aarch64-apple-darwin",
            "lazygit_0.44.1_Darwin_arm64.tar.gz",
        ),
        ("hugo", "v0.134.1", HUGO, GNU, "hugo_0.134.1_linux-amd64.tar.gz"),
        ("hugo", "v0.134.1", HUGO, ARM, "hugo_0.134.1_linux-arm.tar.gz"),
        ("yq", "v4.44.3", YQ, GNU, "yq_linux_amd64"),
        ("yq", "v4.44.3", YQ, "i686-unknown-linux-gnu", "yq_linux_386"),
        ("jq", "jq-1.7.1", JQ, GNU, "jq-linux-amd64"),
        ("jq", "jq-1.7.1", JQ, ARM64, "jq-linux-arm64"),
        ("prometheus", "v2.54.1", PROMETHEUS, GNU, "prometheus-2.54.1.linux-amd64.tar.gz"),
        ("prometheus", "v2.54.1", PROMETHEUS, ARMV7, "prometheus-2.54.1.linux-armv7.tar.gz"),
        ("helix", "24.07", HELIX, GNU, "helix-24.07-x86_64-linux.tar.xz"),
        ("zellij", "v0.40.1", ZELLIJ, MUSL, "zellij-x86_64-unknown-linux-musl.tar.gz"),
    ] {
        let found = choose(project, tag, names, target);
        assert_eq!(found.as_deref(), Ok(expected), "{project} for {target}");
    }
}

#[test]
fn what_a_project_does_not_publish_for_a_machine_is_not_found_under_another_name() {
    for (project, tag, names, target) in [
        // Nothing but musl, and darwin, which has a `win`.
        ("ripgrep", "14.1.1", RIPGREP, GNU),
        ("zellij", "v0.40.1", ZELLIJ, GNU),
        ("ripgrep", "14.1.1", RIPGREP, "aarch64-pc-windows-msvc"),
        // Has `arm64`, `armhf` and `aarch64`, and no `arm`.
        ("jq", "jq-1.7.1", JQ, ARM),
        ("helix", "24.07", HELIX, ARM),
        // Has `armv6`, and nothing for the next.
        ("lazygit", "v0.44.1", LAZYGIT, ARMV7),
        ("lazygit", "v0.44.1", LAZYGIT, "i686-unknown-linux-gnu"),
        ("bat", "v0.24.0", BAT, "aarch64-unknown-linux-musl"),
        ("app", "v1", "app", GNU),
        ("app", "v1", "app-linux app-x86_64", GNU),
        ("app", "v1", "app-x86_64-unknown-linux-gnu.sig app-linux-amd64.json", GNU),
        ("app", "v1", "app-debug-1-x86_64-unknown-linux-gnu.x app-linux-amd64-debug", GNU),
    ] {
        let found = choose(project, tag, names, target);
        let words = found.expect_err(project);
        assert!(
            words.starts_with(&format!("the release has no file for {target}, but "))
                || words.starts_with("it is not clear which program"),
            "{words}"
        );
    }
}

#[test]
fn another_program_of_the_release_is_never_taken() {
    let two = "a-linux-amd64 b-linux-amd64";
    let words = choose("c", "v1", two, GNU).unwrap_err();
    assert!(words.contains("it has a-linux-amd64, b-linux-amd64; say which"), "{words}");
    assert_eq!(choose("b", "v1", two, GNU).as_deref(), Ok("b-linux-amd64"));
    // The program itself is there for another machine only.
    let words = choose("app", "v1", "app-linux-arm64 app-tool-linux-amd64", GNU).unwrap_err();
    assert!(words.starts_with("the release has no file for x86_64"), "{words}");
    // Names that have words of platforms in them.
    assert_eq!(
        choose("linux-arm-tool", "v1", "linux-arm-tool-linux-amd64", GNU).as_deref(),
        Ok("linux-arm-tool-linux-amd64")
    );
    assert_eq!(
        choose("My_App", "v1", "my-app-1-linux-amd64", GNU).as_deref(),
        Ok("my-app-1-linux-amd64")
    );
}

#[test]
fn the_exact_triple_goes_before_its_words_and_those_before_less() {
    let all = "app-linux-amd64 app-amd64-linux-gnu app-x86_64-unknown-linux-gnu";
    assert_eq!(choose("app", "v1", all, GNU).as_deref(), Ok("app-x86_64-unknown-linux-gnu"));
    let some = "app-linux-amd64 app-amd64-linux-gnu app-x86_64-unknown-linux-musl";
    assert_eq!(choose("app", "v1", some, GNU).as_deref(), Ok("app-amd64-linux-gnu"));
    let less = "app-linux-amd64 app-x86_64-unknown-linux-musl";
    assert_eq!(choose("app", "v1", less, GNU).as_deref(), Ok("app-linux-amd64"));
    assert_eq!(choose("app", "v1", less, MUSL).as_deref(), Ok("app-x86_64-unknown-linux-musl"));
}

#[test]
fn what_may_be_several_is_an_error_that_lists_them() {
    let words = choose("app", "v1", "app-linux-amd64 app-amd64-linux app-linux-arm64", GNU);
    assert_eq!(
        words.unwrap_err(),
        "several files of the release may be the one for x86_64-unknown-linux-gnu: \
         app-linux-amd64, app-amd64-linux; say which it is with `asset`"
    );
    let words = choose("app", "v1", "", GNU).unwrap_err();
    assert!(words.contains("it has no file; "), "{words}");
}

#[test]
fn of_one_program_in_several_packings_the_least_is_taken() {
    let all =
        "app-linux-amd64.zip app-linux-amd64.tar.gz app-linux-amd64.tar.xz app-linux-amd64.gz";
    assert_eq!(choose("app", "v1", all, GNU).as_deref(), Ok("app-linux-amd64.tar.xz"));
    let plain = format!("{all} app-linux-amd64");
    assert_eq!(choose("app", "v1", &plain, GNU).as_deref(), Ok("app-linux-amd64"));
    assert_eq!(choose_with("app", "v1", &plain, GNU, false).as_deref(), Ok("app-linux-amd64"));
    let words = choose_with("app", "v1", all, GNU, false).unwrap_err();
    assert!(words.ends_with("with selfup's feature `archives`, or publish the binary itself"));
}

#[test]
fn the_version_is_found_wherever_it_is_and_in_every_form() {
    for (tag, name) in [
        ("v1.2.3", "app-v1.2.3-linux-amd64"),
        ("v1.2.3", "app-1.2.3-linux-amd64.tar.gz"),
        ("v1.2.3", "app-linux-amd64-1.2.3"),
        ("v1.2.3", "app_1.2.3.linux.amd64"),
        ("app-v1.2.3-rc.1", "app-1.2.3-rc.1-linux-amd64"),
        ("nightly", "app-nightly-linux-amd64"),
        ("1", "app-v1-linux-amd64"),
    ] {
        assert_eq!(choose("app", tag, name, GNU).as_deref(), Ok(name));
    }
    for another in ["app-1.2.4-linux-amd64", "app-v1.2.4-linux-amd64", "app-linux-amd64-1.2.4"] {
        assert!(choose("app", "v1.2.3", another, GNU).is_err(), "{another}");
        assert!(choose("other", "v1.2.3", another, GNU).is_err(), "{another}");
    }
}

#[test]
fn a_name_is_a_name_letter_by_letter() {
    let assets =
        ["app", "App", "app.gz"].map(|name| Asset { name: name.into(), ..Asset::default() });
    assert_eq!(by_name(&assets, "App").unwrap().name, "App");
    let words = by_name(&assets, "ap").unwrap_err().to_string();
    assert_eq!(
        words,
        "the release has no file \"ap\", but app, App, app.gz; publish it, or correct `asset`"
    );
    let many: Vec<_> =
        (0..1000).map(|at| Asset { name: "x".repeat(at), ..Asset::default() }).collect();
    assert!(by_name(&many, "app").unwrap_err().to_string().len() < 3000);
}

#[test]
fn a_target_that_is_not_known_is_said() {
    let words = choose("app", "v1", "app-linux-amd64", "sparc-unknown-plan9").unwrap_err();
    assert!(words.starts_with("names for the target sparc-unknown-plan9 are not known"), "{words}");
}
