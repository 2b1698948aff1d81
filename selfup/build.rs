//! Passes on what Cargo tells a build script and not the crate: the target triple, and whether a
//! master can be had there.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=SELFUP_TARGET={target}");
    println!("cargo:rerun-if-env-changed={WITHOUT}");
    println!("cargo:rustc-check-cfg=cfg(selfup_supervised)");
    // Which cargo-fuzz sets.
    println!("cargo:rustc-check-cfg=cfg(fuzzing)");
    let is_linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if is_linux && std::env::var_os(WITHOUT).is_none() {
        println!("cargo:rustc-cfg=selfup_supervised");
    }
}

/// Set to anything, it builds for Linux what other systems get, so that it can be tested there.
const WITHOUT: &str = "SELFUP_BUILD_UNSUPERVISED";
