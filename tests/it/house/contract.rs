//! What every provider promises, whatever stands behind it. A chapter implements [`Store`] for its
//! provider, calls [`keeps_its_promises`], and is named in [`KEPT`]; a row without a chapter fails.
//!
//! The promises are about what a user sees of the real binary. A store that cannot hold something
//! (a NUL in a variable, bytes in a JSON text) says so in [`Store::holds`]; it cannot leave a promise out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::{Answer, Shim};

/// The schemes whose chapters call [`keeps_its_promises`].
pub const KEPT: &[&str] = &[
    "aws", "azure", "env", "exec", "file", "gcp", "hcp", "ssm", "vault",
];

/// A store that a test can fill.
pub trait Store {
    /// Puts secrets into it, under names of small letters and digits, and makes a shim that
    /// reaches it: settings, files, credentials, the address of a server.
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim;

    /// How a secret is referred to: `scheme:...`, without field and parameters.
    fn reference(&self, name: &str) -> String;

    /// How messages show that.
    fn shown(&self, name: &str) -> String {
        self.reference(name)
    }

    /// Whether a secret can have this value.
    fn holds(&self, value: &[u8]) -> bool;

    /// References that it has to look up one by one are looked up once each, however often they are
    /// written: how often a secret was asked for. None where nobody can count.
    fn asked(&self, answer: &Answer, name: &str) -> Option<usize>;

    /// A shim with a store that never answers, and a reference to it. None where nothing can hang.
    fn hanging(&self) -> Option<(Shim, String)>;

    /// Whether a secret can be a text, which has no fields.
    fn has_texts(&self) -> bool {
        true
    }

    /// The words by which it says that there is no such secret, `{}` being the reference; none
    /// where a reference that leads nowhere cannot be told from a store that is broken.
    fn missing(&self) -> Option<&'static str>;
}

const OBJECT: &[u8] =
    br#"{"user":"app","password":"p$\"\u00e9","port":5432,"none":null,"deep":{"er":"est"}}"#;

/// A promise, and what shows that it is kept.
type Promise = (&'static str, fn(&dyn Store));

/// All promises, one after the other; a panic names the one that is broken.
pub fn keeps_its_promises(store: &dyn Store) {
    let promises: [Promise; 9] = [
        ("every byte arrives", every_byte_arrives),
        ("fields of JSON objects", fields),
        ("what is missing", missing),
        ("answers in the order of the questions", order),
        ("a hundred at once", many),
        ("what is asked twice is asked once", once),
        ("nothing is looked at again", literal),
        ("the deadline holds", deadline),
        ("no value is ever told", untold),
    ];
    for (promise, keep) in promises {
        println!("{}: {promise}", store.reference("x"));
        keep(store);
    }
}

/// A `.vault` in front of the store.
fn vault(store: &dyn Store, secrets: &[(&str, &[u8])], lines: &[(&str, String)]) -> Shim {
    let text: String = lines
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect();
    store.shim(secrets).file(".vault", text)
}

fn every_byte_arrives(store: &dyn Store) {
    let all: Vec<u8> = (1..=255).collect();
    let long = "x".repeat(60_000);
    for value in [
        b"plain".as_slice(),
        b"",
        b" white \t space ",
        b"two\nlines\nand an end\n\n",
        b"cr\r\nlf\r\r.",
        b"$ $$ ${HOME} ${HOME:-x} $(id) `id` %41 \\n \\",
        b"'single' \"double\" #hash",
        b"file:one text:two ${env:HOME}",
        "gr\u{fc}\u{df}e \u{1f511}".as_bytes(),
        b"\xff\xfe not UTF-8",
        &all,
        long.as_bytes(),
    ] {
        if !store.holds(value) {
            continue;
        }
        let shim = vault(store, &[("one", value)], &[("A", store.reference("one"))]);
        shim.env("HOME", "/h").environment().has("A", value).quiet();
    }
}

fn fields(store: &dyn Store) {
    let reference = store.reference("one");
    let line = |name: &'static str, field: &str| (name, format!("'{reference}#{field}'"));
    let lines = [
        line("A", "user"),
        line("B", "password"),
        line("C", "port"),
        line("D", "deep"),
        line("E", "deep.er"),
    ];
    let answer = vault(store, &[("one", OBJECT)], &lines)
        .environment()
        .quiet();
    let answer = answer
        .has("A", "app")
        .has("B", "p$\"\u{e9}")
        .has("C", "5432");
    answer.has("D", r#"{"er":"est"}"#).has("E", "est");

    let unknown = vault(store, &[("one", OBJECT)], &[line("A", "usr")]).refused();
    unknown
        .says(&format!(
            ".vault:1: A: {}#usr: the secret has no field `usr`\n",
            store.shown("one")
        ))
        .says("hint: did you mean `user`? it has `");
    let null = vault(store, &[("one", OBJECT)], &[line("A", "none")]).refused();
    null.says("the field `none` is null");
    for field in ["usr", "none"] {
        let lines = [
            ("A", format!("{reference}#{field}?default=d")),
            ("B", format!("{reference}#{field}?optional=1")),
        ];
        vault(store, &[("one", OBJECT)], &lines)
            .environment()
            .has("A", "d")
            .lacks("B")
            .quiet();
    }
    if !store.has_texts() {
        return;
    }
    // Another shape is a mistake that no default mends.
    let text = vault(
        store,
        &[("one", b"text")],
        &[("A", format!("{reference}#user?default=d"))],
    )
    .refused();
    text.says("the secret has no fields, for it is not JSON");
}

fn missing(store: &dyn Store) {
    let there: &[(&str, &[u8])] = &[("one", b"1")];
    let reference = store.reference("none");
    let Some(words) = store.missing() else {
        vault(store, there, &[("A", format!("{reference}?default=d"))]).refused();
        return;
    };
    let answer = vault(store, there, &[("A", reference.clone())]).refused();
    let words = words.replace("{}", &store.shown("none"));
    let answer = answer
        .says(&format!("envshim: error: .vault:1: A: {words}"))
        .says("envshim: hint: ");
    assert_eq!(answer.err.lines().count(), 2, "{}", answer.err);
    let lines = [
        ("A", format!("{reference}?default=d")),
        ("B", format!("{reference}?optional=1")),
        ("C", store.reference("one")),
    ];
    vault(store, there, &lines)
        .environment()
        .has("A", "d")
        .lacks("B")
        .has("C", "1")
        .quiet();
    // Several are told in one run, in their order.
    let lines = [("Z", reference.clone()), ("A", store.reference("nil"))];
    let answer = vault(store, there, &lines).refused();
    let at = |text: &str| {
        answer
            .err
            .find(text)
            .unwrap_or_else(|| panic!("{text}: {}", answer.err))
    };
    assert!(at(".vault:1: Z: ") < at(".vault:2: A: "));
}

fn order(store: &dyn Store) {
    let names = ["c", "a", "d", "b"];
    let secrets: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, name.as_bytes())).collect();
    let variables = ["ORDER_1", "ORDER_2", "ORDER_3", "ORDER_4"];
    let lines: Vec<(&str, String)> = variables
        .into_iter()
        .zip(names)
        .map(|(v, n)| (v, store.reference(n)))
        .collect();
    let answer = vault(store, &secrets, &lines).environment();
    let loaded = answer
        .strings()
        .into_iter()
        .filter(|string| string.starts_with(b"ORDER_"))
        .collect::<Vec<_>>();
    assert_eq!(
        loaded,
        [b"ORDER_1=c", b"ORDER_2=a", b"ORDER_3=d", b"ORDER_4=b"]
    );
}

fn many(store: &dyn Store) {
    let names: Vec<String> = (0..100).map(|n| format!("s{n}")).collect();
    let secrets: Vec<(&str, &[u8])> = names
        .iter()
        .map(|name| (name.as_str(), name.as_bytes()))
        .collect();
    let text: BTreeMap<String, String> = names
        .iter()
        .map(|n| (n.to_uppercase(), store.reference(n)))
        .collect();
    let lines: Vec<(&str, String)> = text.iter().map(|(v, r)| (v.as_str(), r.clone())).collect();
    let mut answer = vault(store, &secrets, &lines).environment().quiet();
    for name in &names {
        answer = answer.has(&name.to_uppercase(), name);
    }
}

fn once(store: &dyn Store) {
    let reference = store.reference("one");
    let lines = [
        ("A", reference.clone()),
        ("B", reference.clone()),
        ("C", format!("<${{{reference}}}>")),
    ];
    let answer = vault(store, &[("one", b"1")], &lines)
        .environment()
        .has("A", "1")
        .has("B", "1")
        .has("C", "<1>");
    if let Some(count) = store.asked(&answer, "one") {
        assert_eq!(count, 1);
    }
}

fn literal(store: &dyn Store) {
    let reference = store.reference("one");
    let value = format!("${{HOME}} ${{{}}} $A", store.reference("two"));
    let secrets: [(&str, &[u8]); 2] = [("one", value.as_bytes()), ("two", b"2")];
    let lines = [
        ("A", reference),
        ("B", "${A}".to_owned()),
        ("C", "x${A}".to_owned()),
    ];
    let answer = vault(store, &secrets, &lines)
        .env("HOME", "/h")
        .environment();
    answer
        .has("A", &value)
        .has("B", &value)
        .has("C", format!("x{value}"));
}

fn deadline(store: &dyn Store) {
    let Some((shim, reference)) = store.hanging() else {
        return;
    };
    let begin = Instant::now();
    let shim = shim.file(
        ".vault",
        format!("OK=1\nA={reference}\nB={reference}?default=d\n"),
    );
    let answer = shim.args("--timeout 300ms").refused();
    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(
        begin.elapsed() < Duration::from_secs(3),
        "{:?}",
        begin.elapsed()
    );
    // A store that is slow is not one that lacks the secret: no default speaks.
    answer
        .says("envshim: error: .vault:2: A: ")
        .says("300 ms")
        .says("envshim: hint: ");
}

fn untold(store: &dyn Store) {
    let value = br#"{"user":"c4n4ry"}"#;
    let reference = store.reference("one");
    for lines in [
        vec![("A", format!("{reference}#password"))],
        vec![("A", format!("{reference}#user.x"))],
        vec![("A", format!("{reference}?decode=base64"))],
        vec![
            ("A", format!("{reference}#user")),
            ("B", store.reference("none")),
        ],
    ] {
        let answer = vault(store, &[("one", value)], &lines)
            .args("--log=debug")
            .refused();
        answer.hides("c4n4ry");
    }
    let check = vault(store, &[("one", value)], &[("A", reference)])
        .args("--log=debug check --json")
        .run();
    check.ok().hides("c4n4ry");
}
