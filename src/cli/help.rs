//! Help, from the tables: each page fits a screen.

use super::{COMMANDS, Command, OPTIONS, Opt};
use crate::provider::PROVIDERS;

/// The commands that the first screen explains; it names the others.
const FIRST: &[Command] = &[
    Command::Check,
    Command::Get,
    Command::Set,
    Command::Dump,
    Command::Seal,
    Command::Help,
];

/// The columns of a terminal.
const COLUMNS: usize = 80;

/// The first screen of help, the page of a command, the list of all options, or the providers.
pub fn help(topic: Option<&str>) -> Option<String> {
    match topic {
        None => Some(first_screen()),
        Some("options") => {
            let mut text = String::from(
                "Every option is also a variable; those marked * may stand in .vault too.\n\n",
            );
            for o in OPTIONS
                .iter()
                .filter(|o| !["help", "version"].contains(&o.name))
            {
                let mark = if o.in_file { "*" } else { " " };
                text.push_str(&format!("{:<27}{mark} {}\n", usage(o), o.variable()));
                row_of_help(&mut text, "", 4, o.doc);
            }
            text.push_str("\nENVSHIM_PASSWORD and ENVSHIM_KEY hold the secret itself; there is no option for\nthem, because every user of a machine can see its command lines.\n");
            Some(text)
        }
        Some("references") => Some(references()),
        Some("commands") => Some(commands()),
        Some(topic) => {
            let row = COMMANDS.iter().find(|row| row.name == topic)?;
            let usage_line = format!("envshim {} [options] {}", row.name, row.words);
            let mut text = format!("{}\n\n{}\n\n", usage_line.trim_end(), sentence(row.doc));
            for o in OPTIONS.iter().filter(|o| o.commands.contains(&row.command)) {
                row_of_help(&mut text, &format!("  {}", usage(o)), 27, o.doc);
            }
            Some(text)
        }
    }
}

fn first_screen() -> String {
    let mut text = String::from(
        "envshim loads secrets into the environment and becomes your program.\n\n\
         envshim [options] -- program ...\n",
    );
    for row in COMMANDS.iter().filter(|row| FIRST.contains(&row.command)) {
        let term = format!("envshim {} {}", row.name, row.words);
        row_of_help(&mut text, &term, 31, row.doc);
    }
    let others = COMMANDS
        .iter()
        .filter(|row| row.command != Command::Run && !FIRST.contains(&row.command));
    let names: Vec<&str> = others.map(|row| row.name).collect();
    row_of_help(&mut text, "envshim help commands", 31, &names.join(", "));
    text.push_str(
        "\nThe first one found in the folder decides: .env.dump, .vault, .vault.enc.\n\n",
    );
    for o in OPTIONS.iter().filter(|o| o.common) {
        row_of_help(&mut text, &format!("  {}", usage(o)), 24, o.doc);
    }
    text
}

fn commands() -> String {
    let mut text = String::new();
    for row in COMMANDS {
        let term = format!("envshim {} {}", row.name, row.words);
        row_of_help(&mut text, term.trim_end(), 31, row.doc);
    }
    text.push_str("\nenvshim help COMMAND shows the options of one.\n");
    text
}

/// Where secrets can come from, and what tells envshim where that is.
fn references() -> String {
    let mut text = String::from("In .vault, as a whole value or inside ${...}:\n\n");
    for row in PROVIDERS {
        row_of_help(&mut text, &format!("  NAME={}", row.example), 46, row.title);
    }
    row_of_help(
        &mut text,
        "  NAME=text:file:x",
        46,
        "the text `file:x` itself",
    );
    text.push_str(
        "\nNAME=scheme:where#field picks a field of a JSON object. Every reference takes\n",
    );
    text.push_str(
        "?default=text and ?optional=1 (for a secret that is missing), ?decode=base64,\n",
    );
    text.push_str("and ?as=file (the variable holds the path of a file in memory).\n");
    text.push_str("\nVariables that configure the stores, in the environment or in .vault:\n\n");
    for setting in PROVIDERS.iter().flat_map(|row| row.settings) {
        row_of_help(&mut text, &format!("  {}", setting.name), 26, setting.doc);
    }
    text
}

/// A term and its explanation from `column` on, in lines that a terminal does not have to cut.
fn row_of_help(text: &mut String, term: &str, column: usize, doc: &str) {
    let margin = format!("\n{:column$}", "");
    text.push_str(&format!("{term:<column$}"));
    if term.chars().count() > column {
        text.push_str(&margin);
    }
    let mut at = column;
    for (n, word) in doc.split(' ').enumerate() {
        let length = word.chars().count();
        if n > 0 && at + 1 + length > COLUMNS {
            text.push_str(&margin);
            at = column;
        } else if n > 0 {
            text.push(' ');
            at += 1;
        }
        text.push_str(word);
        at += length;
    }
    text.push('\n');
}

fn usage(o: &Opt) -> String {
    match o.value {
        Some(value) => format!("--{} {value}", o.name),
        None => format!("--{}", o.name),
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| {
        format!("{}{}.", first.to_uppercase(), letters.as_str())
    })
}
