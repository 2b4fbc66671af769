//! Refuses a release build that would silently not be static: `RUSTFLAGS` in the environment
//! replaces the flags of `.cargo/config.toml`, and a dynamic envshim does not start in a scratch image.
//! And tells the linker of a static one what to leave out, and what to put side by side.
#![allow(
    clippy::disallowed_macros,
    clippy::disallowed_methods,
    reason = "the house list is for the program; a build script speaks to cargo on stdout"
)]

/// What the linker is told besides its own script. A panic aborts, so that nothing ever unwinds, but the
/// compiler writes the tables for it all the same: a tenth of the binary. The start files of C keep
/// theirs, for they hold the symbols that mark the beginning and the end of all.
const NO_TABLES: &str = "SECTIONS
{
  /DISCARD/ :
  {
    *(EXCLUDE_FILE(*crtbegin*.o *crtend*.o) .eh_frame)
    *(.eh_frame_hdr)
    *(.gcc_except_table .gcc_except_table.*)
  }
}
INSERT AFTER .rodata;
";

/// What a start runs, side by side: the kernel maps a program file in pieces of 64 KiB, as they are
/// touched, and each costs as much as the code in it. `tests/order` writes the list; a line of it
/// is a section of ours, or an archive and a member of it.
fn in_order(list: &str) -> String {
    let placed = |output: &str, kind: &str| {
        let place = |line: &str| match line.split_once(' ') {
            Some((archive, member)) => format!("*{archive}:{member}({kind} {kind}.*)\n"),
            None => format!("*({kind}.{line})\n"),
        };
        let all: String = list.lines().map(place).collect();
        format!("SECTIONS {{ {output} : {{\n{all}}} }} INSERT BEFORE {kind};\n")
    };
    placed(".text.start", ".text") + &placed(".rodata.start", ".rodata")
}

fn main() -> std::io::Result<()> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=ENVSHIM_DYNAMIC");
    let var = |name: &str| std::env::var(name).unwrap_or_default();
    let is_static = var("CARGO_CFG_TARGET_FEATURE")
        .split(',')
        .any(|f| f == "crt-static");
    if is_static && var("CARGO_CFG_TARGET_OS") == "linux" && var("PROFILE") == "release" {
        let script = std::path::Path::new(&var("OUT_DIR")).join("release.ld");
        let order = in_order(include_str!("build.order"));
        std::fs::write(&script, format!("{NO_TABLES}{order}"))?;
        println!("cargo::rustc-link-arg-bins=-T{}", script.display());
        println!("cargo::rustc-link-arg-bins=-Wl,--no-eh-frame-hdr");
    }
    if is_static || var("CARGO_CFG_TARGET_OS") != "linux" || var("ENVSHIM_DYNAMIC") == "1" {
        return Ok(());
    }
    let message = "this build is not static: RUSTFLAGS or the lack of .cargo/config.toml removed \
         `-C target-feature=+crt-static`; unset RUSTFLAGS, or add the flag to it and name a --target \
         (ENVSHIM_DYNAMIC=1 builds a dynamic binary knowingly)";
    if var("PROFILE") == "release" {
        println!("cargo::error={message}");
    } else {
        println!("cargo::warning={message}");
    }
    Ok(())
}
