//! dotenv files: reading with python-dotenv's rules, and writing dumps that other readers agree on.
//!
//! # The dialect
//!
//! What python-dotenv 1.2.4 reads from a UTF-8 file, byte for byte:
//!
//! - `export ` in front is allowed, and so is white space (Unicode's) round everything;
//! - a name is any run without `=`, `#` and white space, or anything between single quotes;
//! - an unquoted value ends at the line end or at white space and `#`; it has no escapes;
//! - in single quotes `\\` and `\'` are escapes, in double quotes `\\ \' \" \a \b \f \n \r \t \v`;
//!   both may hold line ends, and only a comment may follow;
//! - CR LF and a lone CR are line feeds everywhere; a byte order mark in front is skipped;
//! - a name without `=` has no value; `${...}` is left to [`super::template`].
//!
//! Where python-dotenv warns and skips a line (and reads a NUL), [`read()`] reports a [`Fault`].
//!
//! # The dump
//!
//! The header says that values are literal: envshim expands nothing in them. Each value takes the
//! first form below that its condition allows; "exact" means that the reader gets the same bytes.
//!
//! | form | for values | python-dotenv | Docker Compose | `sh` |
//! |---|---|---|---|---|
//! | `'raw'` | without `'`, CR, `\\`, a final `\`, `${...}` | exact | exact | exact |
//! | `"escaped"`: `\\`, `\"`, `\r` | other text | exact | exact | exact but for CR and a backtick |
//! | `#envshim:base64 NAME=...` | not UTF-8, or with a NUL | a comment | a comment | a comment |
//! | `#envshim:file NAME=...` | of `?as=file` | a comment | a comment | a comment |
//!
//! A value of `?as=file` is the content of a memory file, whose path is another one at every start:
//! no other reader could do with it what was asked for, so that only we read it, in base64.
//!
//! In double quotes a dollar sign is written `${ENVSHIM_UNSET:-$}`: a variable that nobody sets,
//! with a dollar sign as its default. It is the one spelling that python-dotenv, Docker Compose and
//! `sh` all read as a plain `$`; a complete `${NAME}` would be expanded by python-dotenv even in
//! single quotes. Line feeds are written as they are, because `sh` knows no `\n`.
//!
//! The same variable without a default stands between a final backslash and the closing quote:
//! python-dotenv before 1.2.4 takes `\\"` for an escaped quote, and would read on into the next lines.
//!
//! A name with white space or `#` is written in single quotes, which python-dotenv reads; a name
//! that has no such form either goes into a base64 line (both sides encoded if it holds a line end).
//!
//! What `sh` would misread, or even run (a backtick in double quotes), stands at the end of the file,
//! behind a line `return`: there `sh` stops, and to the others it is a name without a value.

mod decode;
mod fault;
mod others;
mod read;
mod space;
mod steps;
mod write;

pub use fault::{Fault, Kind};
pub use others::{Odd, Reader, others};
pub use read::{Binding, is_literal, read};
pub(super) use write::sh_takes;
pub use write::{Difference, Other, Why, write};

/// How a dump by envshim begins; the number is the format's.
const HEADER: &[u8] = b"# envshim dump, format 1:";
/// The same of any format.
const HEADER_ANY: &[u8] = b"# envshim dump, format ";
/// A variable that nobody sets, up to its default.
const UNSET: &[u8] = b"${ENVSHIM_UNSET:-";
/// A dollar sign in double quotes.
const DOLLAR: &[u8] = b"${ENVSHIM_UNSET:-$}";
/// Nothing; stands between a backslash and the closing quote.
const NOTHING: &[u8] = b"${ENVSHIM_UNSET:-}";
/// A value that is not text.
const BASE64: &[u8] = b"#envshim:base64 ";
/// A value that becomes a memory file.
const FILE: &[u8] = b"#envshim:file ";
/// Ends the reading by `sh`.
const GUARD: &[u8] = b"return";

#[cfg(test)]
mod tests;
