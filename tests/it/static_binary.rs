//! One static binary: it starts where there is nothing else, no interpreter and no library.

use std::path::Path;
use std::process::{Command, Output};

use super::house::{Folder, envshim, repository};

const PT_DYNAMIC: u64 = 2;
const PT_INTERP: u64 = 3;
const DT_NULL: u64 = 0;
const DT_NEEDED: u64 = 1;

/// A 64-bit little-endian ELF file, as far as the question goes.
struct Elf(Vec<u8>);

impl Elf {
    fn read(path: &Path) -> Elf {
        let bytes = std::fs::read(path).expect("the binary");
        assert_eq!(&bytes[..6], b"\x7fELF\x02\x01", "64 bits, little-endian");
        Elf(bytes)
    }

    fn number(&self, at: usize, bytes: usize) -> u64 {
        let field = &self.0[at..at + bytes];
        field
            .iter()
            .rev()
            .fold(0, |sum, b| sum << 8 | u64::from(*b))
    }

    /// Type, offset and size in the file of every segment.
    fn segments(&self) -> Vec<(u64, usize, usize)> {
        let (start, size, count) = (self.number(32, 8), self.number(54, 2), self.number(56, 2));
        (0..count)
            .map(|n| (start + n * size) as usize)
            .map(|at| {
                let offset = self.number(at + 8, 8) as usize;
                (self.number(at, 4), offset, self.number(at + 32, 8) as usize)
            })
            .collect()
    }

    /// Whether it has an interpreter, and how many libraries it needs.
    fn needs(&self) -> (bool, usize) {
        let segments = self.segments();
        let interpreter = segments.iter().any(|(kind, ..)| *kind == PT_INTERP);
        let dynamic = segments.iter().find(|(kind, ..)| *kind == PT_DYNAMIC);
        let needed = dynamic.map_or(0, |(_, offset, size)| {
            (*offset..offset + size)
                .step_by(16)
                .map(|at| self.number(at, 8))
                .take_while(|tag| *tag != DT_NULL)
                .filter(|tag| *tag == DT_NEEDED)
                .count()
        });
        (interpreter, needed)
    }
}

#[test]
fn has_no_interpreter_and_needs_no_library() {
    assert_eq!(Elf::read(envshim()).needs(), (false, 0));
    // The reading is right: a dynamic program has both.
    let (interpreter, needed) = Elf::read(Path::new(env!("CARGO"))).needs();
    assert!(interpreter && needed > 0);
}

/// Our build script and our flags, over a crate almost without code: the question is theirs alone.
fn build(folder: &Folder, words: &[&str], variables: &[(&str, &str)]) -> Output {
    let from = |name| std::fs::read(repository().join(name)).expect(name);
    folder.write("build.rs", from("build.rs"));
    folder.write(".cargo/config.toml", from(".cargo/config.toml"));
    folder.write("build.order", from("build.order"));
    folder.write("src/main.rs", "fn main() {}\n");
    folder.write(
        "Cargo.toml",
        "[package]\nname = \"small\"\nedition = \"2024\"\n",
    );
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["check", "--offline"])
        .args(words)
        .current_dir(folder.path())
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env_remove("CARGO_TARGET_DIR")
        .env_remove("ENVSHIM_DYNAMIC")
        .envs(variables.iter().copied());
    command.output().expect("cargo")
}

#[test]
fn a_release_that_would_be_dynamic_is_refused() {
    let flags = [("RUSTFLAGS", "-C debuginfo=0")];
    let knowingly = [flags[0], ("ENVSHIM_DYNAMIC", "1")];
    for (words, variables, good, said) in [
        (&["--release"][..], &[][..], true, false),
        (&["--release"], &flags, false, true),
        (&["--release"], &knowingly, true, false),
        (&[], &flags, true, true),
    ] {
        let folder = Folder::new();
        let output = build(&folder, words, variables);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(
            output.status.success(),
            good,
            "{words:?} {variables:?}: {err}"
        );
        assert_eq!(err.contains("this build is not static"), said, "{err}");
        assert!(!said || err.contains("unset RUSTFLAGS"), "{err}");
    }
}
