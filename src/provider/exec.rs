//! `exec:program arg ...`: the standard output of a program, for any other secret manager.
//!
//! No shell: words are split at blanks, `'...'`, `"..."` and `\` keep them together, nothing is
//! expanded in them. All programs of a load run at once. They get our environment without what
//! opens sealed files, no standard input, and our stderr, so that what they complain of is seen.
//! They end with us: by a death signal when we are killed, by force when their time is over.

use std::time::Duration;

use crate::clock::{Deadline, parse_duration};
use crate::failure::{Explain, Failure};
use crate::format::naming::Policy;
use crate::format::reference::Reference;
use crate::helper::{self, Helper, words};
use crate::provider::{Answer, Context, Found, Provider, Row, Trouble, Wanted, fields, pick};

pub(crate) const ROW: Row = Row {
    scheme: "exec",
    title: "a program",
    example: "exec:op read op://team/db/password",
    settings: &[],
    parameters: &["timeout"],
    imports: true,
    names: Policy::Default,
    local: true,
    // A variable that a stranger wrote must not run programs.
    trusts_environment: false,
    marker: None,
    shield: shielded,
    check,
    keys: None,
    implied: |_| Vec::new(),
    tend: None,
    open: |context| Ok(Box::new(Programs { context })),
    write: None,
};

/// This many programs run at once.
const TOGETHER: usize = 16;

enum Fault {
    BadTimeout,
    Helper(helper::Fault),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::BadTimeout => "the parameter `timeout` is not a time".to_owned(),
            Fault::Helper(fault) => fault.what(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Fault::BadTimeout => Some("write ?timeout=10s".to_owned()),
            Fault::Helper(helper::Fault::TooSlow(..)) => Some("is it waiting for an answer? It gets no input; ?timeout=1m and --timeout give it more time".to_owned()),
            Fault::Helper(fault) => fault.hint(),
        }
    }
}

fn check(reference: &Reference, _import: bool) -> Result<(), Failure> {
    words(&reference.locator)?;
    limit(reference)?;
    Ok(())
}

fn limit(reference: &Reference) -> Result<Option<Duration>, Fault> {
    let text = reference.parameter("timeout");
    text.map(|text| parse_duration(text).ok_or(Fault::BadTimeout))
        .transpose()
}

/// Makes text stand for itself in a command, inside or outside of double quotes.
pub(crate) fn shielded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_whitespace() || matches!(c, '\'' | '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out
}

struct Programs<'a> {
    context: Context<'a>,
}

impl Provider for Programs<'_> {
    fn fetch(&mut self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        wanted
            .chunks(TOGETHER)
            .flat_map(|some| self.together(some))
            .collect()
    }
}

impl Programs<'_> {
    fn together(&self, wanted: &[Wanted<'_>]) -> Vec<Answer> {
        let running: Vec<_> = wanted
            .iter()
            .map(|wanted| start(wanted.reference, self.context.deadline))
            .collect();
        let answers = running.into_iter().zip(wanted).map(|(running, wanted)| {
            // They all run already; waiting for one after the other loses no time, for a pipe that
            // is full only holds its own program up.
            let output = running
                .and_then(|running| running.output().map_err(Fault::Helper))
                .map_err(|fault| Trouble::Failed(fault.into()))?;
            let field = wanted.reference.field.as_deref();
            match (wanted.import, field) {
                (false, field) => pick(output, field).map(Found::one),
                (true, None) => fields(&output).map(Found::several),
                (true, field) => fields(&pick(output, field)?).map(Found::several),
            }
        });
        answers.collect()
    }
}

fn start(reference: &Reference, load: Deadline) -> Result<Helper, Fault> {
    let deadline = match limit(reference)? {
        Some(limit) if limit < load.left() => Deadline::after(limit),
        _ => load,
    };
    Helper::start(&reference.locator, deadline).map_err(Fault::Helper)
}

#[cfg(test)]
mod tests {
    use super::shielded;
    use crate::helper::words;

    #[test]
    fn variables_stay_one_word() {
        let odd = "a b'c\"d\\e\n";
        assert_eq!(
            words(&format!("p {}", shielded(odd))).ok().unwrap(),
            ["p", odd]
        );
        assert_eq!(
            words(&format!("p \"x/{}\"", shielded(odd))).ok().unwrap(),
            ["p", &format!("x/{odd}")]
        );
    }
}
