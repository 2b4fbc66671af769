//! What a program file asks for in its first bytes: an interpreter, a loader, a machine. Read only
//! to explain a refusal, and to tell a script without a first line from a binary.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

/// The kind of a program file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// `#!` and the path of an interpreter.
    Script {
        /// The path, without the carriage return.
        interpreter: OsString,
        /// The line ends in CR LF, and the kernel takes the CR for a part of the path.
        carriage_return: bool,
    },
    /// An ELF file.
    Elf {
        /// The machine it is built for.
        machine: u16,
        /// The loader of a dynamic program.
        loader: Option<OsString>,
    },
    /// Text, as far as the first line shows, or empty.
    Text,
    /// Anything else.
    Binary,
    /// It may be executable all the same.
    Unreadable,
}

impl Kind {
    /// Whether a shell could run it.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Kind::Text | Kind::Script { .. } | Kind::Unreadable)
    }
}

/// The machine of this build, as ELF files name it.
pub(super) fn this_machine() -> &'static str {
    std::env::consts::ARCH
}

/// The machine of an ELF file, as people name it.
pub(super) fn machine_name(machine: u16) -> String {
    let name = match machine {
        3 => "x86",
        8 => "mips",
        20 => "powerpc",
        21 => "powerpc64",
        22 => "s390x",
        40 => "arm",
        62 => "x86_64",
        183 => "aarch64",
        243 => "riscv64",
        258 => "loongarch64",
        other => return format!("a machine with the ELF number {other}"),
    };
    name.to_owned()
}

/// Looks into the file at `path`.
pub(super) fn read(path: &Path) -> Kind {
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let Ok(file) = open(path, flags, Mode::empty()).map(File::from) else {
        return Kind::Unreadable;
    };
    let at = |offset: u64, length: usize| {
        let mut bytes = vec![0; length];
        let count = file.read_at(&mut bytes, offset).unwrap_or(0);
        bytes.truncate(count);
        bytes
    };
    kind(at)
}

/// `at(offset, length)` gives the bytes of the file, fewer where it ends.
fn kind(at: impl Fn(u64, usize) -> Vec<u8>) -> Kind {
    // The kernel looks at the first 256 bytes too.
    let start = at(0, 256);
    if let Some(rest) = start.strip_prefix(b"#!") {
        return script(rest).unwrap_or(Kind::Text);
    }
    if start.starts_with(b"\x7fELF") {
        return elf(&start, at).unwrap_or(Kind::Binary);
    }
    let line = start.split(|byte| *byte == b'\n').next();
    if line.is_some_and(|line| line.contains(&0)) {
        Kind::Binary
    } else {
        Kind::Text
    }
}

fn script(rest: &[u8]) -> Option<Kind> {
    let line = rest.split(|byte| *byte == b'\n').next()?;
    let interpreter = line
        .split(|byte| matches!(byte, b' ' | b'\t' | 0))
        .find(|word| !word.is_empty())?;
    let bare = interpreter.strip_suffix(b"\r");
    Some(Kind::Script {
        interpreter: OsStr::from_bytes(bare.unwrap_or(interpreter)).to_owned(),
        carriage_return: bare.is_some(),
    })
}

/// `None` when it is no ELF file that a kernel would read.
fn elf(start: &[u8], at: impl Fn(u64, usize) -> Vec<u8>) -> Option<Kind> {
    let wide = *start.get(4)? == 2;
    let little = *start.get(5)? == 1;
    let number = |bytes: &[u8], offset: usize, length: usize| -> Option<u64> {
        let bytes = bytes.get(offset..offset.checked_add(length)?)?;
        let next = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        Some(if little {
            bytes.iter().rev().fold(0, next)
        } else {
            bytes.iter().fold(0, next)
        })
    };
    let machine = u16::try_from(number(start, 18, 2)?).ok()?;
    let (table, size, count) = if wide {
        (
            number(start, 32, 8)?,
            number(start, 54, 2)?,
            number(start, 56, 2)?,
        )
    } else {
        (
            number(start, 28, 4)?,
            number(start, 42, 2)?,
            number(start, 44, 2)?,
        )
    };
    let size = usize::try_from(size).ok()?;
    let headers = at(table, size * usize::try_from(count).ok()?);
    let mut loader = None;
    for header in headers.chunks_exact(size.max(1)) {
        const PT_INTERP: u64 = 3;
        if number(header, 0, 4) != Some(PT_INTERP) {
            continue;
        }
        let (offset, length) = if wide {
            (number(header, 8, 8)?, number(header, 32, 8)?)
        } else {
            (number(header, 4, 4)?, number(header, 16, 4)?)
        };
        let path = at(offset, usize::try_from(length.min(4096)).ok()?);
        let path = path.split(|byte| *byte == 0).next()?;
        loader = Some(OsStr::from_bytes(path).to_owned());
    }
    Some(Kind::Elf { machine, loader })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(bytes: &[u8]) -> Kind {
        kind(|offset, length| {
            let rest = bytes
                .iter()
                .skip(usize::try_from(offset).unwrap_or(usize::MAX));
            rest.take(length).copied().collect()
        })
    }

    fn interpreter(line: &[u8]) -> Option<(String, bool)> {
        match of(line) {
            Kind::Script {
                interpreter,
                carriage_return,
            } => Some((interpreter.into_string().unwrap(), carriage_return)),
            _ => None,
        }
    }

    #[test]
    fn first_lines() {
        let sh = |cr| Some(("/bin/sh".to_owned(), cr));
        assert_eq!(interpreter(b"#!/bin/sh\n"), sh(false));
        assert_eq!(interpreter(b"#! \t/bin/sh -e\necho"), sh(false));
        assert_eq!(interpreter(b"#!/bin/sh"), sh(false));
        assert_eq!(interpreter(b"#!/bin/sh\r\necho"), sh(true));
        // Here the kernel takes the CR for a part of the argument.
        assert_eq!(interpreter(b"#!/bin/sh -e\r\n"), sh(false));
        assert_eq!(of(b"#!\necho"), Kind::Text);
        assert_eq!(of(b""), Kind::Text);
        assert_eq!(of(b"echo hello\n\0\0"), Kind::Text);
        assert_eq!(of(b"MZ\x90\0\x03"), Kind::Binary);
    }

    #[test]
    fn the_loader_of_a_big_endian_32_bit_program() {
        let mut file = vec![0u8; 100];
        file[..7].copy_from_slice(b"\x7fELF\x01\x02\x01");
        file[18..20].copy_from_slice(&20u16.to_be_bytes());
        file[28..32].copy_from_slice(&52u32.to_be_bytes());
        file[42..44].copy_from_slice(&32u16.to_be_bytes());
        file[44..46].copy_from_slice(&1u16.to_be_bytes());
        file[52..56].copy_from_slice(&3u32.to_be_bytes());
        file[56..60].copy_from_slice(&90u32.to_be_bytes());
        file[68..72].copy_from_slice(&7u32.to_be_bytes());
        file[90..97].copy_from_slice(b"/ld.so\0");
        let loader = Some(OsString::from("/ld.so"));
        assert_eq!(
            of(&file),
            Kind::Elf {
                machine: 20,
                loader
            }
        );
        assert_eq!(machine_name(20), "powerpc");
    }

    #[test]
    fn the_loader_of_a_program_of_this_machine() {
        let Kind::Elf { machine, loader } = read(Path::new("/bin/sh")) else {
            unreachable!("/bin/sh is an ELF file");
        };
        assert_eq!(machine_name(machine), this_machine());
        assert!(Path::new(&loader.unwrap()).exists());
    }

    proptest! {
        #[test]
        fn any_bytes_have_a_kind(mut bytes: Vec<u8>, elf: bool) {
            if elf {
                bytes.splice(0..0, *b"\x7fELF");
            }
            of(&bytes);
        }
    }
}
