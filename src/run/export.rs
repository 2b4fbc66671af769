//! `export`: what a start would load, in the forms that other programs read.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::audit::{self, Outcome, Record};
use crate::environment::{Decision, Line};
use crate::failure::{Explain, Failure, Failures, nearest};
use crate::files;
use crate::format::dotenv;
use crate::format::export::{self, Format, TOO_SHORT, Variable};
use crate::report::Report;
use crate::resolve::Loaded;
use crate::run::{Ended, NoVariable, for_the_program, load_only, texts};
use crate::settings::Settings;
use crate::sys;

enum Fault {
    NoFormat,
    NoRunner,
    NotRandom(nix::errno::Errno),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NoFormat => "an export needs a form".to_owned(),
            Fault::NoRunner => {
                "GITHUB_ENV is not set: this is no step of a GitHub Action".to_owned()
            }
            Fault::NotRandom(errno) => format!("no random bytes: {}", files::reason(*errno)),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NoFormat => format!("write --format {}", Format::ALL),
            Fault::NoRunner => {
                "run it in a step of a workflow; elsewhere take another --format".to_owned()
            }
            Fault::NotRandom(_) => return None,
        })
    }
}

/// Prints all variables of a load, or those that are named.
pub(super) fn export(settings: &mut Settings, record: &mut Record, report: &Report) -> Ended {
    let names = texts(settings)?;
    let format = settings.format.ok_or(Fault::NoFormat)?;
    let runner = settings.inherited.value("GITHUB_ENV");
    let runner = runner.filter(|path| !path.is_empty());
    let runner = runner.map(|path| Path::new(OsStr::from_bytes(path)));
    if format == Format::Github && runner.is_none() {
        return Err(Fault::NoRunner.into());
    }
    // What is loaded counts, not what an envshim before this one has loaded.
    settings.reload = true;
    let (resolved, others) = load_only(&names, settings, record, report)?;
    let loaded: Vec<&Loaded> = for_the_program(&resolved).collect();
    let mut wrong = Failures::default();
    for name in &names {
        if !loaded.iter().any(|variable| variable.name == *name) {
            let known = others.iter().map(String::as_str);
            wrong.0.push(Failure::from(NoVariable {
                name: name.clone(),
                file: resolved.choice.file.clone(),
                near: nearest(name, known).map(str::to_owned),
            }));
        }
    }
    wrong.or(())?;
    let variables: Vec<Variable<'_>> = loaded
        .iter()
        .map(|variable| Variable {
            name: &variable.name,
            value: &variable.value,
            as_file: variable.as_file,
        })
        .collect();
    let delimiter = delimiter()?;
    let name = settings.k8s_name.as_deref().unwrap_or("envshim");
    let text = export::write(format, &variables, name, &delimiter)
        .map_err(|refused| Failures(refused.into_iter().map(Failure::from).collect()))?;
    let line = |variable: &&Loaded| Line {
        name: variable.name.clone(),
        place: variable.place.clone(),
        provider: variable.provider,
        origin: variable.origin.clone(),
        decision: Decision::Read,
    };
    if settings.audit.is_some() {
        record.lines = loaded.iter().map(line).collect();
    }
    audit::write(settings, record, Outcome::Done)?;
    match (format, runner) {
        (Format::Github, Some(path)) => {
            let (masks, short) = export::masks(&variables);
            // What is hidden first can never be seen.
            report.product(masks.expose())?;
            files::append(path, text.expose())?;
            if !short.is_empty() {
                let short = short.join(", ");
                report.info(&format!(
                    "shorter than {TOO_SHORT} characters, so GitHub's log shows it: {short}"
                ));
            }
        }
        (Format::Dotenv, _) => {
            report.product(text.expose())?;
            let all = variables.iter().map(|v| (v.name, v.value, v.as_file));
            for difference in dotenv::write(all).1 {
                report.warn(&difference.line(), None);
            }
        }
        _ => report.product(text.expose())?,
    }
    Ok(None)
}

/// A line that stands in no value.
fn delimiter() -> Result<String, Failure> {
    let mut bytes = [0; 16];
    sys::random(&mut bytes).map_err(Fault::NotRandom)?;
    let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("envshim_{digits}"))
}
