//! What another reader makes of a file, statement by statement, held against what we make of it.

use super::{Does, QUOTE, Reader, compose, node};
use crate::format::dotenv::Binding;
use crate::format::template::{Piece, split};
use crate::secret::Secret;

/// A statement as another reader sees it.
pub(super) struct Entry {
    /// Where it begins.
    pub(super) at: usize,
    pub(super) name: String,
    /// None for one that is taken from the reader's own environment.
    pub(super) value: Option<Secret>,
    /// Dollar signs in the value are Compose's.
    pub(super) expands: bool,
}

/// How long the name of a variable is, as Compose expands it.
pub(super) fn name(text: &[u8]) -> usize {
    let first = |b: &u8| *b == b'_' || b.is_ascii_alphabetic();
    if !text.first().is_some_and(first) {
        return 0;
    }
    let other = |b: &u8| !(*b == b'_' || b.is_ascii_alphanumeric());
    text.iter().position(other).unwrap_or(text.len())
}

/// Where Compose gives the file up, and why.
pub(super) fn refusal(text: &str) -> Option<(usize, &'static str)> {
    compose::read(text).err()
}

/// What this reader does differently, binding by binding; nothing where it gives the file up.
pub(super) fn compared(text: &str, bindings: &[Binding], reader: Reader) -> Vec<(usize, Does)> {
    match reader {
        Reader::Compose => {
            let entries = compose::read(text).unwrap_or_default();
            differences(bindings, &entries, reader, |at| at)
        }
        _ => {
            let dropped = |at: usize| text[..at].matches('\r').count();
            let joined = |at: usize| text[..at].matches("\r\n").count();
            let own = node::own(&text.replace('\r', ""));
            let lines = text.replace("\r\n", "\n").replace('\r', "\n");
            let package = node::package(&lines);
            let mut all = differences(bindings, &package, reader, |at| at - joined(at));
            all.extend(differences(bindings, &own, reader, |at| at - dropped(at)));
            all.sort_by_key(|(at, _)| *at);
            all.dedup_by_key(|(at, _)| *at);
            all
        }
    }
}

fn differences(
    bindings: &[Binding],
    entries: &[Entry],
    reader: Reader,
    place: impl Fn(usize) -> usize,
) -> Vec<(usize, Does)> {
    let mut entries = entries.iter().peekable();
    let mut odd = Vec::new();
    for (n, binding) in bindings.iter().enumerate() {
        let at = place(binding.raw.start);
        while entries.next_if(|entry| entry.at < at).is_some() {}
        let entry = entries.peek().filter(|entry| entry.at == at);
        let does = difference(binding, entry.copied(), reader);
        odd.extend(does.map(|does| (n, does)));
    }
    odd
}

fn difference(binding: &Binding, entry: Option<&Entry>, reader: Reader) -> Option<Does> {
    let Some(ours) = &binding.value else {
        return match entry {
            None => None,
            Some(Entry { value: None, .. }) => Some(("takes it from its own environment", None)),
            Some(_) => Some(("takes it for a value", None)),
        };
    };
    let Some(Entry {
        name,
        value: Some(theirs),
        expands,
        ..
    }) = entry
    else {
        return Some(("does not see it", None));
    };
    if *name != binding.name {
        return Some(("reads another name", None));
    }
    let (ours, theirs) = (ours.expose(), theirs.expose());
    let variable = |piece: &Piece| matches!(piece, Piece::Variable { .. });
    let ours_expands = split(ours).iter().any(variable);
    let equal = ours == theirs;
    if equal && *expands {
        let same = compose::dollars(ours) == Some(true);
        return (!same).then_some(("expands a dollar sign that we do not", QUOTE));
    }
    if ours_expands && !*expands {
        let cure = (reader == Reader::Compose).then_some("put the value into double quotes");
        return Some(("expands nothing in it", cure));
    }
    if equal {
        return None;
    }
    Some(if ours.contains(&b'\\') || theirs.contains(&b'\\') {
        ("reads a backslash in another way", None)
    } else if ours.contains(&b'#') != theirs.contains(&b'#') {
        ("sees the beginning of a comment elsewhere", QUOTE)
    } else {
        ("reads another value", None)
    })
}
