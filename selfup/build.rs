//! Passes on the one thing that Cargo tells a build script and not the crate: the target triple.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let target = std::env::var("TARGET").unwrap_or_default();
    println!("cargo:rustc-env=SELFUP_TARGET={target}");
}
