//! Where a reference leads: the short and the full names of secrets, and what is wrong with one.

use crate::failure::{Explain, one_line};
use crate::format::reference::Reference;

/// A secret or several, as they were written: what is not said comes from the settings.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) project: Option<String>,
    pub(super) location: Option<String>,
    pub(super) what: What,
}

/// One or several.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum What {
    /// A secret in a version; none is the latest.
    One {
        name: String,
        version: Option<String>,
    },
    /// All whose names begin so, narrowed by a filter of Google's.
    Several {
        begin: String,
        filter: Option<String>,
    },
}

/// What is wrong with a reference.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Miswritten {
    SeveralAsValue,
    OfOne(&'static str),
    OfSeveral(&'static str),
    FieldOfSeveral,
    Path(String),
    Letter(char),
    Long,
    Project,
    Location,
    Version,
    Label,
    Twice(&'static str),
    NewVersion,
}

impl Explain for Miswritten {
    fn what(&self) -> String {
        match self {
            Miswritten::SeveralAsValue => {
                "`*` names several secrets, and a variable holds one".to_owned()
            }
            Miswritten::OfOne(name) => {
                format!("the parameter `{name}` is of one secret, and `*` names several")
            }
            Miswritten::OfSeveral(name) => {
                format!("the parameter `{name}` picks among several secrets, and this names one")
            }
            Miswritten::FieldOfSeveral => {
                "a field is of one secret, and `*` names several".to_owned()
            }
            Miswritten::Path(_) => "this is no name in Secret Manager".to_owned(),
            Miswritten::Letter(c) => format!(
                "no name in Secret Manager has the letter `{}`",
                one_line(&c.to_string())
            ),
            Miswritten::Long => {
                "no name in Secret Manager is empty or longer than 255 letters".to_owned()
            }
            Miswritten::Project => "the project is neither an id nor a number".to_owned(),
            Miswritten::Location => "the location is not one of Google's".to_owned(),
            Miswritten::Version => "the version is neither a number nor an alias".to_owned(),
            Miswritten::Label => "the parameter `label` is not a label".to_owned(),
            Miswritten::NewVersion => {
                "it names a version, and what is written is always a new one".to_owned()
            }
            Miswritten::Twice(name) => {
                format!("the {name} stands in the name and in the parameter `{name}`")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Miswritten::SeveralAsValue => "write its name, or ENVSHIM_IMPORT=gcp:*".to_owned(),
            Miswritten::OfOne(_) => "leave it out".to_owned(),
            Miswritten::OfSeveral(name) => {
                format!("leave it out, or import with it: ENVSHIM_IMPORT=gcp:*?{name}=...")
            }
            Miswritten::FieldOfSeveral => "leave `#field` out".to_owned(),
            Miswritten::Path(near) => format!("write {near}"),
            Miswritten::Letter(':') => "a version is written as ?version=3".to_owned(),
            Miswritten::Letter('*') => "`*` can only stand at the end".to_owned(),
            Miswritten::Letter(_) | Miswritten::Long => {
                "names have letters, digits, `-` and `_`; a field of a JSON secret is written as NAME#field".to_owned()
            }
            Miswritten::Project => "write ?project=my-project, or its number".to_owned(),
            Miswritten::Location => "write ?location=europe-west3".to_owned(),
            Miswritten::Version => "write ?version=3, ?version=latest or ?version=ALIAS".to_owned(),
            Miswritten::Label => "write ?label=app=imip, or ?label=app for any value".to_owned(),
            Miswritten::NewVersion => "leave /versions/... out".to_owned(),
            Miswritten::Twice(_) => "keep one of them".to_owned(),
        })
    }
}

impl Place {
    /// Reads a reference.
    pub(super) fn read(reference: &Reference, import: bool) -> Result<Place, Miswritten> {
        let full = Full::split(&reference.locator)?;
        let project = either("project", full.project, reference)?;
        let location = either("location", full.location, reference)?;
        let version = either("version", full.version, reference)?;
        if project.is_some_and(|project| !is_project(project)) {
            return Err(Miswritten::Project);
        }
        if location.is_some_and(|location| !is_location(location)) {
            return Err(Miswritten::Location);
        }
        let parameter = |name| reference.parameter(name);
        let what = match full.name.strip_suffix('*') {
            Some(begin) => {
                if !import {
                    return Err(Miswritten::SeveralAsValue);
                }
                if version.is_some() {
                    return Err(Miswritten::OfOne("version"));
                }
                if reference.field.is_some() {
                    return Err(Miswritten::FieldOfSeveral);
                }
                letters(begin)?;
                What::Several {
                    begin: begin.to_owned(),
                    filter: filter(parameter("filter"), parameter("label"))?,
                }
            }
            None => {
                let picks = ["filter", "label"].into_iter();
                if let Some(name) = picks.into_iter().find(|name| parameter(name).is_some()) {
                    return Err(Miswritten::OfSeveral(name));
                }
                letters(full.name)?;
                if full.name.is_empty() {
                    return Err(Miswritten::Long);
                }
                if version.is_some_and(|version| !is_version(version)) {
                    return Err(Miswritten::Version);
                }
                What::One {
                    name: full.name.to_owned(),
                    // What everybody gets who asks for none.
                    version: version.filter(|v| *v != "latest").map(str::to_owned),
                }
            }
        };
        Ok(Place {
            project: project.map(str::to_owned),
            location: location.map(str::to_owned),
            what,
        })
    }
}

/// The parts of a name.
#[derive(Default)]
struct Full<'a> {
    project: Option<&'a str>,
    location: Option<&'a str>,
    name: &'a str,
    version: Option<&'a str>,
}

impl<'a> Full<'a> {
    fn split(locator: &'a str) -> Result<Full<'a>, Miswritten> {
        let parts: Vec<&str> = locator.split('/').collect();
        let (project, location, rest) = match parts.as_slice() {
            ["projects", project, "locations", location, rest @ ..] => {
                (Some(*project), Some(*location), rest)
            }
            ["projects", project, rest @ ..] => (Some(*project), None, rest),
            rest => (None, None, rest),
        };
        let (name, version) = match rest {
            [name] if project.is_none() => (*name, None),
            ["secrets", name] if project.is_some() => (*name, None),
            ["secrets", name, "versions", version] if project.is_some() => (*name, Some(*version)),
            _ => return Err(Miswritten::Path(near(&parts))),
        };
        Ok(Full {
            project,
            location,
            name,
            version,
        })
    }
}

/// What a name that is none was probably meant to be.
fn near(parts: &[&str]) -> String {
    match parts {
        [name, "versions", version] => one_line(&format!("gcp:{name}?version={version}")),
        ["secrets", name] => one_line(&format!("gcp:{name}")),
        [project, name] if !project.is_empty() && !name.is_empty() => {
            one_line(&format!("gcp:{name}?project={project}"))
        }
        _ => "gcp:NAME, or gcp:projects/PROJECT/secrets/NAME".to_owned(),
    }
}

/// What the name says, or the parameter; not both.
fn either<'a>(
    name: &'static str,
    own: Option<&'a str>,
    reference: &'a Reference,
) -> Result<Option<&'a str>, Miswritten> {
    match (own, reference.parameter(name)) {
        (Some(own), Some(parameter)) if own != parameter => Err(Miswritten::Twice(name)),
        (own, parameter) => Ok(own.or(parameter)),
    }
}

/// A filter of Google's, and a label in its words.
fn filter(filter: Option<&str>, label: Option<&str>) -> Result<Option<String>, Miswritten> {
    let label = match label {
        None => None,
        Some(label) => {
            let (key, value) = label.split_once(['=', ':']).unwrap_or((label, "*"));
            let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_');
            let fits = |text: &str| text.chars().all(plain);
            if key.is_empty() || !fits(key) || !(fits(value) || value == "*") {
                return Err(Miswritten::Label);
            }
            let means = if value == "*" { ":" } else { "=" };
            Some(format!("labels.{key}{means}{value}"))
        }
    };
    Ok(match (filter, label) {
        (Some(filter), Some(label)) => Some(format!("({filter}) AND {label}")),
        (Some(filter), None) => Some(filter.to_owned()),
        (None, label) => label,
    })
}

fn letters(name: &str) -> Result<(), Miswritten> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    match name.chars().find(|c| !fits(*c)) {
        Some(c) => Err(Miswritten::Letter(c)),
        None if name.len() > 255 => Err(Miswritten::Long),
        None => Ok(()),
    }
}

/// An id, also an old one with a domain in front, or a number. It goes into paths.
pub(super) fn is_project(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b);
    let edges = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 100
        && text.bytes().all(fits)
        && text.starts_with(edges)
        && text.ends_with(edges)
        && !text.contains("..")
}

/// It goes into a host name.
fn is_location(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edges = |c: char| c.is_ascii_alphanumeric();
    text.len() <= 40 && text.bytes().all(fits) && text.starts_with(edges) && text.ends_with(edges)
}

fn is_version(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    (1..=63).contains(&text.len()) && text.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::{Miswritten, Place, What};
    use crate::format::reference::parse_exact;

    fn read(text: &str, import: bool) -> Result<Place, Miswritten> {
        let Some(Ok(reference)) = parse_exact(text) else {
            panic!("{text}")
        };
        Place::read(&reference, import)
    }

    #[track_caller]
    fn one(text: &str) -> [Option<String>; 4] {
        match read(text, false) {
            Ok(Place {
                project,
                location,
                what: What::One { name, version },
            }) => [project, location, Some(name), version],
            other => panic!("{text}: {other:?}"),
        }
    }

    #[test]
    fn names_of_every_form() {
        for (text, want) in [
            ("gcp:key", "- - key -"),
            ("gcp:key?version=3", "- - key 3"),
            ("gcp:key?version=latest", "- - key -"),
            ("gcp:key?version=prod_1", "- - key prod_1"),
            ("gcp:Key_1?project=my-p", "my-p - Key_1 -"),
            ("gcp:key?location=europe-west3", "- europe-west3 key -"),
            ("gcp:projects/12/secrets/key", "12 - key -"),
            ("gcp:projects/p/secrets/key/versions/4", "p - key 4"),
            ("gcp:projects/p/secrets/key?version=4", "p - key 4"),
            (
                "gcp:projects/example.com:p/secrets/key",
                "example.com:p - key -",
            ),
            (
                "gcp:projects/p/locations/us-east1/secrets/key/versions/latest",
                "p us-east1 key -",
            ),
        ] {
            let got = one(text).map(|part| part.unwrap_or("-".into())).join(" ");
            assert_eq!(got, want, "{text}");
        }
    }

    #[test]
    fn several() {
        for (text, begin, filter) in [
            ("gcp:*", "", None),
            ("gcp:imip-*", "imip-", None),
            ("gcp:projects/p/secrets/imip-*", "imip-", None),
            ("gcp:*?label=app=imip", "", Some("labels.app=imip")),
            ("gcp:*?label=app:imip", "", Some("labels.app=imip")),
            ("gcp:*?label=app", "", Some("labels.app:*")),
            ("gcp:*?filter=name:x", "", Some("name:x")),
            (
                "gcp:*?filter=a OR b&label=c",
                "",
                Some("(a OR b) AND labels.c:*"),
            ),
        ] {
            let want = What::Several {
                begin: begin.into(),
                filter: filter.map(str::to_owned),
            };
            assert_eq!(read(text, true).expect(text).what, want, "{text}");
        }
    }

    #[test]
    fn what_is_no_name() {
        for (text, want) in [
            ("gcp:*", Miswritten::SeveralAsValue),
            ("gcp:key?label=a", Miswritten::OfSeveral("label")),
            ("gcp:key:3", Miswritten::Letter(':')),
            ("gcp:a*b", Miswritten::Letter('*')),
            ("gcp:key?version=a.b", Miswritten::Version),
            ("gcp:key?version=../x", Miswritten::Version),
            ("gcp:key?project=A", Miswritten::Project),
            ("gcp:key?project=a/b", Miswritten::Project),
            ("gcp:key?project=..", Miswritten::Project),
            ("gcp:key?location=a.b", Miswritten::Location),
            ("gcp:key?location=a/b", Miswritten::Location),
            (
                "gcp:projects/p/secrets/k?project=q",
                Miswritten::Twice("project"),
            ),
            (
                "gcp:key/versions/3",
                Miswritten::Path("gcp:key?version=3".into()),
            ),
            ("gcp:p/key", Miswritten::Path("gcp:key?project=p".into())),
            ("gcp:secrets/key", Miswritten::Path("gcp:key".into())),
            ("gcp:projects/p/secrets/", Miswritten::Long),
        ] {
            assert_eq!(read(text, false), Err(want), "{text}");
        }
        for (text, want) in [
            ("gcp:*?version=2", Miswritten::OfOne("version")),
            ("gcp:*#a", Miswritten::FieldOfSeveral),
            ("gcp:*?label=a b", Miswritten::Label),
            ("gcp:*?label==b", Miswritten::Label),
        ] {
            assert_eq!(read(text, true), Err(want), "{text}");
        }
    }
}
