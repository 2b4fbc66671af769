//! `check`: everything but the start. A table of what would be set, from where and why, without a
//! single value; every reason why a start would fail.

use crate::audit::{self, Outcome, Record};
use crate::environment::{Decision, Line};
use crate::failure::{Exit, Failures};
use crate::format::json::quote;
use crate::process::{self, Program};
use crate::report::Report;
use crate::run::table::{Look, cell, colours, table};
use crate::run::{Ended, load};
use crate::settings::Settings;

/// What a check found.
#[derive(Default)]
struct Findings {
    source: Option<(String, String)>,
    lines: Vec<Line>,
    program: Option<String>,
    failures: Failures,
}

/// Runs the corridor up to the door.
pub(super) fn check(settings: &mut Settings, record: &mut Record, report: &Report) -> Ended {
    let mut findings = Findings::default();
    if let Err(failures) = walk(settings, record, report, &mut findings) {
        findings.failures = failures;
    }
    record.lines = std::mem::take(&mut findings.lines);
    let outcome = if findings.failures.0.is_empty() {
        Outcome::Done
    } else {
        Outcome::Failed(&findings.failures)
    };
    let told = audit::write(settings, record, outcome);
    findings.failures.0.extend(told.err());
    findings.lines = std::mem::take(&mut record.lines);
    let text = if settings.json {
        as_json(&findings)
    } else {
        as_table(&findings, colours(settings))
    };
    report.product(text.as_bytes())?;
    if findings.failures.0.is_empty() {
        return Ok(None);
    }
    report.failures(&findings.failures);
    Ok(Some(Exit::No))
}

fn walk(
    settings: &mut Settings,
    record: &mut Record,
    report: &Report,
    findings: &mut Findings,
) -> Result<(), Failures> {
    let resolved = load(settings, record, report)?;
    findings.source = Some((resolved.choice.file.clone(), resolved.choice.reason.clone()));
    let mut environment = crate::environment::Environment::build(resolved, settings, report)?;
    findings.lines = std::mem::take(&mut environment.lines);
    if !settings.program.is_empty() {
        let program = Program {
            words: settings.program.clone(),
            arg0: None,
        };
        let path = process::find(&program, &environment.block())?;
        findings.program = Some(path.display().to_string());
    }
    Ok(())
}

fn as_table(findings: &Findings, colours: bool) -> String {
    let mut text = String::new();
    if let Some((_, reason)) = &findings.source {
        text.push_str(&format!("source: {reason}\n"));
    }
    if let Some(program) = &findings.program {
        text.push_str(&format!("program: {program}\n"));
    }
    if findings.lines.is_empty() {
        return text;
    }
    let file = findings.source.as_ref().map_or("", |(file, _)| file);
    let rows: Vec<Vec<String>> = findings
        .lines
        .iter()
        .map(|line| {
            vec![
                cell(&line.name),
                cell(&line.place.shown(file)),
                cell(line.provider),
                cell(line.version().unwrap_or("")),
                line.decision.words().to_owned(),
            ]
        })
        .collect();
    let look = |n: usize| match findings.lines.get(n).map(|line| line.decision) {
        Some(Decision::Kept | Decision::Missing) => Look::Odd,
        Some(Decision::Removed | Decision::Same) => Look::Dim,
        _ => Look::Good,
    };
    let head = ["VARIABLE", "SOURCE", "PROVIDER", "VERSION", "DECISION"];
    text.push_str(&table(&head, &rows, colours, look));
    text
}

fn as_json(findings: &Findings) -> String {
    let pair = |name: &str, value: Option<&str>| {
        format!("\"{name}\":{}", value.map_or("null".to_owned(), quote))
    };
    let file = findings.source.as_ref().map_or("", |(file, _)| file);
    let lines: Vec<String> = findings
        .lines
        .iter()
        .map(|line| {
            let cells = [
                pair("name", Some(&line.name)),
                pair("source", Some(&line.place.shown(file))),
                pair("provider", Some(line.provider).filter(|p| !p.is_empty())),
                pair("version", line.version()),
                pair("decision", Some(line.decision.words())),
            ];
            format!("{{{}}}", cells.join(","))
        })
        .collect();
    let errors: Vec<String> = findings
        .failures
        .0
        .iter()
        .map(|failure| {
            format!(
                "{{{},{}}}",
                pair("error", Some(&failure.what)),
                pair("hint", failure.hint.as_deref())
            )
        })
        .collect();
    let source = findings.source.as_ref();
    format!(
        "{{\"ok\":{},{},{},{},\"variables\":[{}],\"errors\":[{}]}}\n",
        findings.failures.0.is_empty(),
        pair("source", source.map(|(file, _)| file.as_str())),
        pair("reason", source.map(|(_, reason)| reason.as_str())),
        pair("program", findings.program.as_deref()),
        lines.join(","),
        errors.join(",")
    )
}
