use super::{Fault, Part, Template, parse, parse_exact};

const SCHEMES: &[&str] = &["vault", "file", "env", "exec"];

/// The parts in a notation for tests: `T(text) V(name) R(reference?parameters)`.
fn shape(value: &str) -> Result<String, Fault> {
    let Template { parts, .. } = parse(value.as_bytes(), SCHEMES)?;
    Ok(parts
        .into_iter()
        .map(|part| match part {
            Part::Text(text) => format!("T({})", String::from_utf8_lossy(text.expose())),
            Part::Variable(v) => format!("V({})", v.name),
            Part::Reference(draft) => {
                let r = draft.fill(&mut |v| format!("<{}>", v.name));
                let field = r.field.map_or(String::new(), |field| format!("#{field}"));
                format!("R({}:{}{field}|{:?})", r.scheme, r.locator, r.parameters)
            }
        })
        .collect::<Vec<_>>()
        .join(" "))
}

#[test]
fn references_and_their_look_alikes() {
    for (value, want) in [
        ("vault:a/b#c", "R(vault:a/b#c|[])"),
        (
            "vault:a?version=3&default=x=y",
            "R(vault:a|[(\"version\", \"3\"), (\"default\", \"x=y\")])",
        ),
        (
            "file:/run/a b.key?as=file",
            "R(file:/run/a b.key|[(\"as\", \"file\")])",
        ),
        ("vault:a%23b%7D#c%3Fd", "R(vault:a#b}#c?d|[])"),
        ("vault:${STAGE}/app#k${N}", "R(vault:<STAGE>/app#k<N>|[])"),
        ("a${vault:p#f}b${X}c", "T(a) R(vault:p#f|[]) T(b) V(X) T(c)"),
        ("https://host/x#y", "T(https://host/x#y)"),
        ("file:///etc/passwd", "T(file:///etc/passwd)"),
        ("redis:6379", "T(redis:6379)"),
        (r"C:\vault:x", r"T(C:\vault:x)"),
        ("vault:", "T(vault:)"),
        ("file: see below", "T(file: see below)"),
        ("text:vault:a${X}", "T(vault:a${X})"),
        ("text:", "T()"),
        ("x vault:a", "T(x vault:a)"),
        ("${unknown:thing}", "T(${unknown:thing})"),
        ("pa$$w0rd$", "T(pa$$w0rd$)"),
        ("exec:op read op://a/b", "R(exec:op read op://a/b|[])"),
    ] {
        assert_eq!(shape(value).as_deref(), Ok(want), "{value}");
    }
}

#[test]
fn every_fault_has_its_name() {
    let vault = || "vault".to_owned();
    for (value, want) in [
        ("vault:a%2", Fault::Percent),
        ("vault:a%FF", Fault::Percent),
        ("vault:#f", Fault::NoLocator(vault())),
        ("vault:a#", Fault::NoField(vault())),
        ("vault:a#?x=1", Fault::NoField(vault())),
        ("vault:a?x", Fault::BadParameter(vault())),
        ("vault:a?x=1&", Fault::BadParameter(vault())),
        ("vault:a?=1", Fault::BadParameter(vault())),
        ("vault:a?x&y=1", Fault::BadParameter(vault())),
        ("vault:a?x=1&x=2", Fault::TwiceParameter("x".into())),
        ("x${vault:${Y}/a#b}", Fault::Nested(vault())),
        ("vault:a${file:b}", Fault::Nested(vault())),
        ("x${vault:a#b", Fault::Unclosed(vault())),
        ("x${Y}${vault:a", Fault::Unclosed(vault())),
        (
            "${vualt:a#b}",
            Fault::UnknownScheme("vualt".into(), "vault"),
        ),
    ] {
        assert_eq!(shape(value), Err(want), "{value}");
    }
}

#[test]
fn near_misses_are_suspicious() {
    let suspicion = |value: &str| {
        parse(value.as_bytes(), SCHEMES)
            .ok()
            .and_then(|t| t.suspicion)
    };
    assert_eq!(suspicion("vualt:a#b"), Some("vault"));
    assert_eq!(suspicion("redis:a#b"), None);
    assert_eq!(suspicion("vualt:a"), None);
}

#[test]
fn exact_references_keep_dollar_signs() {
    let reference = parse_exact("vault:a${b}#c")
        .and_then(Result::ok)
        .map(|r| r.to_string());
    assert_eq!(reference.as_deref(), Some("vault:a${b}#c"));
    assert!(parse_exact("nothing").is_none());
}

#[test]
fn what_is_shown_of_a_reference_holds_no_secret() {
    let shown = |text: &str| parse_exact(text).map(|read| read.map(|r| r.to_string()));
    for (text, want) in [
        ("vault:a/b#c?default=s3cr3t", "vault:a/b#c"),
        ("exec:op read --token s3cr3t#a", "exec:op ...#a"),
        ("exec:'s3cr3t'", "exec: ..."),
    ] {
        assert_eq!(shown(text), Some(Ok(want.to_owned())), "{text}");
    }
}
