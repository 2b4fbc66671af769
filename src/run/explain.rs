//! `explain`: one variable, where its value comes from, and who lost against whom. No values.

use crate::audit::{self, Outcome, Record};
use crate::environment::{Decision, Environment, Line};
use crate::failure::nearest;
use crate::format::json::quote;
use crate::report::Report;
use crate::resolve::{Aside, Origin, Place};
use crate::run::list::{age, moment};
use crate::run::table::{Look, cell, colours, painted, table};
use crate::run::{Ended, NoVariable, load_only, texts};
use crate::settings::Settings;
use crate::source::MARKER;

/// One that would give the variable its value.
struct Claim {
    /// What became of it.
    state: &'static str,
    source: String,
    provider: &'static str,
    origin: Option<Box<Origin>>,
}

impl Claim {
    fn reference(&self) -> String {
        let origin = self.origin.as_ref();
        origin.map_or(String::new(), |origin| origin.references.join(", "))
    }
}

const WINS: &str = "wins";
const LOSES: &str = "loses";

/// Prints where a variable comes from.
pub(super) fn explain(settings: &mut Settings, record: &mut Record, report: &Report) -> Ended {
    let names = texts(settings)?;
    let name = names.first().cloned().unwrap_or_default();
    // What a start would do, not what an envshim before this one has done.
    settings.reload = settings.reload || settings.inherited.value(MARKER).is_some();
    let (resolved, others) = load_only(&names, settings, record, report)?;
    let (file, reason) = (resolved.choice.file.clone(), resolved.choice.reason.clone());
    let lost: Vec<Claim> = resolved
        .aside
        .iter()
        .filter(|aside| !aside.missing)
        .map(|aside| claim(aside, &file))
        .collect();
    let mut environment = Environment::build(resolved, settings, report)?;
    environment.lines.retain(|line| line.name == name);
    let line = environment.lines.pop();
    let inherited = settings.inherited.value(&name).is_some();
    let Some(line) = line.or_else(|| inherited.then(|| untouched(&name))) else {
        let known = settings.inherited.pairs().map(|(name, _)| name);
        let known = known.filter_map(|name| std::str::from_utf8(name).ok());
        let known = others.iter().map(String::as_str).chain(known);
        return Err(NoVariable {
            near: nearest(&name, known).map(str::to_owned),
            name,
            file,
        }
        .into());
    };
    let claims = claims(&line, lost, inherited, &file);
    record.lines.push(line);
    audit::write(settings, record, Outcome::Done)?;
    let decision = record.lines.last().map_or("", |line| words(line, &claims));
    let text = if settings.json {
        as_json(&name, decision, &claims, (&file, &reason))
    } else {
        as_table(&name, decision, &claims, &reason, settings)
    };
    report.product(text.as_bytes())?;
    Ok(None)
}

/// The line of a variable that nothing loads.
fn untouched(name: &str) -> Line {
    Line {
        name: name.to_owned(),
        place: Place::Named("environment".to_owned()),
        provider: "",
        origin: None,
        decision: Decision::Kept,
    }
}

fn words(line: &Line, claims: &[Claim]) -> &'static str {
    match (line.decision, claims.len()) {
        (Decision::Kept, 1) => "inherited, and nothing loads it",
        (decision, _) => decision.words(),
    }
}

fn claim(aside: &Aside, file: &str) -> Claim {
    Claim {
        state: LOSES,
        source: aside.place.shown(file),
        provider: aside.provider,
        origin: aside.origin.clone(),
    }
}

/// Everybody who would set it, the winner first.
fn claims(line: &Line, lost: Vec<Claim>, inherited: bool, file: &str) -> Vec<Claim> {
    let environment = |state| Claim {
        state,
        source: "environment".to_owned(),
        provider: "",
        origin: None,
    };
    let own = |state| Claim {
        state,
        source: line.place.shown(file),
        provider: line.provider,
        origin: line.origin.clone(),
    };
    let untouched = line.provider.is_empty();
    let mut claims = match line.decision {
        Decision::Kept if untouched => vec![environment(WINS)],
        Decision::Kept => vec![environment(WINS), own(LOSES)],
        Decision::Removed => vec![environment("removed")],
        Decision::Missing if inherited => vec![environment(WINS), own("missing")],
        Decision::Missing => vec![own("missing")],
        Decision::Same => vec![environment(WINS), own("agrees")],
        Decision::Overrides | Decision::File if inherited => vec![own(WINS), environment(LOSES)],
        _ => vec![own(WINS)],
    };
    claims.extend(lost);
    claims
}

fn as_table(
    name: &str,
    decision: &str,
    claims: &[Claim],
    reason: &str,
    settings: &Settings,
) -> String {
    let colours = colours(settings);
    let rows: Vec<Vec<String>> = claims
        .iter()
        .map(|claim| {
            let origin = claim.origin.as_ref();
            let version = origin.and_then(|origin| origin.version.as_deref());
            vec![
                cell(&claim.source),
                cell(claim.provider),
                cell(&claim.reference()),
                cell(version.unwrap_or("")),
                age(origin.and_then(|origin| origin.changed)),
                claim.state.to_owned(),
            ]
        })
        .collect();
    let look = |n: usize| match claims.get(n).map(|claim| claim.state) {
        Some(WINS | "agrees") => Look::Good,
        _ => Look::Odd,
    };
    let head = ["SOURCE", "PROVIDER", "REFERENCE", "VERSION", "AGE", ""];
    format!(
        "{}: {decision}\nsource: {reason}\n{}",
        painted(name, Look::Head, colours),
        table(&head, &rows, colours, look)
    )
}

fn as_json(name: &str, decision: &str, claims: &[Claim], (file, reason): (&str, &str)) -> String {
    let text = |value: Option<&str>| value.map_or("null".to_owned(), quote);
    let claim = |claim: &Claim| {
        let origin = claim.origin.as_ref();
        let references = origin.map_or(&[] as &[String], |origin| &origin.references);
        let references: Vec<String> = references.iter().map(|text| quote(text)).collect();
        format!(
            "{{\"state\":{},\"source\":{},\"provider\":{},\"references\":[{}],\"version\":{},\"changed\":{}}}",
            quote(claim.state),
            quote(&claim.source),
            text(Some(claim.provider).filter(|p| !p.is_empty())),
            references.join(","),
            text(origin.and_then(|origin| origin.version.as_deref())),
            moment(origin.and_then(|origin| origin.changed))
        )
    };
    let claims: Vec<String> = claims.iter().map(claim).collect();
    format!(
        "{{\"name\":{},\"decision\":{},\"source\":{},\"reason\":{},\"claims\":[{}]}}\n",
        quote(name),
        quote(decision),
        quote(file),
        quote(reason),
        claims.join(",")
    )
}
