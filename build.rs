//! Refuses a release build that would silently not be static: `RUSTFLAGS` in the environment
//! replaces the flags of `.cargo/config.toml`, and a dynamic envshim does not start in a scratch image.
#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "the house list is for the program; a build script speaks to cargo on stdout"
)]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ENVSHIM_DYNAMIC");
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let is_static = var("CARGO_CFG_TARGET_FEATURE")
        .split(',')
        .any(|f| f == "crt-static");
    if is_static || var("CARGO_CFG_TARGET_OS") != "linux" || var("ENVSHIM_DYNAMIC") == "1" {
        return;
    }
    let message = "this build is not static: RUSTFLAGS or the lack of .cargo/config.toml removed \
         `-C target-feature=+crt-static`; unset RUSTFLAGS, or add the flag to it and name a --target \
         (ENVSHIM_DYNAMIC=1 builds a dynamic binary knowingly)";
    if var("PROFILE") == "release" {
        println!("cargo::error={message}");
    } else {
        println!("cargo::warning={message}");
    }
}
