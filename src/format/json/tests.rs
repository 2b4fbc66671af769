//! The tree, the reader and the writer; `tests/it/json.rs` compares them with Python's.

use proptest::prelude::*;

use super::{Fault, Json, Kind, NoField, parse, pick, quote};
use crate::failure::Explain;
use crate::secret::Secret;

fn read(text: &str) -> Json {
    parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{fault:?}"))
}

fn fault(bytes: impl AsRef<[u8]>) -> (usize, usize, Kind) {
    match parse(bytes.as_ref()) {
        Ok(_) => panic!("it was read"),
        Err(Fault { line, column, kind }) => (line, column, kind),
    }
}

fn spoken(secret: &Secret) -> &str {
    std::str::from_utf8(secret.expose()).unwrap()
}

fn compact(text: &str) -> String {
    spoken(&read(text).compact()).to_owned()
}

fn picked(text: &str, field: &str) -> Result<String, NoField> {
    pick(&read(text), field).map(|secret| spoken(&secret).to_owned())
}

#[test]
fn every_kind_of_value_is_read_and_written() {
    let text = "\u{feff} {\"a\" : [1.10, -0, 1E+400, true,false,null, \"\"] ,\r\n\t\"b\":{}, \"c\":[ ]} \n";
    assert_eq!(
        compact(text),
        "{\"a\":[1.10,-0,1E+400,true,false,null,\"\"],\"b\":{},\"c\":[]}"
    );
    let escapes = r#""\"\\\/\b\f\n\r\t\u0041\u00e9\u20AC\ud83d\uDE00\u0000""#;
    assert_eq!(
        spoken(&read(escapes).render()),
        "\"\\/\u{8}\u{c}\n\r\tA\u{e9}\u{20ac}\u{1f600}\0"
    );
    assert_eq!(
        quote("a\"\\\n\r\t\u{1}\u{7f}\u{e9}"),
        r#""a\"\\\n\r\t\u0001\u007f"#.to_owned() + "\u{e9}\""
    );
}

#[test]
fn the_last_of_two_fields_counts_at_the_place_of_the_first() {
    assert_eq!(
        compact(r#"{"a":1,"b":2,"a":3,"\u0061":4,"c":5,"b":6}"#),
        r#"{"a":4,"b":6,"c":5}"#
    );
    let many: Vec<String> = (0..100_000)
        .map(|n| format!("\"{}\":{n}", n % 60_000))
        .collect();
    let Json::Object(fields) = read(&format!("{{{}}}", many.join(","))) else {
        panic!("no object")
    };
    assert_eq!(fields.len(), 60_000);
    assert_eq!(fields[3].1.whole(), Some(60_003));
    assert_eq!(fields[59_999].1.whole(), Some(59_999));
}

#[test]
fn faults_tell_the_place_and_the_kind() {
    assert_eq!(fault(""), (1, 1, Kind::Empty));
    assert_eq!(fault("\u{feff} \n"), (2, 1, Kind::Empty));
    assert_eq!(fault(b"{\"a\": \"\xff\"}"), (1, 8, Kind::NotUtf8));
    assert_eq!(fault(b"\xff\xfe{\0}\0"), (1, 1, Kind::NotUtf8));
    assert_eq!(fault("{\n \"\u{e9}\u{20ac}\": nul}"), (2, 8, Kind::Value));
    assert_eq!(fault("NaN"), (1, 1, Kind::Value));
    assert_eq!(fault("-Infinity"), (1, 2, Kind::Number));
    assert_eq!(fault("[1,]"), (1, 4, Kind::Value));
    assert_eq!(fault("{\"a\":1,}"), (1, 8, Kind::Name));
    assert_eq!(fault("{'a':1}"), (1, 2, Kind::Name));
    assert_eq!(fault("{\"a\"=1}"), (1, 5, Kind::Colon));
    assert_eq!(fault("{\"a\":1 \"b\":2}"), (1, 8, Kind::Comma));
    assert_eq!(fault("[1}"), (1, 3, Kind::Comma));
    assert_eq!(fault("{\"a\": \"never closed}"), (1, 7, Kind::Unclosed));
    assert_eq!(fault("[\"\\"), (1, 2, Kind::Unclosed));
    for open in [
        "[",
        "[1",
        "[1,",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,",
    ] {
        assert_eq!(fault(open), (1, open.len() + 1, Kind::Unclosed));
    }
    assert_eq!(fault("\"a\nb\""), (1, 3, Kind::Control));
    assert_eq!(fault("\"\\x41\""), (1, 2, Kind::Escape));
    for half in ["\\u12", "\\u+123", "\\u12g4"] {
        assert_eq!(fault(format!("\"{half}\"")), (1, 2, Kind::Escape));
    }
    for half in [
        "\\ud83d",
        "\\ude00",
        "\\ud83d\\u0041",
        "\\ud83dx",
        "\\ude00\\ud83d",
    ] {
        assert_eq!(fault(format!("\"{half}\"")), (1, 2, Kind::Surrogate));
    }
    for number in ["01", "-", "1.", ".5", "1e", "1e+", "+1", "-01", "0x10"] {
        assert!(parse(number.as_bytes()).is_err(), "{number}");
    }
    assert_eq!(fault("[1] x"), (1, 5, Kind::Trailing));
    assert_eq!(fault("truely"), (1, 5, Kind::Trailing));
    let deep = |n: usize| "[".repeat(n) + &"]".repeat(n);
    assert_eq!(compact(&deep(64)), deep(64));
    assert_eq!(fault(deep(65)), (1, 65, Kind::Deep));
    assert_eq!(fault("{\"a\":".repeat(1_000_000)).2, Kind::Deep);
}

#[test]
fn a_fault_holds_nothing_of_the_document() {
    let Err(fault) = parse(b"{\"password\": hunter2}") else {
        panic!("it was read")
    };
    assert_eq!(
        fault.what(),
        "not JSON at line 1, column 14: a value belongs here"
    );
    let said = format!("{fault:?} {} {:?}", fault.what(), fault.hint());
    assert!(!said.contains("hunter2") && !said.contains("password"));
}

#[test]
fn fields_are_found_by_name_and_by_path() {
    let text = r#"{"a.b":"name","a":{"b":"path","c":[10,{"d":"\u00e9"}],"e.f":{"g":1.50}},"n":null,
                   "x.y":{"z":true},"":"nothing","o":{"k":[]}}"#;
    for (field, want) in [
        ("a.b", "name"),
        ("a.c.0", "10"),
        ("a.c.1.d", "\u{e9}"),
        ("a.e.f.g", "1.50"),
        ("x.y.z", "true"),
        ("", "nothing"),
        ("o", r#"{"k":[]}"#),
        ("a.c", "[10,{\"d\":\"\u{e9}\"}]"),
    ] {
        assert_eq!(picked(text, field).as_deref(), Ok(want), "{field}");
    }
    assert_eq!(picked("[5,[6]]", "1.0").as_deref(), Ok("6"));
    for absent in [
        "b", "a.", ".a", "a.c.2", "a.c.-1", "a.c.+0", "a.c.", "a.b.c", "A.b",
    ] {
        assert!(picked(text, absent).is_err(), "{absent}");
    }
}

#[test]
fn what_is_missing_is_told_with_what_there_is() {
    let text = r#"{"username":"u","passwd":"hunter2","old":null,"db":{"host":"h","port":1}}"#;
    let missing = picked(text, "password").unwrap_err();
    assert_eq!(missing.what(), "the secret has no field `password`");
    assert_eq!(
        missing.hint().as_deref(),
        Some("did you mean `passwd`? it has `username`, `passwd`, `db`")
    );
    assert_eq!(
        picked(text, "db.hots").unwrap_err().hint().as_deref(),
        Some("did you mean `db.host`? it has `db.host`, `db.port`")
    );
    assert_eq!(
        picked(text, "old").unwrap_err().what(),
        "the field `old` is null"
    );
    let plain = picked("\"hunter2\"", "a").unwrap_err();
    assert_eq!(
        plain.what(),
        "the secret is text, it has no fields and no `a`"
    );
    assert_eq!(plain.hint().as_deref(), Some("leave out `#a`"));
    let many: Vec<String> = (0..20).map(|n| format!("\"name{n:02}\":1")).collect();
    let hint = picked(&format!("{{{}}}", many.join(",")), "other")
        .unwrap_err()
        .hint()
        .unwrap();
    assert!(hint.ends_with("`name11` and 8 more"), "{hint}");
    let forged = picked("{\"a\\nenvshim: error: b\":1}", "z").unwrap_err();
    assert!(!forged.hint().unwrap().contains('\n'));
}

#[test]
fn fields_for_an_import_are_rendered_and_nulls_are_named() {
    let fields = read(r#"{"t":"a b","n":1.0,"b":false,"l":[1, 2],"z":null}"#)
        .object_fields()
        .unwrap();
    let present: Vec<(&str, &str)> = fields
        .present
        .iter()
        .map(|(name, value)| (name.as_str(), spoken(value)))
        .collect();
    assert_eq!(
        present,
        [("t", "a b"), ("n", "1.0"), ("b", "false"), ("l", "[1,2]")]
    );
    assert_eq!(fields.null, ["z"]);
    assert!(read("[1]").object_fields().is_none());
}

#[test]
fn typed_pickers_give_only_their_type() {
    let json = read(r#"{"n":3600,"t":"3808858755","f":1.5,"m":-1,"p":"+1","l":[1]}"#);
    let whole = |name: &str| json.get(name).and_then(Json::whole);
    assert_eq!(whole("n"), Some(3600));
    assert_eq!(whole("t"), Some(3_808_858_755));
    assert_eq!(
        (whole("f"), whole("m"), whole("p"), whole("l")),
        (None, None, None, None)
    );
    assert_eq!(json.get("t").and_then(Json::as_str), Some("3808858755"));
    assert!(json.get("n").and_then(Json::text).is_none());
    assert_eq!(
        json.get("l").and_then(Json::list).map(<[Json]>::len),
        Some(1)
    );
}

/// [`Json`] without the secrets, so that proptest can print it.
#[derive(Debug, Clone)]
enum Plain {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Plain>),
    Object(Vec<(String, Plain)>),
}

impl Plain {
    fn json(&self) -> Json {
        match self {
            Plain::Null => Json::Null,
            Plain::Bool(yes) => Json::Bool(*yes),
            Plain::Number(digits) => Json::Number(Secret::new(digits.clone().into_bytes())),
            Plain::Text(text) => Json::Text(Secret::new(text.clone().into_bytes())),
            Plain::List(entries) => Json::List(entries.iter().map(Plain::json).collect()),
            Plain::Object(fields) => Json::Object(
                fields
                    .iter()
                    .map(|(name, value)| (name.clone(), value.json()))
                    .collect(),
            ),
        }
    }

    fn same(&self, json: &Json) -> bool {
        match (self, json) {
            (Plain::Null, Json::Null) => true,
            (Plain::Bool(a), Json::Bool(b)) => a == b,
            (Plain::Number(a), Json::Number(b)) | (Plain::Text(a), Json::Text(b)) => {
                a.as_bytes() == b.expose()
            }
            (Plain::List(a), Json::List(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.same(b))
            }
            (Plain::Object(a), Json::Object(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.0 == b.0 && a.1.same(&b.1))
            }
            _ => false,
        }
    }
}

fn plain() -> impl Strategy<Value = Plain> {
    let leaf = prop_oneof![
        Just(Plain::Null),
        any::<bool>().prop_map(Plain::Bool),
        "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,9})?([eE][-+]?[0-9]{1,3})?".prop_map(Plain::Number),
        any::<String>().prop_map(Plain::Text),
    ];
    leaf.prop_recursive(6, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Plain::List),
            prop::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|fields| Plain::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(plain in plain()) {
        let written = plain.json().compact();
        let read = parse(written.expose()).map_err(|f| TestCaseError::fail(f.what()))?;
        prop_assert!(plain.same(&read));
    }

    #[test]
    fn quote_is_read_back(text in any::<String>()) {
        let read = parse(quote(&text).as_bytes()).map_err(|f| TestCaseError::fail(f.what()))?;
        prop_assert_eq!(read.as_str(), Some(text.as_str()));
    }

    #[test]
    fn no_bytes_can_stop_the_reader(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(b"{}[]\",:\\u019ade. \n".to_vec())], 0..60)) {
        if let Ok(json) = parse(&bytes) {
            let once = json.compact();
            let again = parse(once.expose()).map_err(|f| TestCaseError::fail(f.what()))?.compact();
            prop_assert_eq!(once.expose(), again.expose());
        }
    }
}
