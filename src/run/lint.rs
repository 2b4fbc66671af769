//! `lint`: what is wrong with plain files, or odd: mistakes, what other readers see differently,
//! who can read them, whether git keeps them. Nothing is fetched, and no value is shown.

mod git;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::failure::{Exit, Explain, Failure, Failures};
use crate::files::{self, Accept};
use crate::format::dotenv::{self, Binding, Odd, Reader};
use crate::format::json::quote;
use crate::format::reference::{self, Part};
use crate::provider;
use crate::report::Report;
use crate::resolve;
use crate::run::Ended;
use crate::settings::Settings;
use crate::source;

/// The files that are looked at where none is named.
const USUAL: &[&str] = &[source::VAULT, ".env", source::DUMP];

/// Readers that see many lines differently, what they are called, and what helps.
const READERS: &[(Reader, &str, Option<&str>)] = &[
    (
        Reader::Docker,
        "docker run --env-file",
        Some("envshim export --format docker writes what it reads"),
    ),
    (Reader::Compose, "Docker Compose", None),
    (Reader::Node, "node (dotenv, --env-file)", None),
];

enum Fault {
    NotThere(PathBuf),
    Sealed(PathBuf),
    Nothing(Vec<PathBuf>),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotThere(path) => format!("{}: there is no such file", path.display()),
            Fault::Sealed(path) => format!("{}: is sealed", path.display()),
            Fault::Nothing(paths) => {
                let names: Vec<String> = paths
                    .iter()
                    .map(|path| format!("`{}`", path.display()))
                    .collect();
                format!("there is no {}", names.join(" or "))
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotThere(_) | Fault::Nothing(_) => "name a file: envshim lint FILE".to_owned(),
            Fault::Sealed(path) => {
                format!("look at what it holds: envshim open {}", path.display())
            }
        })
    }
}

/// Something to look at.
struct Finding {
    file: String,
    line: Option<u32>,
    name: Option<String>,
    what: String,
    hint: Option<String>,
}

/// Prints what there is to look at, a line each. Exit status 1 where there is something.
pub(super) fn lint(settings: &Settings, report: &Report) -> Ended {
    let mut findings = Vec::new();
    for path in paths(settings)? {
        look_at(&path, settings, report, &mut findings)?;
    }
    let mut text = String::new();
    if settings.json {
        let entries: Vec<String> = findings.iter().map(as_json).collect();
        text.push_str(&format!("[{}]\n", entries.join(",")));
    } else {
        for finding in &findings {
            text.push_str(&as_text(finding));
        }
    }
    report.product(text.as_bytes())?;
    Ok((!findings.is_empty()).then_some(Exit::No))
}

fn paths(settings: &Settings) -> Result<Vec<PathBuf>, Failure> {
    if !settings.words.is_empty() {
        let paths: Vec<PathBuf> = settings.words.iter().map(PathBuf::from).collect();
        return match paths
            .iter()
            .find(|path| path.extension().is_some_and(|e| e == "enc"))
        {
            Some(sealed) => Err(Fault::Sealed(sealed.clone()).into()),
            None => Ok(paths),
        };
    }
    let usual: Vec<PathBuf> = USUAL
        .iter()
        .map(|name| source::place(settings, name))
        .collect();
    let there: Vec<PathBuf> = usual.iter().filter(|path| path.exists()).cloned().collect();
    if there.is_empty() {
        return Err(Fault::Nothing(usual).into());
    }
    Ok(there)
}

fn look_at(
    path: &Path,
    settings: &Settings,
    report: &Report,
    findings: &mut Vec<Finding>,
) -> Result<(), Failures> {
    let found = files::read(path, source::MOST, Accept::Regular).map_err(Failure::from)?;
    let found = found.ok_or_else(|| Failure::from(Fault::NotThere(path.to_owned())))?;
    let file = path.display().to_string();
    let mut add = |line, name: Option<&str>, what: String, hint: Option<String>| {
        findings.push(Finding {
            file: file.clone(),
            line,
            name: name.map(str::to_owned),
            what,
            hint,
        });
    };
    let mode = path
        .metadata()
        .map_or(0, |about| about.permissions().mode());
    let who = match mode & 0o044 {
        0 => None,
        0o040 => Some("its group can read it"),
        _ => Some("every user of this machine can read it"),
    };
    if let Some(who) = who {
        add(
            None,
            None,
            who.to_owned(),
            Some(format!("chmod 600 {file}")),
        );
    }
    match git::keeps(path, settings, report) {
        Some(true) => {
            let hint = format!("git rm --cached {file}; what was pushed is no secret any more");
            add(None, None, "git keeps it".to_owned(), Some(hint));
        }
        Some(false) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let hint = format!("echo '/{name}' >> .gitignore");
            add(None, None, "git does not ignore it".to_owned(), Some(hint));
        }
        None => {}
    }
    let text = found.bytes.expose();
    let bindings = match dotenv::read(text) {
        Ok(bindings) => bindings,
        Err(faults) => {
            for fault in faults {
                let (line, column) = fault.place();
                let what = format!("column {column}: {}", fault.what());
                add(Some(line), None, what, fault.hint());
            }
            return Ok(());
        }
    };
    if dotenv::is_literal(text) {
        return Ok(());
    }
    let schemes = provider::schemes();
    let ours = path.file_name().is_some_and(|name| name == source::VAULT);
    for (at, binding) in bindings.iter().enumerate() {
        let name = Some(binding.name.as_str());
        let later = bindings
            .iter()
            .skip(at + 1)
            .find(|later| later.name == binding.name);
        if let Some(later) = later.filter(|later| !copies(later, &binding.name)) {
            let what = format!(
                "is set again in line {}, and the last one counts",
                later.line
            );
            add(Some(binding.line), name, what, None);
        }
        let Some(value) = binding.value.as_ref().filter(|_| ours) else {
            continue;
        };
        match reference::parse(value.expose(), &schemes) {
            Err(fault) => add(Some(binding.line), name, fault.what(), fault.hint()),
            Ok(template) => {
                if let Some(near) = template.suspicion {
                    let what = "looks like a reference and is text".to_owned();
                    add(
                        Some(binding.line),
                        name,
                        what,
                        Some(format!("did you mean {near}:...?")),
                    );
                }
            }
        }
    }
    // What is ours alone is nobody else's to read.
    let counts = |binding: &Binding| !(ours && is_ours(binding, &schemes));
    let (sh, others): (Vec<Odd>, Vec<Odd>) = dotenv::others(text, counts)
        .unwrap_or_default()
        .into_iter()
        .partition(|odd| odd.reader == Reader::Sh);
    for odd in sh {
        let hint = odd.cure.map(str::to_owned);
        add(
            Some(odd.line),
            odd.name.as_deref(),
            format!("sh {}", odd.does),
            hint,
        );
    }
    // Programs that differ in many lines have one of ours.
    for (reader, title, hint) in READERS {
        let odd: Vec<&Odd> = others.iter().filter(|odd| odd.reader == *reader).collect();
        let whole = odd.iter().find(|odd| odd.whole);
        let Some(first) = whole.or(odd.first()) else {
            continue;
        };
        let does = first.does;
        let what = match odd.len() {
            _ if first.whole => format!("{title} refuses the file: it {does} here"),
            1 => format!("{title} {does}"),
            2 => format!("{title} {does}, and reads 1 more line differently"),
            n => format!("{title} {does}, and reads {} more lines differently", n - 1),
        };
        let hint = hint.or(first.cure).map(str::to_owned);
        add(Some(first.line), first.name.as_deref(), what, hint);
    }
    Ok(())
}

/// `PATH=${PATH}:more` is no mistake.
fn copies(binding: &Binding, name: &str) -> bool {
    let Some(value) = &binding.value else {
        return false;
    };
    let template = reference::parse_plain(value.expose());
    template.variables().any(|variable| variable == name)
}

/// A setting, or a value with references.
fn is_ours(binding: &Binding, schemes: &[&'static str]) -> bool {
    let text = binding
        .value
        .as_ref()
        .map_or(&b""[..], |value| value.expose());
    let template = reference::parse(text, schemes);
    resolve::is_setting(&binding.name)
        || template.map_or(true, |template| {
            template
                .parts
                .iter()
                .any(|part| matches!(part, Part::Reference(_)))
        })
        || text.starts_with(b"text:")
}

fn as_text(finding: &Finding) -> String {
    let line = finding
        .line
        .map_or(String::new(), |line| format!(":{line}"));
    let name = finding
        .name
        .as_ref()
        .map_or(String::new(), |name| format!("{name}: "));
    let text = format!("{}{line}: {name}{}", finding.file, finding.what);
    let hint = finding
        .hint
        .as_ref()
        .map_or(String::new(), |hint| format!("; {hint}"));
    crate::failure::one_line(&(text + &hint)) + "\n"
}

fn as_json(finding: &Finding) -> String {
    let text = |value: Option<&str>| value.map_or("null".to_owned(), quote);
    format!(
        "{{\"file\":{},\"line\":{},\"name\":{},\"finding\":{},\"hint\":{}}}",
        quote(&finding.file),
        finding
            .line
            .map_or("null".to_owned(), |line| line.to_string()),
        text(finding.name.as_deref()),
        quote(&finding.what),
        text(finding.hint.as_deref())
    )
}
