use super::{Format, Refused, Variable, is_k8s_name, masks, write};
use crate::failure::Explain;
use crate::secret::Secret;

fn one(format: Format, name: &str, value: &[u8]) -> Result<String, Vec<Refused>> {
    let value = Secret::new(value.to_vec());
    let variable = Variable {
        name,
        value: &value,
        as_file: false,
    };
    let made = write(format, &[variable], "app", "END")?;
    Ok(String::from_utf8_lossy(made.expose()).into_owned())
}

#[test]
fn forms() {
    for (format, want) in [
        (Format::Sh, "export A='it'\\''s $x'\n"),
        (Format::Json, "{\"A\":\"it's $x\"}\n"),
        (Format::Docker, "A=it's $x\n"),
        (Format::Github, "A<<END\nit's $x\nEND\n"),
        (
            Format::K8s,
            "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"app\"\ntype: Opaque\ndata:\n  \"A\": \"aXQncyAkeA==\"\n",
        ),
    ] {
        assert_eq!(one(format, "A", b"it's $x").unwrap(), want);
    }
}

#[test]
fn what_a_form_cannot_hold_is_refused_by_name() {
    for (format, name, value, why) in [
        (Format::Sh, "A-B", &b"x"[..], "no name there"),
        (Format::Sh, "UID", b"x", "shells keep"),
        (Format::Sh, "A", b"\0", "NUL"),
        (Format::Json, "A", b"\xff", "UTF-8"),
        (Format::Docker, "A", b"x\ny", "line end"),
        (Format::Docker, "A", b"x\r", "line end"),
        (Format::Docker, "A", b"'x'", "quote"),
        (Format::Docker, "A B", b"x", "no name"),
        (Format::Docker, "#A", b"x", "no name"),
        (Format::Docker, "A", &[b'x'; 65_533], "64 KiB"),
        (Format::Docker, "A", b"\xff", "UTF-8"),
        (Format::Github, "GITHUB_TOKEN", b"x", "runners keep"),
        (Format::Github, "node_options", b"x", "runners keep"),
        (Format::Github, "A<B", b"x", "no name"),
        (Format::K8s, "A:B", b"x", "no name"),
        (Format::K8s, "A", &[b'x'; (1 << 20) + 1], "1 MiB"),
    ] {
        let refused = one(format, name, value).unwrap_err();
        let said = refused[0].what();
        assert!(said.contains(why) && said.starts_with(name), "{said}");
    }
    assert!(one(Format::Docker, "A", &[b'x'; 65_532]).is_ok());
}

#[test]
fn masks_are_one_line_each() {
    let (long, short) = (Secret::new(b"a%\r\nb".to_vec()), Secret::new(b"1".to_vec()));
    let variable = |name, value| Variable {
        name,
        value,
        as_file: false,
    };
    let (text, names) = masks(&[variable("A", &long), variable("B", &short)]);
    assert_eq!(text.expose(), b"::add-mask::a%25%0D%0Ab\n");
    assert_eq!(names, ["B"]);
}

#[test]
fn names_of_secrets() {
    for name in ["app", "a.b-c", "1"] {
        assert!(is_k8s_name(name));
    }
    for name in ["", "App", "a_b", "-a", "a-", "a..b", ".a", &"a".repeat(254)] {
        assert!(!is_k8s_name(name), "{name}");
    }
}
