//! A whole source as a `.vault`: its text, how it may be shown, and what is left to the person.

use super::{Context, Found, Locked, Part, Tool, Users, Why, line, locked, read, settings};
use crate::failure::Explain;
use crate::secret::{Secret, SecretBuffer};

/// Where variables come from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A dotenv file: `${NAME}` is a variable.
    Dotenv,
    /// A file in which every value is text.
    Literal,
    /// A `.vault`: its references are ours already.
    Vault,
    /// The environment, most of which is nobody's reference.
    Environment,
}

/// What this envshim has.
#[derive(Clone, Copy)]
pub struct Known<'a> {
    /// The schemes of its references.
    pub schemes: &'a [&'static str],
    /// Is it a setting, and if so, does it hold a secret?
    pub setting: &'a dyn Fn(&str) -> Option<bool>,
}

/// A source, translated.
pub struct Draft {
    /// The file.
    pub text: Secret,
    /// The same with `...` where text of the source stands.
    pub shown: String,
    /// How many lines set something.
    pub count: usize,
    /// What could not be said, and why.
    pub left: Vec<(String, Why)>,
    /// Whose references were in it.
    pub tools: Vec<Tool>,
}

struct Writer<'a> {
    known: Known<'a>,
    text: SecretBuffer,
    shown: String,
    count: usize,
    left: Vec<(String, Why)>,
    tools: Vec<Tool>,
    /// Settings that go for the whole file.
    settings: Vec<(String, String)>,
}

/// Translates variables in their order; a source that is encrypted is refused.
pub fn draft(
    title: &str,
    kind: Kind,
    variables: &[(String, Option<Secret>)],
    imports: &[String],
    known: Known<'_>,
) -> Result<Draft, Locked> {
    let pairs = || {
        variables.iter().map(|(name, value)| {
            let value = value.as_ref().map_or(&b""[..], Secret::expose);
            (name.as_str(), value)
        })
    };
    if let Some(lock) = pairs().find_map(|(name, value)| locked(name, value)) {
        return Err(lock);
    }
    let users = Users::of(pairs());
    let said =
        |name: &str| pairs().any(|(n, value)| n == name && value.eq_ignore_ascii_case(b"true"));
    let context = Context {
        optional: users.bank
            && (said("VAULT_IGNORE_MISSING_SECRETS") || said("BAO_IGNORE_MISSING_SECRETS")),
        secret_init: users.bank,
    };
    let mut writer = Writer {
        known,
        text: SecretBuffer::default(),
        shown: String::new(),
        count: 0,
        left: Vec::new(),
        tools: Vec::new(),
        settings: Vec::new(),
    };
    writer.comment(&format!("from {title}, by envshim migrate"));
    if !imports.is_empty() {
        writer.tools.push(Tool::Chamber);
        writer.setting("ENVSHIM_IMPORT", &imports.join(", "));
    }
    let mut swallowed = Vec::new();
    for (name, value) in variables {
        let Some(secret) = value else {
            writer.leave(name, Why::NoValue);
            continue;
        };
        let text = std::str::from_utf8(secret.expose()).unwrap_or_default();
        match settings(name, text, users, &|name| (known.setting)(name).is_some()) {
            Some(Found::Left(why)) => writer.leave(name, why),
            Some(Found::Said) => {}
            Some(Found::Lines(lines)) => {
                for (ours, value) in lines {
                    // What is set anyway stays where it is.
                    if kind != Kind::Environment || ours != *name {
                        writer.setting(&ours, &value);
                    }
                }
            }
            None if kind == Kind::Vault => {
                writer.entry(name, &[Part::Own(secret.duplicate())], kind)
            }
            None => match read(name, secret.expose(), context, known.schemes) {
                Err(why) => writer.leave(name, why),
                Ok(found) if found.tool.is_none() && kind == Kind::Environment => {}
                Ok(found) => {
                    if found.tool.is_none() && (known.setting)(name).is_some() {
                        swallowed.push(name.as_str());
                    }
                    writer.tools.extend(found.tool);
                    for (ours, value) in &found.settings {
                        writer.setting(ours, value);
                    }
                    writer.entry(name, &found.parts, kind);
                }
            },
        }
    }
    if users.hcp {
        writer.tools.push(Tool::Hcp);
        if !pairs().any(|(name, value)| name == "VAULT_ADDR" && !value.is_empty()) {
            writer.leave("VAULT_ADDR", Why::NoAddress);
        }
    }
    if !swallowed.is_empty() {
        // Ours too, and so kept from the program, if nothing else is said.
        writer.setting("ENVSHIM_PASS", &swallowed.join(","));
    }
    Ok(writer.finish())
}

impl Writer<'_> {
    fn entry(&mut self, name: &str, parts: &[Part], kind: Kind) {
        let literal = matches!(kind, Kind::Literal | Kind::Environment);
        match line(name, parts, literal, self.known.schemes) {
            Err(why) => self.leave(name, why),
            Ok(line) => {
                self.text.push(line.expose());
                let seen: String = parts
                    .iter()
                    .map(|part| part.shown(parts.len() > 1))
                    .collect();
                self.shown
                    .push_str(&format!("{}={seen}\n", crate::failure::one_line(name)));
                self.count += 1;
            }
        }
    }

    /// Settings are written once, after all that they are made of is known.
    fn setting(&mut self, name: &str, value: &str) {
        let joins = matches!(name, "ENVSHIM_IMPORT" | "ENVSHIM_PASS");
        match self.settings.iter_mut().find(|(known, _)| known == name) {
            None => self.settings.push((name.to_owned(), value.to_owned())),
            Some((_, old)) if old == value => {}
            Some((_, old)) if joins => old.push_str(&format!(", {value}")),
            Some(_) => self.leave(name, Why::Twice(name.to_owned())),
        }
    }

    fn leave(&mut self, name: &str, why: Why) {
        self.comment(&format!("{name}: {}", why.what()));
        self.left.push((name.to_owned(), why));
    }

    fn comment(&mut self, words: &str) {
        let line = format!("# {}\n", crate::failure::one_line(words));
        self.text.push(line.as_bytes());
        self.shown.push_str(&line);
    }

    fn finish(mut self) -> Draft {
        for (name, value) in std::mem::take(&mut self.settings) {
            let secret = (self.known.setting)(&name).unwrap_or(false);
            let part = if secret {
                Part::Own(Secret::new(value.into_bytes()))
            } else {
                Part::Reference(value)
            };
            self.entry(&name, &[part], Kind::Vault);
        }
        self.tools.sort_unstable();
        self.tools.dedup();
        Draft {
            text: self.text.finish(),
            shown: self.shown,
            count: self.count,
            left: self.left,
            tools: self.tools,
        }
    }
}

impl Part {
    /// For people: text may be a secret, and so may what a program or a default is given.
    fn shown(&self, inside: bool) -> String {
        let Part::Reference(reference) = self else {
            return "...".to_owned();
        };
        let known = ["exec:op read ", "exec:sops decrypt ", "exec:bw get "];
        let cut = if known.iter().any(|start| reference.starts_with(start)) {
            None
        } else if reference.starts_with("exec:") {
            reference.find(" ").map(|at| at + 1)
        } else {
            reference.find("default=").map(|at| at + "default=".len())
        };
        let seen = match cut {
            Some(at) => format!("{}...", &reference[..at]),
            None => reference.clone(),
        };
        if inside { format!("${{{seen}}}") } else { seen }
    }
}
