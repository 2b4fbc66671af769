//! `ls`: the names in a store, without their values; with their versions and ages where these are
//! shown, for some stores are asked for them one by one.

use std::time::SystemTime;

use crate::audit::{self, Outcome, Record};
use crate::clock::{spoken, timestamp};
use crate::failure::one_line;
use crate::format::json::quote;
use crate::format::reference;
use crate::provider::{self, Listed, Network};
use crate::report::Report;
use crate::resolve::{self, Direct, FileSettings};
use crate::run::table::{Look, cell, colours, on_terminal, table};
use crate::run::{Ended, texts};
use crate::settings::Settings;
use crate::source::{self, document};

/// Lists what a reference leads to, or all of the store of keys: a table on a terminal, else one
/// name a line.
pub(super) fn list(settings: &mut Settings, record: &mut Record, report: &Report) -> Ended {
    let words = texts(settings)?;
    // What a dump holds are variables, and in no store.
    (settings.reload, settings.optional, settings.past_dumps) = (true, true, true);
    let choice = source::choose(settings, resolve::names_a_store(settings), report)?;
    record.source = Some((choice.file.clone(), choice.reason.clone()));
    let document = document::read(choice, &provider::schemes(), report)?;
    let network = Network::default();
    let file = FileSettings::of(document, settings, &network, report)?;
    let direct = Direct::new(settings, file, &network, report);
    let word = words.first().map(String::as_str);
    let reference = match word.and_then(resolve::meant) {
        Some(reference) => reference?,
        None => {
            let (row, keys) = direct.store()?;
            let text = word.map_or(keys.all.to_owned(), |word| format!("{}:{word}", row.scheme));
            let none = || reference::Fault::NoLocator(row.scheme.to_owned());
            reference::parse_exact(&text).ok_or_else(none)??
        }
    };
    let shown = reference.to_string();
    let terminal = on_terminal();
    let listed = direct.list(reference, settings.json || terminal);
    record.stores = network.asked();
    let mut listed = listed.map_err(|failure| failure.at(&shown))?;
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    audit::write(settings, record, Outcome::Done)?;
    let text = if settings.json {
        as_json(&listed)
    } else if terminal {
        as_table(&listed, settings)
    } else {
        let line = |listed: &Listed| one_line(&listed.name) + "\n";
        listed.iter().map(line).collect()
    };
    report.product(text.as_bytes())?;
    Ok(None)
}

fn as_table(listed: &[Listed], settings: &Settings) -> String {
    let rows: Vec<Vec<String>> = listed
        .iter()
        .map(|listed| {
            let mut row = vec![
                one_line(&listed.name),
                cell(listed.version.as_deref().unwrap_or("")),
                age(listed.changed),
            ];
            row.extend(listed.note.clone());
            row
        })
        .collect();
    let head = ["NAME", "VERSION", "AGE", ""];
    let noted = listed.iter().any(|listed| listed.note.is_some());
    let head = head.get(..3 + usize::from(noted)).unwrap_or(&head);
    let look = |row: usize| match listed.get(row).is_some_and(|l| l.note.is_some()) {
        true => Look::Odd,
        false => Look::Dim,
    };
    table(head, &rows, colours(settings), look)
}

/// How long ago that was.
pub(super) fn age(changed: Option<SystemTime>) -> String {
    // A server whose clock is ahead has written it just now.
    let since = |moment| SystemTime::now().duration_since(moment).unwrap_or_default();
    let whole = |age: std::time::Duration| std::time::Duration::from_secs(age.as_secs().max(1));
    changed.map_or("-".to_owned(), |moment| spoken(whole(since(moment))))
}

/// A moment as JSON.
pub(super) fn moment(changed: Option<SystemTime>) -> String {
    changed.map_or("null".to_owned(), |moment| quote(&timestamp(moment)))
}

fn as_json(listed: &[Listed]) -> String {
    let entry = |listed: &Listed| {
        let (version, note) = (listed.version.as_deref(), listed.note.as_deref());
        format!(
            "{{\"name\":{},\"version\":{},\"changed\":{}{}}}",
            quote(&listed.name),
            version.map_or("null".to_owned(), quote),
            moment(listed.changed),
            note.map_or(String::new(), |note| format!(",\"note\":{}", quote(note)))
        )
    };
    let entries: Vec<String> = listed.iter().map(entry).collect();
    format!("[{}]\n", entries.join(","))
}
