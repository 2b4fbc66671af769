//! Changing one line of a `.vault`: everything else stays as it was written, comments and order
//! included, and the value is written so that a start gives the program exactly these bytes.

use std::path::Path;

use crate::failure::{Explain, Failure, Failures};
use crate::format::dotenv;
use crate::format::reference::{self, Part, TEXT, Template};
use crate::secret::{Secret, SecretBuffer};

/// An entry of a document, as far as it is told before it is replaced.
pub enum Standing {
    /// There is no such line, or one without a value.
    Nothing,
    /// Exactly this value.
    Same,
    /// Another text.
    Text,
    /// References: the secret lies elsewhere.
    Reference(String),
}

/// Why a line cannot be written.
enum Fault {
    NotText,
    Odd,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::NotText => {
                "a dotenv file holds text, and the value is not UTF-8 or has a NUL in it".to_owned()
            }
            Fault::Odd => "the line would not be read back as it was written".to_owned(),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::NotText => "keep it in a store or a file, and refer to it: NAME=file:/path, or encoded with ?decode=base64".to_owned(),
            Fault::Odd => "change it by hand: envshim edit".to_owned(),
        })
    }
}

/// A document with one line changed.
pub struct Amended {
    /// The whole text.
    pub text: Secret,
    /// What stood there, for who is asked whether it may go.
    pub standing: Standing,
    /// The same as it was written, to see whether it is still there.
    pub before: Option<Secret>,
}

impl Amended {
    /// Both replace the same.
    pub fn replaces_what(&self, other: &Amended) -> bool {
        self.before.as_ref().map(Secret::expose) == other.before.as_ref().map(Secret::expose)
    }
}

/// The document with `name` set to `value`. `file` is its name in messages.
pub fn amend(
    file: &Path,
    text: &Secret,
    name: &str,
    value: &Secret,
    schemes: &[&'static str],
) -> Result<Amended, Failures> {
    let text = text.expose();
    let shown = file.display().to_string();
    let one = |fault: Fault| Failures::from(Failure::from(fault).at(&format!("{shown}: {name}")));
    let bindings = super::document::bindings(&shown, text)?;
    let found = bindings.iter().rfind(|binding| binding.name == name);
    let standing = match found.and_then(|binding| binding.value.as_ref()) {
        None => Standing::Nothing,
        Some(old) => standing(old, value, schemes),
    };
    let written = written(value, schemes).map_err(one)?;
    let mut out = SecretBuffer::with_capacity(text.len() + written.expose().len() + 64);
    match found {
        Some(binding) => {
            let (before, after) = (&text[..binding.span.start], &text[binding.span.end..]);
            out.push(before);
            if binding.value.is_none() {
                out.push(b"=");
            }
            out.push(written.expose());
            // A comment keeps its distance.
            if after.first() == Some(&b'#') {
                out.push(b" ");
            }
            out.push(after);
        }
        None => {
            let end: &[u8] = if text.windows(2).any(|two| two == b"\r\n") {
                b"\r\n"
            } else {
                b"\n"
            };
            out.push(text);
            if !text.is_empty() && !text.ends_with(b"\n") {
                out.push(end);
            }
            for part in [name.as_bytes(), b"=", written.expose(), end] {
                out.push(part);
            }
        }
    }
    let out = out.finish();
    if is_right(&bindings, &out, name, value, schemes) {
        let before = found.and_then(|binding| binding.value.as_ref());
        Ok(Amended {
            text: out,
            standing,
            before: before.map(Secret::duplicate),
        })
    } else {
        Err(one(Fault::Odd))
    }
}

fn standing(old: &Secret, value: &Secret, schemes: &[&'static str]) -> Standing {
    match reference::parse(old.expose(), schemes) {
        Ok(template) if is_text(&template, value.expose()) => Standing::Same,
        Ok(template) => {
            let named = template.parts.iter().find_map(|part| match part {
                Part::Reference(draft) => Some(draft.scheme.clone()),
                _ => None,
            });
            named.map_or(Standing::Text, Standing::Reference)
        }
        Err(_) => Standing::Text,
    }
}

/// The value as it stands behind `=`.
fn written(value: &Secret, schemes: &[&'static str]) -> Result<Secret, Fault> {
    let bytes = value.expose();
    if bytes.contains(&0) || std::str::from_utf8(bytes).is_err() {
        return Err(Fault::NotText);
    }
    let mut out = SecretBuffer::with_capacity(bytes.len() + 16);
    let literal = !reference::parse(bytes, schemes)
        .is_ok_and(|template| template.suspicion.is_none() && is_text(&template, bytes));
    let mark: &[u8] = if literal { b":" } else { b"" };
    let scheme = if literal { TEXT.as_bytes() } else { b"" };
    let bare = |byte: &u8| byte.is_ascii_alphanumeric() || b"_./:@%+,=~-".contains(byte);
    if bytes.iter().all(bare) {
        for part in [scheme, mark, bytes] {
            out.push(part);
        }
    } else if !bytes.iter().any(|byte| b"'\\\r".contains(byte)) {
        for part in [b"'", scheme, mark, bytes, b"'"] {
            out.push(part);
        }
    } else {
        for part in [b"\"", scheme, mark] {
            out.push(part);
        }
        for byte in bytes {
            match byte {
                b'\\' => out.push(b"\\\\"),
                b'"' => out.push(b"\\\""),
                b'\r' => out.push(b"\\r"),
                byte => out.push(&[*byte]),
            }
        }
        out.push(b"\"");
    }
    Ok(out.finish())
}

/// The template is this text and nothing else.
fn is_text(template: &Template, text: &[u8]) -> bool {
    match template.parts.as_slice() {
        [] => text.is_empty(),
        [Part::Text(only)] => only.expose() == text,
        _ => false,
    }
}

fn bytes(binding: &dotenv::Binding) -> Option<&[u8]> {
    binding.value.as_ref().map(Secret::expose)
}

/// The new text says of `name` what it should, and of everything else what the old one said.
fn is_right(
    before: &[dotenv::Binding],
    text: &Secret,
    name: &str,
    value: &Secret,
    schemes: &[&'static str],
) -> bool {
    let Ok(after) = dotenv::read(text.expose()) else {
        return false;
    };
    let own = before.iter().rposition(|binding| binding.name == name);
    let count = before.len() + usize::from(own.is_none());
    let same = |(at, (old, new)): (usize, (&dotenv::Binding, &dotenv::Binding))| {
        old.name == new.name && (own == Some(at) || bytes(old) == bytes(new))
    };
    let last = after.iter().rfind(|binding| binding.name == name);
    let right = last
        .and_then(|binding| binding.value.as_ref())
        .is_some_and(|new| {
            reference::parse(new.expose(), schemes)
                .is_ok_and(|template| is_text(&template, value.expose()))
        });
    after.len() == count && right && before.iter().zip(&after).enumerate().all(same)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use proptest::prelude::{ProptestConfig, any, proptest};

    use super::{Standing, amend};
    use crate::secret::Secret;

    const SCHEMES: &[&str] = &["vault", "file", "env", "exec"];

    fn changed(text: &str, value: &str) -> String {
        let value = Secret::new(value.as_bytes().to_vec());
        let amended = amend(
            Path::new("f"),
            &Secret::new(text.as_bytes().to_vec()),
            "A",
            &value,
            SCHEMES,
        )
        .unwrap();
        String::from_utf8(amended.text.expose().to_vec()).unwrap()
    }

    #[test]
    fn one_line_changes_and_the_rest_stays() {
        for (before, value, after) in [
            ("", "v", "A=v\n"),
            ("# c\nB=1", "v", "# c\nB=1\nA=v\n"),
            ("B=1\r\n", "v", "B=1\r\nA=v\r\n"),
            (
                "export A='old' # note\nB=2\n",
                "n w",
                "export A='n w' # note\nB=2\n",
            ),
            ("A= # note\n", "v", "A= v # note\n"),
            ("A=1 # note\n", "", "A= # note\n"),
            ("A\nB=1\n", "v", "A=v\nB=1\n"),
            ("A=1\nA=2\n", "3", "A=1\nA=3\n"),
            ("A=\"two\nlines\"\nB=1\n", "x", "A=x\nB=1\n"),
            ("A=1\n", "p${B}q", "A='text:p${B}q'\n"),
            ("A=1\n", "vault:a#b", "A='text:vault:a#b'\n"),
            ("A=1\n", "text:x", "A=text:text:x\n"),
            ("A=1\n", "https://x/?a=b", "A='https://x/?a=b'\n"),
            (
                "A=1\n",
                "it's \\ \"q\"\r\n",
                "A=\"it's \\\\ \\\"q\\\"\\r\n\"\n",
            ),
            ("A=1\n", "valt:x#y", "A='text:valt:x#y'\n"),
        ] {
            assert_eq!(changed(before, value), after, "{before:?} {value:?}");
        }
    }

    #[test]
    fn what_stands_there_is_told() {
        let kind = |text: &str| {
            let value = Secret::new(b"v".to_vec());
            match amend(
                Path::new("f"),
                &Secret::new(text.as_bytes().to_vec()),
                "A",
                &value,
                SCHEMES,
            ) {
                Ok(amended) => match amended.standing {
                    Standing::Nothing => "nothing".to_owned(),
                    Standing::Same => "same".to_owned(),
                    Standing::Text => "text".to_owned(),
                    Standing::Reference(scheme) => scheme,
                },
                Err(failures) => failures.0[0].what.clone(),
            }
        };
        assert_eq!(kind("B=1"), "nothing");
        assert_eq!(kind("A"), "nothing");
        assert_eq!(kind("A=v"), "same");
        assert_eq!(kind("A='text:v'"), "same");
        assert_eq!(kind("A=x"), "text");
        assert_eq!(kind("A=vault:a#b"), "vault");
        assert_eq!(kind("A=x${file:b}y"), "file");
        assert!(kind("A='x").starts_with("f:1:"));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]
        #[test]
        fn every_text_is_read_back(value in any::<String>()) {
            // `amend` itself reads the result, and refuses what is not right.
            let secret = Secret::new(value.as_bytes().to_vec());
            let text = Secret::new(b"# c\nA='1' # d\nB=2\n".to_vec());
            let done = amend(Path::new("f"), &text, "A", &secret, SCHEMES);
            assert_eq!(done.is_ok(), !value.contains('\0'), "{value:?}");
        }

        #[test]
        fn awkward_texts_are_read_back(value in "[a:v'\"\\\\ \r\n${}#=t-]{0,24}") {
            let secret = Secret::new(value.as_bytes().to_vec());
            assert!(amend(Path::new("f"), &Secret::new(b"B=2".to_vec()), "A", &secret, SCHEMES).is_ok(), "{value:?}");
        }
    }
}
