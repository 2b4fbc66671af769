//! The files of the AWS tools, `~/.aws/config` and `~/.aws/credentials`: sections of `name = value`.
//!
//! As the SDKs read them: names in any letter case; a comment begins with `#` or `;`, at the start of a
//! line or after a blank; an indented line below `name =` without a value is `name.inner`, and below
//! one with a value it is more of that value. Later lines win, and sections of one name are one.

use crate::failure::Explain;
use crate::secret::{Secret, SecretBuffer};

/// A file that was read.
#[derive(Default)]
pub struct Ini(Vec<Section>);

/// One section.
struct Section {
    name: String,
    pairs: Vec<(String, Secret)>,
}

/// What is wrong with a file, and in which line.
#[derive(Debug, PartialEq, Eq)]
pub enum Fault {
    /// `[` without `]`.
    OpenSection(usize),
    /// A line before the first section.
    NoSection(usize),
    /// A line that is neither a section nor `name = value`.
    NoValue(usize),
    /// Not UTF-8.
    NotText(usize),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::OpenSection(line) => format!("line {line}: the `[` is not closed"),
            Fault::NoSection(line) => format!("line {line}: stands before the first section"),
            Fault::NoValue(line) => {
                format!("line {line}: is neither a [section] nor name = value")
            }
            Fault::NotText(line) => format!("line {line}: is not UTF-8"),
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::OpenSection(_) => "close it with `]`".to_owned(),
            Fault::NoSection(_) => "put [default] above it".to_owned(),
            Fault::NoValue(_) => "correct it, or begin it with `#`".to_owned(),
            Fault::NotText(_) => "save the file as UTF-8".to_owned(),
        })
    }
}

/// Reads a file.
pub fn parse(bytes: &[u8]) -> Result<Ini, Fault> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut ini = Ini::default();
    let mut section: Option<usize> = None;
    for (at, line) in bytes.split(|b| *b == b'\n').enumerate() {
        let number = at + 1;
        let line = std::str::from_utf8(line).map_err(|_| Fault::NotText(number))?;
        let indented = line.starts_with([' ', '\t']);
        let line = uncommented(line).trim_ascii();
        if line.is_empty() {
            continue;
        }
        if let Some(rest) = line.strip_prefix('[') {
            let (name, _) = rest.split_once(']').ok_or(Fault::OpenSection(number))?;
            section = Some(ini.section_at(name.trim_ascii()));
            continue;
        }
        let section = section.and_then(|at| ini.0.get_mut(at));
        let section = section.ok_or(Fault::NoSection(number))?;
        let pair = line
            .split_once('=')
            .map(|(n, v)| (n.trim_ascii(), v.trim_ascii()));
        match (indented.then(|| section.pairs.last_mut()).flatten(), pair) {
            (Some((_, value)), _) if !value.expose().is_empty() => {
                let mut longer = SecretBuffer::with_capacity(value.expose().len() + line.len() + 1);
                longer.push(value.expose());
                longer.push(b"\n");
                longer.push(line.as_bytes());
                *value = longer.finish();
            }
            // The empty value above stands for a group; its members are named after it.
            (Some((group, _)), Some((name, value))) => {
                let group = group.split('.').next().unwrap_or_default();
                let name = format!("{group}.{}", name.to_ascii_lowercase());
                section.set(name, value);
                section.set(group_of(section.pairs.last()), "");
            }
            (None, Some((name, value))) if !name.is_empty() => {
                section.set(name.to_ascii_lowercase(), value);
            }
            _ => return Err(Fault::NoValue(number)),
        }
    }
    Ok(ini)
}

/// `group` of `group.name`.
fn group_of(pair: Option<&(String, Secret)>) -> String {
    let name = pair.map_or("", |(name, _)| name.as_str());
    name.split('.').next().unwrap_or_default().to_owned()
}

fn uncommented(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| {
        let before = line.get(..*at).unwrap_or_default();
        before.trim_ascii().is_empty() || before.ends_with([' ', '\t'])
    };
    match line.match_indices(['#', ';']).find(begins) {
        Some((at, _)) => line.get(..at).unwrap_or_default(),
        None => line,
    }
}

impl Section {
    fn set(&mut self, name: String, value: &str) {
        self.pairs.retain(|(known, _)| *known != name);
        self.pairs
            .push((name, Secret::new(value.as_bytes().to_vec())));
    }
}

impl Ini {
    fn section_at(&mut self, name: &str) -> usize {
        let known = self.0.iter().position(|section| section.name == name);
        known.unwrap_or_else(|| {
            self.0.push(Section {
                name: name.to_owned(),
                pairs: Vec::new(),
            });
            self.0.len() - 1
        })
    }

    /// There is such a section.
    pub fn has(&self, section: &str) -> bool {
        self.0.iter().any(|known| known.name == section)
    }

    /// The names of the sections, in the order of the file.
    pub fn sections(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|section| section.name.as_str())
    }

    /// A value; an empty one counts as none.
    pub fn value(&self, section: &str, name: &str) -> Option<&Secret> {
        let section = self.0.iter().find(|known| known.name == section)?;
        let pair = section.pairs.iter().find(|(known, _)| known == name)?;
        Some(&pair.1).filter(|value| !value.expose().is_empty())
    }

    /// A value as text.
    pub fn text(&self, section: &str, name: &str) -> Option<&str> {
        std::str::from_utf8(self.value(section, name)?.expose()).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, parse};
    use proptest::prelude::{ProptestConfig, proptest};

    #[test]
    fn files_are_read_as_the_sdks_do() {
        let text = "\u{feff}# mine\n[default]\r\nRegion = eu-west-1 ; home\nkey=a#b=c\n\n[ profile x ]\n\
            s3 =\n  endpoint_url = http://a # c\n  other = 1\nregion=us-east-1\nprocess = /bin/p\n  --long\n\
            [default]\nregion=eu-north-1\nempty =\n";
        let ini = parse(text.as_bytes()).unwrap();
        for (section, name, want) in [
            ("default", "region", Some("eu-north-1")),
            ("default", "key", Some("a#b=c")),
            ("default", "empty", None),
            ("profile x", "s3.endpoint_url", Some("http://a")),
            ("profile x", "s3.other", Some("1")),
            ("profile x", "region", Some("us-east-1")),
            ("profile x", "process", Some("/bin/p\n--long")),
            ("profile y", "region", None),
        ] {
            assert_eq!(ini.text(section, name), want, "{section} {name}");
        }
        assert!(ini.has("profile x") && !ini.has("profile y"));
    }

    #[test]
    fn mistakes_have_a_line() {
        for (text, want) in [
            ("a = 1\n", Fault::NoSection(1)),
            ("[x\n", Fault::OpenSection(1)),
            ("[x]\nnothing\n", Fault::NoValue(2)),
            ("[x]\n= 1\n", Fault::NoValue(2)),
        ] {
            assert_eq!(parse(text.as_bytes()).err(), Some(want), "{text}");
        }
        assert_eq!(parse(b"[x]\na=\xff\n").err(), Some(Fault::NotText(2)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn nothing_makes_it_panic(bytes in proptest::collection::vec(0u8.., 0..200)) {
            parse(&bytes).ok();
        }
    }
}
