//! `explain`: who wins, who loses, where it comes from.

use crate::house::Shim;
use crate::house::pty::Pty;

/// A `.vault` in which many want to be `A`.
fn contested() -> Shim {
    let vault = "SECRET_MANAGER_PATH=.\nENVSHIM_IMPORT=file:one.json,file:two.json\nA=first\nA=file:a\nN=file:none?optional=1\nI=${A}\n";
    Shim::new()
        .file(".vault", vault)
        .file("a", "c4n4ry")
        .file("one.json", r#"{"A":"c4n4ry","J":"c4n4ry"}"#)
        .file("two.json", r#"{"A":"c4n4ry","J":"c4n4ry"}"#)
}

/// The cells of the rows under the head: source, reference, what became of it.
fn rows(text: &str) -> Vec<[String; 3]> {
    let rows = text.lines().skip_while(|line| !line.starts_with("SOURCE "));
    let cells = rows.skip(1).map(|row| {
        let cells: Vec<&str> = row
            .split("  ")
            .map(str::trim)
            .filter(|c| !c.is_empty())
            .collect();
        [cells[0], cells[2], cells[cells.len() - 1]].map(str::to_owned)
    });
    cells.collect()
}

#[test]
fn who_wins_and_who_loses() {
    let explained = |shim: Shim, name: &str| {
        let answer = shim.args("explain").arg(name).run().ok();
        answer.hides("c4n4ry").out
    };
    let out = explained(contested(), "A");
    assert!(
        out.starts_with("A: set\nsource: `.vault` is there: there is no dump before it\n"),
        "{out}"
    );
    let want = [
        [".vault:4", "file:a", "wins"],
        ["import file:one.json", "file:one.json", "loses"],
        [".vault:3", "-", "loses"],
        ["import file:two.json", "file:two.json", "loses"],
    ];
    let mut found = rows(&out);
    assert_eq!(found.remove(0), want[0]);
    assert_eq!(found.len(), 3, "{out}");
    for row in &want[1..] {
        assert!(found.iter().any(|found| found == row), "{row:?}\n{out}");
    }

    // The environment has one as well.
    let out = explained(contested().env("A", "mine"), "A");
    assert!(
        out.starts_with("A: already set, OTHER value stays\n"),
        "{out}"
    );
    assert_eq!(rows(&out)[0], ["environment", "-", "wins"]);
    assert_eq!(rows(&out)[1], [".vault:4", "file:a", "loses"]);
    let out = explained(contested().env("A", "mine").args("--override"), "A");
    assert!(
        out.starts_with("A: replaces the value that was set\n"),
        "{out}"
    );
    assert_eq!(rows(&out)[1], ["environment", "-", "loses"]);
    let out = explained(contested().env("A", "c4n4ry"), "A");
    assert_eq!(rows(&out)[1], [".vault:4", "file:a", "agrees"]);

    let out = explained(contested(), "N");
    assert!(
        out.starts_with("N: not set: optional, and missing\n"),
        "{out}"
    );
    assert_eq!(rows(&out), [[".vault:5", "file:none", "missing"]]);
    let out = explained(contested(), "J");
    assert_eq!(
        rows(&out)[0],
        ["import file:two.json", "file:two.json", "wins"]
    );
    let out = explained(contested().env("K", "x"), "K");
    assert!(
        out.starts_with("K: inherited, and nothing loads it\n"),
        "{out}"
    );
    let out = explained(contested().env("ENVSHIM_KEY", "c4n4ry"), "ENVSHIM_KEY");
    assert!(
        out.starts_with("ENVSHIM_KEY: kept from the program\n"),
        "{out}"
    );
    // A dump comes first, and says so.
    let out = explained(contested().file(".env.dump", "A=c4n4ry\n"), "A");
    assert!(
        out.contains("source: `.env.dump` is there: it comes first"),
        "{out}"
    );
}

#[test]
fn nothing_of_that_name() {
    let answer = contested().args("explain B").run().exits(1);
    answer
        .says("envshim: error: B: .vault gives no such variable\n")
        .says("envshim: hint: ");
    let answer = contested()
        .env("DATABASE_URL", "x")
        .args("explain DATABSE_URL");
    answer
        .run()
        .exits(1)
        .says("hint: did you mean DATABASE_URL?");
}

#[test]
fn as_json() {
    let answer = contested().args("explain --json A").run().ok();
    let answer = answer.hides("c4n4ry");
    let json = envshim::format::json::parse(answer.bytes.trim_ascii());
    let Ok(json) = json else {
        panic!("{}", answer.out)
    };
    let text = |path: &str| {
        json.pointer(path)
            .and_then(|j| j.as_str())
            .map(str::to_owned)
    };
    assert_eq!(text("decision").as_deref(), Some("set"));
    assert_eq!(text("claims.0.source").as_deref(), Some(".vault:4"));
    assert_eq!(text("claims.0.references.0").as_deref(), Some("file:a"));
    assert!(text("claims.0.changed").is_some_and(|time| time.ends_with('Z')));
}

#[test]
fn a_variable_alone_is_asked_for() {
    // Other lines may be broken: it is one of them that is looked at.
    let vault = "A=file:a\nB=exec:false\nSECRET_MANAGER_PATH=.\n";
    let shim = || Shim::new().file(".vault", vault).file("a", "x");
    shim().args("explain A").run().ok();
    shim().args("get A").run().ok();
    shim().args("export --format sh A").run().ok();
    shim().args("explain B").run().exits(125);
}

#[test]
fn colours_on_a_terminal() {
    let shown = |variables: &[(&str, &str)], words: &[&str]| {
        let shim = contested().env("A", "mine").args("--log=error");
        let mut command = shim.command();
        command.args(words).envs(variables.iter().copied());
        Pty::spawn(command).end().exits(0).shown
    };
    let text = shown(&[("TERM", "xterm")], &["check"]);
    assert!(
        text.contains("\x1b[33malready set, OTHER value stays\x1b[0m"),
        "{text:?}"
    );
    assert!(text.contains("\x1b[1mVARIABLE\x1b[0m"), "{text:?}");
    for plain in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let text = shown(&[plain], &["check"]);
        assert!(!text.contains('\x1b'), "{text:?}");
    }
}
