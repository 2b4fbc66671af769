//! The environment of the program: what was inherited, what was loaded, and who wins.
//!
//! Policy, all of it here: an inherited variable wins over a loaded one (`--override` turns that
//! round); what authenticates envshim is taken out; markers are put in. Inherited strings are
//! handed on as the kernel gave them. What the kernel would refuse is refused here, by name.

use std::ffi::{CStr, CString};
use std::os::fd::{AsRawFd, OwnedFd};

use zeroize::Zeroize;

use crate::failure::{Failure, Failures};
use crate::provider::PROVIDERS;
use crate::report::Report;
use crate::resolve::{Adder, Loaded, Origin, Place, Print, Resolved, SETTING};
use crate::secret::Secret;
use crate::settings::{ENCRYPTION_KEY, SECRET_VARIABLES, Settings, split};
use crate::source::{Kind, MARKER};

mod fault;

pub mod limits;

pub mod memory_file;

use fault::Fault;
use limits::{Excess, STRING};

/// What `--pristine` keeps; also every `LC_*`.
pub const USUAL: &[&str] = &[
    "HOME", "HOSTNAME", "LANG", "LANGUAGE", "LOGNAME", "PATH", "PWD", "SHELL", "TERM", "TMPDIR",
    "TZ", "USER",
];

/// What became of one variable, for `check`.
pub struct Line {
    /// The variable.
    pub name: String,
    /// Where it was written.
    pub place: Place,
    /// Its provider, or `text`.
    pub provider: &'static str,
    /// What it was made of.
    pub origin: Option<Box<Origin>>,
    /// What was decided.
    pub decision: Decision,
}

impl Line {
    /// Its version in the store.
    pub fn version(&self) -> Option<&str> {
        self.origin.as_ref()?.version.as_deref()
    }
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
    /// It may be missing, and is.
    Missing,
    /// A command has read it, and starts nothing.
    Read,
    /// A command has asked for it, and it is not there.
    Absent,
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
            Decision::Missing => "not set: optional, and missing",
            Decision::Read => "read",
            Decision::Absent => "not there",
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
            aside,
            seen: _,
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
            if variable.provider == SETTING && !settings.pass.contains(&variable.name) {
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
        for absent in aside.into_iter().filter(|aside| aside.missing) {
            environment.lines.push(Line {
                name: absent.name,
                place: absent.place,
                provider: absent.provider,
                origin: absent.origin,
                decision: Decision::Missing,
            });
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
        let excess = limits::measure(&environment.block(), &settings.program);
        wrong
            .0
            .extend(excess.filter(Excess::is_over).map(Failure::from));
        wrong.or(environment)
    }

    /// Every string of the environment.
    pub fn block(&self) -> Vec<&CStr> {
        let made = self.made.iter().map(|made| made.0.as_c_str());
        self.inherited.iter().copied().chain(made).collect()
    }

    /// What the program is given, as a fingerprint: the strings in any order, and the files.
    pub fn print(&self, salt: &Print) -> Print {
        let mut adder = Adder::new(salt);
        let mut strings = self.block();
        strings.sort_unstable();
        let paths: Vec<String> = self.files.iter().map(path).collect();
        for string in strings {
            // Descriptors have other numbers in every process.
            let file = split(string)
                .filter(|(_, value)| paths.iter().any(|path| path.as_bytes() == *value));
            adder.add(file.map_or(string.to_bytes(), |(name, _)| name));
        }
        for file in &self.files {
            memory_file::read(file, |part| adder.add(part));
        }
        adder.finish()
    }

    /// The name of the variable that leads to each memory file.
    pub fn file_names(&self) -> Vec<(String, &OwnedFd)> {
        let name = |file: &OwnedFd| {
            let path = path(file);
            let mut made = self.made.iter().filter_map(|made| split(&made.0));
            let (name, _) = made.find(|(_, value)| *value == path.as_bytes())?;
            Some(String::from_utf8_lossy(name).into_owned())
        };
        let files = self.files.iter();
        files.filter_map(|file| Some((name(file)?, file))).collect()
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
            // An init that loads nothing has nothing of its own to keep back.
            let ours = !settings.supervision.init && bootstrap(name);
            let removed = scrubbed || (ours && !passes(name));
            if removed {
                self.lines.push(Line {
                    name: name.to_owned(),
                    place: Place::Named("environment".to_owned()),
                    provider: "",
                    origin: None,
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
            origin,
            as_file,
            parts: _,
        } = variable;
        let mut decision = decision;
        if matches!(decision, Decision::Set | Decision::Overrides) {
            let value = if as_file {
                decision = Decision::File;
                memory_file::with(
                    &name,
                    &value,
                    settings.file_owner,
                    settings.supervision.rotation.rewrites_files(),
                )
                .map(|file| {
                    let path = path(&file);
                    self.files.push(file);
                    Secret::new(path.into_bytes())
                })
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
            origin,
            decision,
        });
    }
}

/// Where the program finds a memory file.
fn path(file: &OwnedFd) -> String {
    format!("/proc/self/fd/{}", file.as_raw_fd())
}

/// The value of a variable among sorted ones.
fn value<'a>(sorted: &[(&[u8], &'a [u8])], name: &str) -> Option<&'a [u8]> {
    let at = sorted.partition_point(|(known, _)| *known < name.as_bytes());
    let (known, value) = sorted.get(at)?;
    (*known == name.as_bytes()).then_some(*value)
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
