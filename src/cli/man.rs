//! The manual page, from the tables.

use super::{COMMANDS, Command, OPTIONS};
use crate::provider::PROVIDERS;

/// The page in the language of `man`.
pub fn man() -> String {
    let mut page = String::from(concat!(
        ".TH ENVSHIM 1 \"\" \"envshim ",
        env!("CARGO_PKG_VERSION"),
        "\"\n"
    ));
    section(&mut page, "NAME");
    text(
        &mut page,
        "envshim - load secrets into the environment and become a program",
    );
    section(&mut page, "SYNOPSIS");
    for row in COMMANDS {
        page.push_str(".br\n");
        let words = match row.command {
            Command::Run => format!("[options] {}", row.words),
            _ => format!("{} [options] {}", row.name, row.words),
        };
        page.push_str(&format!(".B envshim\n{}\n", escaped(words.trim_end())));
    }
    section(&mut page, "DESCRIPTION");
    for paragraph in [
        "envshim stands in front of a program. It finds the secrets, puts them into the environment, and becomes the program: the same process, the same signals, the same terminal, nothing left in between.",
        "In the folder of --dir (by default the current one if it holds one of the files, else config) the first one found decides: .env.dump, .vault, .vault.enc. Without any, settings in the environment may name a store.",
        "A .vault is a dotenv file. A line is a setting of envshim, or an entry: text, or references to secrets, as the whole value or inside ${...}.",
    ] {
        page.push_str(".PP\n");
        text(&mut page, paragraph);
    }
    section(&mut page, "COMMANDS");
    for row in COMMANDS {
        term(&mut page, &format!("{} {}", row.name, row.words), row.doc);
    }
    section(&mut page, "OPTIONS");
    text(
        &mut page,
        "Every option is also a variable, ENVSHIM_NAME. Those marked * may stand in .vault too.",
    );
    for option in OPTIONS {
        let value = option
            .value
            .map_or(String::new(), |value| format!(" {value}"));
        let mark = if option.in_file { " *" } else { "" };
        term(
            &mut page,
            &format!("--{}{value}{mark}", option.name),
            option.doc,
        );
    }
    section(&mut page, "REFERENCES");
    text(
        &mut page,
        "scheme:where#field picks a field of a JSON object. Every reference takes ?default=text and ?optional=1 (for a secret that is missing), ?decode=base64, and ?as=file (the variable holds the path of a file in memory).",
    );
    for row in PROVIDERS {
        term(&mut page, row.example, row.title);
    }
    section(&mut page, "ENVIRONMENT");
    term(&mut page, "ENVSHIM_PASSWORD", "the password of .vault.enc");
    term(&mut page, "ENVSHIM_KEY", "a key of .vault.enc");
    for row in PROVIDERS.iter().filter(|row| !row.settings.is_empty()) {
        page.push_str(".PP\n");
        text(
            &mut page,
            &format!("Settings of {}, which may stand in .vault too:", row.title),
        );
        for setting in row.settings {
            term(&mut page, setting.name, setting.doc);
        }
    }
    section(&mut page, "FILES");
    for (name, doc) in [
        (
            ".env.dump",
            "the result of an earlier load; nothing is fetched",
        ),
        (".vault", "settings, values and references"),
        (".vault.enc", "the same, sealed with passwords and keys"),
        (
            "/run/secrets/envshim_password, /run/secrets/envshim_key",
            "what opens .vault.enc, if nothing else does",
        ),
    ] {
        term(&mut page, name, doc);
    }
    section(&mut page, "EXIT STATUS");
    for (status, doc) in [
        ("the program's", "it was started, and envshim is gone"),
        (
            "1",
            "the answer is no: check, has, and get where there is no value",
        ),
        ("125", "envshim failed; stderr says why, and what to do"),
        ("126", "the program was found but cannot be executed"),
        ("127", "the program was not found"),
        (
            "128+n",
            "signal n ended the load, as PID 1; elsewhere envshim dies of the signal itself",
        ),
    ] {
        term(&mut page, status, doc);
    }
    page
}

fn section(page: &mut String, name: &str) {
    page.push_str(&format!(".SH \"{name}\"\n"));
}

fn text(page: &mut String, text: &str) {
    page.push_str(&escaped(text));
    page.push('\n');
}

fn term(page: &mut String, term: &str, doc: &str) {
    page.push_str(&format!(
        ".TP\n.B \"{}\"\n",
        escaped(term.trim_end()).replace('"', "\\(dq")
    ));
    text(page, doc);
}

/// Text as it stands: a backslash, a hyphen and a mark at the beginning of a line have a meaning.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (n, c) in text.chars().enumerate() {
        match c {
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '`' => out.push_str("\\(ga"),
            '~' => out.push_str("\\(ti"),
            '^' => out.push_str("\\(ha"),
            '.' | '\'' if n == 0 => {
                out.push_str("\\&");
                out.push(c);
            }
            '\'' => out.push_str("\\(aq"),
            c => out.push(c),
        }
    }
    out
}
