//! `${NAME}` and `${NAME:-default}`, found exactly as python-dotenv finds them. This room only
//! splits; who owns the names looks them up.
//!
//! python-dotenv's rule is the expression `\$\{([^}:]*)(?::-([^}]*))?\}`, searched from the left:
//! a bare `$` is a dollar sign, a default is not expanded again, a name may be empty or hold
//! anything but `}` and `:`. What is in braces but not of that form (`${vault:app#key}`) is text to
//! python-dotenv; it comes out as [`Piece::Braced`], because it may be a reference.

use std::ops::Range;

/// A part of a value; the ranges are byte offsets into it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// As it stands.
    Text(Range<usize>),
    /// `${name}` or `${name:-default}`.
    Variable {
        /// The name; may be empty.
        name: Range<usize>,
        /// What stands after `:-`; may be empty.
        default: Option<Range<usize>>,
    },
    /// What stands between `${` and the first `}` where it is not a variable. python-dotenv keeps
    /// it as text, braces included.
    Braced(Range<usize>),
}

/// The pieces of `value`, in order, without gaps; no two texts stand side by side.
pub fn split(value: &[u8]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut text = 0;
    let mut at = 0;
    // The nearest `}` and the nearest `}` or `:`, kept between rounds so that no byte is searched twice.
    let (mut close, mut stop) = (0, 0);
    while let Some(open) = find(value, at, |rest| rest.starts_with(b"${")) {
        let inside = open + 2;
        if close < inside {
            match find(value, inside, |rest| rest.starts_with(b"}")) {
                Some(found) => close = found,
                None => break,
            }
        }
        if stop < inside {
            stop = find(value, inside, |rest| matches!(rest, [b'}' | b':', ..])).unwrap_or(close);
        }
        let piece = if stop == close {
            Piece::Variable {
                name: inside..close,
                default: None,
            }
        } else if value[stop..].starts_with(b":-") {
            Piece::Variable {
                name: inside..stop,
                default: Some(stop + 2..close),
            }
        } else if value[inside..close].windows(2).any(|two| two == b"${") {
            // Not a variable from here on, but one may begin further right.
            at = inside;
            continue;
        } else {
            Piece::Braced(inside..close)
        };
        if text < open {
            pieces.push(Piece::Text(text..open));
        }
        pieces.push(piece);
        at = close + 1;
        text = at;
    }
    if text < value.len() {
        pieces.push(Piece::Text(text..value.len()));
    }
    pieces
}

/// The first offset from `from` on at which `holds` is true of the rest.
fn find(value: &[u8], from: usize, holds: impl Fn(&[u8]) -> bool) -> Option<usize> {
    (from..value.len()).find(|&at| holds(&value[at..]))
}

#[cfg(test)]
mod tests {
    use super::{Piece, split};

    /// `T(text)`, `V(name)`, `V(name|default)`, `B(braced)`.
    fn shown(value: &str) -> String {
        let pieces = split(value.as_bytes());
        let shown = pieces.into_iter().map(|piece| match piece {
            Piece::Text(text) => format!("T({})", &value[text]),
            Piece::Braced(inside) => format!("B({})", &value[inside]),
            Piece::Variable { name, default } => match default {
                None => format!("V({})", &value[name]),
                Some(default) => format!("V({}|{})", &value[name], &value[default]),
            },
        });
        shown.collect()
    }

    #[test]
    fn splits_as_python_dotenv_does() {
        for (value, want) in [
            ("", ""),
            ("a", "T(a)"),
            ("$A $", "T($A $)"),
            ("${A}", "V(A)"),
            ("x${A}y${B:-d}z", "T(x)V(A)T(y)V(B|d)T(z)"),
            ("${}${:-}", "V()V(|)"),
            ("${A:-${B}}", "V(A|${B)T(})"),
            ("${A:-a:b-c\n}", "V(A|a:b-c\n)"),
            ("$${A}", "T($)V(A)"),
            ("${a${b}c}", "V(a${b)T(c})"),
            ("${A", "T(${A)"),
            ("${A}${B", "V(A)T(${B)"),
            ("${vault:app#key}", "B(vault:app#key)"),
            ("p://${vault:a#b}@h", "T(p://)B(vault:a#b)T(@h)"),
            ("${vault:a/${B}#c}", "T(${vault:a/)V(B)T(#c})"),
            ("${a:${b:c}}", "T(${a:)B(b:c)T(})"),
            ("${a:b${c", "T(${a:b${c)"),
            ("${A:}", "B(A:)"),
        ] {
            assert_eq!(shown(value), want, "{value}");
        }
    }

    #[test]
    fn a_hostile_value_takes_no_more_than_its_length() {
        let mut value = "${".repeat(60_000);
        value.push_str(":x}");
        assert!(!split(value.as_bytes()).is_empty());
    }
}
