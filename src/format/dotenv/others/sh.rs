//! What `sh` reads: nothing of it is modelled but the plainest of its words.

use super::{Does, QUOTE, is_blank, trimmed};
use crate::format::dotenv::{Binding, sh_takes};
use crate::format::naming;
use crate::format::template::{Piece, split};

/// What `sh` does with it, if not what we do.
pub(super) fn odd(raw: &[u8], binding: &Binding) -> Option<Does> {
    let exported = raw
        .strip_prefix(b"export")
        .filter(|rest| rest.first().is_some_and(is_blank));
    let statement = exported.map_or(raw, trimmed);
    if binding.value.is_none() {
        return exported.is_none().then_some((
            "takes a name alone for a command",
            Some("write `=` behind it"),
        ));
    }
    let equals = statement.iter().position(|byte| *byte == b'=')?;
    let (name, rest) = statement.split_at(equals);
    let rest = rest.get(1..).unwrap_or_default();
    if name != binding.name.as_bytes() || !naming::is_valid(&binding.name) {
        return Some(("does not take this for a name", None));
    }
    if !sh_takes(&binding.name) {
        return Some(("keeps this name for itself", None));
    }
    if rest.first().is_some_and(is_blank) {
        let after = trimmed(rest);
        let nothing = after.is_empty() || after.starts_with(b"#");
        return (!nothing).then_some(("ends the value at the blank", QUOTE));
    }
    match rest.split_first() {
        None => None,
        Some((b'\'', inside)) => single(inside),
        Some((b'"', inside)) => double(inside),
        Some(_) => bare(rest, binding),
    }
}

fn single(inside: &[u8]) -> Option<Does> {
    let end = inside.iter().position(|byte| *byte == b'\'')?;
    let (value, after) = inside.split_at(end);
    if value.ends_with(b"\\") || value.windows(2).any(|two| two == b"\\\\") {
        return Some(("takes a backslash in single quotes as it is", None));
    }
    let variable = |piece: &Piece| matches!(piece, Piece::Variable { .. });
    if split(value).iter().any(variable) {
        return Some((
            "expands nothing in single quotes",
            Some("put the value into double quotes"),
        ));
    }
    behind(after.get(1..).unwrap_or_default())
}

fn double(inside: &[u8]) -> Option<Does> {
    let mut rest = inside;
    loop {
        rest = match rest {
            [] => return Some(("finds no end of the quote", None)),
            [b'"', after @ ..] => return behind(after),
            [b'\\', b'"' | b'\\', after @ ..] => after,
            [b'\\', ..] => return Some(("takes a backslash in double quotes as it is", QUOTE)),
            [b'`', ..] => return Some(("runs what stands between backticks", QUOTE)),
            [b'$', ..] => match dollar(rest) {
                Some(length) => rest.get(length..).unwrap_or_default(),
                None => return Some(BARE),
            },
            [_, after @ ..] => after,
        };
    }
}

const BARE: Does = ("expands a dollar sign without braces", QUOTE);

fn bare(rest: &[u8], binding: &Binding) -> Option<Does> {
    // A comment begins behind a blank.
    let comment = (0..rest.len()).find(|at| {
        rest.get(*at) == Some(&b'#')
            && at
                .checked_sub(1)
                .and_then(|b| rest.get(b))
                .is_some_and(is_blank)
    });
    let value = trimmed(
        rest.get(..comment.unwrap_or(rest.len()))
            .unwrap_or_default(),
    );
    let mut left = value;
    while let Some((byte, after)) = left.split_first() {
        left = match byte {
            b'$' => match dollar(left) {
                Some(length) => left.get(length..).unwrap_or_default(),
                None => return Some(BARE),
            },
            b' ' | b'\t' => return Some(("ends the value at the blank", QUOTE)),
            b'~' => return Some(("may take `~` for a home folder", QUOTE)),
            b if b.is_ascii_alphanumeric() || b"_@%+=:,./-]^#".contains(b) || *b >= 0x80 => after,
            _ => return Some(("takes a sign in it for one of its own", QUOTE)),
        };
    }
    let read = binding.value.as_ref().map(|value| value.expose());
    (read != Some(value)).then_some(("takes white space in it as it is", QUOTE))
}

/// How long `${NAME}` or `${NAME:-default}` is, or a dollar sign that means nothing.
fn dollar(text: &[u8]) -> Option<usize> {
    let rest = text.get(1..)?;
    let Some(inside) = rest.strip_prefix(b"{") else {
        let means = |b: &u8| b.is_ascii_alphanumeric() || b"_({@*#?$!-'[".contains(b);
        return (!rest.first().is_some_and(means)).then_some(1);
    };
    let end = inside.iter().position(|byte| *byte == b'}')?;
    let inside = std::str::from_utf8(inside.get(..end)?).ok()?;
    let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_@%+=:,./-".contains(&b);
    (naming::is_valid(name) && default.bytes().all(plain)).then_some(end + 3)
}

/// What follows a closing quote: nothing, or a comment behind a blank.
fn behind(after: &[u8]) -> Option<Does> {
    let rest = trimmed(after);
    let fine = rest.is_empty() || (rest.starts_with(b"#") && after.first().is_some_and(is_blank));
    (!fine).then_some((
        "goes on behind the quote",
        Some("put a blank before the comment"),
    ))
}
