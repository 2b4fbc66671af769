//! The environment of the program: what was inherited, what was loaded, and who wins.
//!
//! Policy, all of it here: an inherited variable wins over a loaded one (`--override` turns that
//! round); what authenticates envshim is taken out; markers are put in. Inherited strings are
//! handed on as the kernel gave them. What the kernel would refuse is refused here, by name.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, SealFlag, fcntl};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::resource::{Resource, getrlimit};
use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, Uid, fchown};
use zeroize::Zeroize;

use crate::failure::{Explain, Failure, Failures};
use crate::files::{reason, spoken_size};
use crate::provider::PROVIDERS;
use crate::report::Report;
use crate::resolve::{Loaded, Place, Resolved};
use crate::secret::Secret;
use crate::settings::{ENCRYPTION_KEY, SECRET_VARIABLES, Settings, split};
use crate::source::{Kind, MARKER};

/// What `--pristine` keeps; also every `LC_*`.
pub const USUAL: &[&str] = &[
    "HOME", "HOSTNAME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR",
    "TZ", "USER",
];

/// The kernel's limit for one `NAME=value` with its NUL: 32 pages.
const STRING: usize = 128 << 10;

/// What became of one variable, for `check`.
pub struct Line {
    /// The variable.
    pub name: String,
    /// Where it was written.
    pub place: Place,
    /// Its provider, or `text`.
    pub provider: &'static str,
    /// Its version in the store.
    pub version: Option<String>,
    /// What was decided.
    pub decision: Decision,
}

/// What became of a variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// The loaded value is set.
    Set,
    /// A memory file; the variable holds its path.
    File,
    /// It was set already, to the same value.
    Same,
    /// It was set already, to another value, which stays.
    Kept,
    /// The loaded value replaces the one that was set.
    Overrides,
    /// It authenticates envshim, or `--scrub` names it.
    Removed,
}

impl Decision {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Decision::Set => "set",
            Decision::File => "memory file",
            Decision::Same => "already set, same value",
            Decision::Kept => "already set, OTHER value stays",
            Decision::Overrides => "replaces the value that was set",
            Decision::Removed => "kept from the program",
        }
    }
}

/// The finished environment. Values that we made are wiped with it.
pub struct Environment {
    /// The source, as messages name it.
    source: String,
    inherited: Vec<&'static CStr>,
    made: Vec<Made>,
    files: Vec<OwnedFd>,
    /// What was decided, in the order of the loading.
    pub lines: Vec<Line>,
}

/// A `NAME=value` string of ours.
struct Made(CString);

impl Drop for Made {
    fn drop(&mut self) {
        std::mem::take(&mut self.0).into_bytes_with_nul().zeroize();
    }
}

/// What the kernel, or we, cannot put into an environment.
enum Fault {
    Name(String),
    Nul(String, String),
    TooLong {
        name: String,
        place: String,
        bytes: usize,
    },
    TooMuch {
        bytes: usize,
        limit: usize,
        count: usize,
        largest: Vec<(String, usize)>,
    },
    MemoryFile {
        name: String,
        errno: Errno,
    },
    NoProc(String),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Name(place) => format!("{place}: the variable has no valid name"),
            Fault::Nul(name, place) => {
                format!(
                    "{place}: {name}: the value holds a NUL byte, which no environment can carry"
                )
            }
            Fault::TooLong { name, place, bytes } => format!(
                "{place}: {name}: the value has {bytes} bytes; the kernel takes {STRING} for one variable with its name"
            ),
            Fault::TooMuch {
                bytes,
                limit,
                count,
                ..
            } => format!(
                "the environment of {count} variables and the arguments have {bytes} bytes; the kernel takes {limit}"
            ),
            Fault::MemoryFile { name, errno } => {
                format!("{name}: the memory file cannot be made: {}", reason(*errno))
            }
            Fault::NoProc(name) => {
                format!("{name}: a memory file is named by its path in /proc, which is not mounted")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Name(_) => "a name is not empty and holds neither `=` nor NUL".to_owned(),
            Fault::Nul(..) | Fault::TooLong { .. } => {
                "hand it over as a file: NAME=scheme:...?as=file".to_owned()
            }
            Fault::TooMuch { largest, .. } => {
                let names: Vec<String> = largest
                    .iter()
                    .map(|(name, bytes)| format!("`{name}` ({})", spoken_size(*bytes)))
                    .collect();
                format!(
                    "the largest are {}; hand them over with ?as=file, or raise the limit: ulimit -s",
                    names.join(", ")
                )
            }
            Fault::MemoryFile {
                errno: Errno::EPERM,
                ..
            } => "only root can give it to another user; leave --file-owner out".to_owned(),
            Fault::MemoryFile { .. } => {
                "leave ?as=file out, or mount the secret as a file".to_owned()
            }
            Fault::NoProc(_) => "mount /proc, or leave ?as=file out".to_owned(),
        })
    }
}

impl Environment {
    /// Builds the environment out of what was inherited and what was loaded.
    pub fn build(
        resolved: Resolved,
        settings: &Settings,
        report: &Report,
    ) -> Result<Environment, Failures> {
        let Resolved {
            choice,
            loaded,
            rewritten,
            served,
            markers,
        } = resolved;
        let mut environment = Environment {
            source: choice.file,
            inherited: Vec::new(),
            made: Vec::new(),
            files: Vec::new(),
            lines: Vec::with_capacity(loaded.len()),
        };
        let nothing_loads = choice.kind == Kind::Marked;
        let mut wrong = Failures::default();
        environment.inherit(settings, &served);
        for variable in rewritten {
            environment.remove(&variable.name);
            environment.add(variable, Decision::Set, settings, &mut wrong);
        }
        let known = environment.sorted();
        let mut disagreeing = Vec::new();
        let mut overridden = Vec::new();
        let mut added = Vec::with_capacity(loaded.len());
        for variable in loaded {
            if variable.provider == crate::resolve::SETTING
                && !settings.pass.contains(&variable.name)
            {
                continue;
            }
            let decision = match value(&known, &variable.name) {
                None => Decision::Set,
                Some(known) if known == variable.value.expose() && !variable.as_file => {
                    Decision::Same
                }
                Some(_) if settings.overrides => Decision::Overrides,
                Some(_) => Decision::Kept,
            };
            match decision {
                Decision::Kept => disagreeing.push(variable.name.clone()),
                Decision::Overrides => overridden.push(variable.name.clone()),
                _ => {}
            }
            added.push((variable, decision));
        }
        for name in overridden {
            environment.remove(&name);
        }
        for (variable, decision) in added {
            environment.add(variable, decision, settings, &mut wrong);
        }
        if !disagreeing.is_empty() {
            report.warn(
                &format!(
                    "already set to another value, which stays: {}",
                    disagreeing.join(", ")
                ),
                Some("unset them, or start with --override to let the loaded values win"),
            );
        }
        if !nothing_loads && choice.kind != Kind::Nothing {
            for marker in markers.into_iter().chain([MARKER]) {
                environment.remove(marker);
                if let Ok(marker) = CString::new(format!("{marker}=1")) {
                    environment.made.push(Made(marker));
                }
            }
        }
        environment.check_total(settings, &mut wrong);
        wrong.or(environment)
    }

    /// Every string of the environment.
    pub fn block(&self) -> Vec<&CStr> {
        let made = self.made.iter().map(|made| made.0.as_c_str());
        self.inherited.iter().copied().chain(made).collect()
    }

    /// The memory files, which the program inherits.
    pub fn files(&self) -> &[OwnedFd] {
        &self.files
    }

    /// Names and values so far, sorted by name for [`value`]; of doubles the first comes first.
    fn sorted(&self) -> Vec<(&[u8], &[u8])> {
        let made = self.made.iter().map(|made| made.0.as_c_str());
        let strings = self.inherited.iter().copied().chain(made);
        let mut known: Vec<(&[u8], &[u8])> = strings.filter_map(split).collect();
        known.sort_by_key(|(name, _)| *name);
        known
    }

    /// Takes over what the program may have of our own environment.
    fn inherit(&mut self, settings: &Settings, served: &[String]) {
        let passes = |name: &str| settings.pass.iter().any(|passed| passed == name);
        let bootstrap = |name: &str| {
            let of_a_store = || {
                let mut all = PROVIDERS.iter().flat_map(|row| row.settings);
                all.any(|setting| setting.bootstrap && setting.name == name)
            };
            SECRET_VARIABLES.contains(&name) || name == ENCRYPTION_KEY || of_a_store()
        };
        let usual = |name: &str| USUAL.contains(&name) || name.starts_with("LC_");
        for string in settings.inherited.strings() {
            let Some(name) = split(string).and_then(|(name, _)| std::str::from_utf8(name).ok())
            else {
                // Odd strings are none of our business; `--pristine` drops them.
                if !settings.pristine {
                    self.inherited.push(string);
                }
                continue;
            };
            let scrubbed = settings.scrub.iter().any(|scrub| scrub == name)
                || served.iter().any(|done| done == name);
            let removed = scrubbed || (bootstrap(name) && !passes(name));
            if removed {
                self.lines.push(Line {
                    name: name.to_owned(),
                    place: Place::Named("environment".to_owned()),
                    provider: "",
                    version: None,
                    decision: Decision::Removed,
                });
            } else if !settings.pristine || usual(name) || passes(name) {
                self.inherited.push(string);
            }
        }
    }

    fn remove(&mut self, name: &str) {
        let of_name = |string: &[u8]| {
            string
                .strip_prefix(name.as_bytes())
                .is_some_and(|rest| rest.starts_with(b"="))
        };
        self.inherited.retain(|string| !of_name(string.to_bytes()));
        self.made.retain(|made| !of_name(made.0.as_bytes()));
    }

    fn add(
        &mut self,
        variable: Loaded,
        decision: Decision,
        settings: &Settings,
        wrong: &mut Failures,
    ) {
        let Loaded {
            name,
            value,
            place,
            provider,
            version,
            as_file,
        } = variable;
        let mut decision = decision;
        if matches!(decision, Decision::Set | Decision::Overrides) {
            let value = if as_file {
                decision = Decision::File;
                self.memory_file(&name, &value, settings)
            } else {
                Ok(value)
            };
            match value.and_then(|value| string(&name, &value, || place.shown(&self.source))) {
                Ok(made) => self.made.push(made),
                Err(failure) => wrong.0.push(failure),
            }
        }
        self.lines.push(Line {
            name,
            place,
            provider,
            version,
            decision,
        });
    }

    /// Puts a value into a sealed memory file, and returns the path by which the program finds it.
    fn memory_file(
        &mut self,
        name: &str,
        value: &Secret,
        settings: &Settings,
    ) -> Result<Secret, Failure> {
        if !Path::new("/proc/self/fd").exists() {
            return Err(Fault::NoProc(name.to_owned()).into());
        }
        let fd =
            sealed_file(name, value, settings.file_owner).map_err(|errno| Fault::MemoryFile {
                name: name.to_owned(),
                errno,
            })?;
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        self.files.push(fd);
        Ok(Secret::new(path.into_bytes()))
    }

    /// The kernel counts all strings with their pointers, for the environment and the arguments.
    fn check_total(&self, settings: &Settings, wrong: &mut Failures) {
        let pointer = size_of::<usize>();
        let arguments: usize = settings
            .program
            .iter()
            .map(|word| word.len() + 1 + pointer)
            .sum();
        let block = self.block();
        let strings: usize = block
            .iter()
            .map(|string| string.count_bytes() + 1 + pointer)
            .sum();
        let bytes = arguments + strings;
        if bytes < STRING {
            return;
        }
        let limit = total_limit();
        if bytes <= limit {
            return;
        }
        let mut sizes: Vec<(String, usize)> = block
            .iter()
            .map(|string| {
                let bytes = string.to_bytes();
                let name = bytes.split(|b| *b == b'=').next().unwrap_or_default();
                (String::from_utf8_lossy(name).into_owned(), bytes.len())
            })
            .collect();
        sizes.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
        sizes.truncate(3);
        wrong.0.push(
            Fault::TooMuch {
                bytes,
                limit,
                count: block.len(),
                largest: sizes,
            }
            .into(),
        );
    }
}

/// The value of a variable among sorted ones.
fn value<'a>(sorted: &[(&[u8], &'a [u8])], name: &str) -> Option<&'a [u8]> {
    let at = sorted.partition_point(|(known, _)| *known < name.as_bytes());
    let (known, value) = sorted.get(at)?;
    (*known == name.as_bytes()).then_some(*value)
}

/// A quarter of the stack, at least 128 KiB and at most three quarters of 8 MiB.
fn total_limit() -> usize {
    let stack = getrlimit(Resource::RLIMIT_STACK).map_or(8 << 20, |(soft, _)| soft);
    usize::try_from((stack / 4).clamp(128 << 10, 6 << 20)).unwrap_or(128 << 10)
}

fn string(name: &str, value: &Secret, place: impl Fn() -> String) -> Result<Made, Failure> {
    let value = value.expose();
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Fault::Name(place()).into());
    }
    let bytes = name.len() + 1 + value.len() + 1;
    if bytes > STRING {
        return Err(Fault::TooLong {
            name: name.to_owned(),
            place: place(),
            bytes: value.len(),
        }
        .into());
    }
    // One allocation of the right size: growth would leave copies behind.
    let mut string = Vec::with_capacity(bytes);
    string.extend_from_slice(name.as_bytes());
    string.push(b'=');
    string.extend_from_slice(value);
    match CString::new(string) {
        Ok(string) => Ok(Made(string)),
        Err(error) => {
            error.into_vec().zeroize();
            Err(Fault::Nul(name.to_owned(), place()).into())
        }
    }
}

fn sealed_file(
    name: &str,
    value: &Secret,
    owner: Option<(u32, Option<u32>)>,
) -> nix::Result<OwnedFd> {
    let plain = MFdFlags::MFD_CLOEXEC | MFdFlags::MFD_ALLOW_SEALING;
    // Since Linux 6.3 a memory file can be kept from ever being executed.
    let never_executed = plain | MFdFlags::from_bits_retain(nix::libc::MFD_NOEXEC_SEAL);
    let short: String = name.chars().take(60).collect();
    let fd = match memfd_create(short.as_str(), never_executed) {
        Err(Errno::EINVAL) => memfd_create(short.as_str(), plain)?,
        made => made?,
    };
    // Written at an offset, so that the descriptor itself still reads from the start.
    let file = File::from(fd);
    file.write_all_at(value.expose(), 0)
        .map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)))?;
    let fd = OwnedFd::from(file);
    fchmod(&fd, Mode::S_IRUSR)?;
    if let Some((user, group)) = owner {
        fchown(&fd, Some(Uid::from_raw(user)), group.map(Gid::from_raw))?;
    }
    let seals = SealFlag::F_SEAL_WRITE
        | SealFlag::F_SEAL_SHRINK
        | SealFlag::F_SEAL_GROW
        | SealFlag::F_SEAL_SEAL;
    fcntl(&fd, FcntlArg::F_ADD_SEALS(seals))?;
    Ok(fd)
}
