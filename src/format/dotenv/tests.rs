use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};

use super::{Difference, Fault, Kind, Other, Why, is_literal, read, write};
use crate::failure::Explain;
use crate::secret::Secret;

/// `name=value` of every binding, a valueless name bare, or the places of the faults.
fn shown(text: &str) -> String {
    let shown: Vec<String> = match read(text.as_bytes()) {
        Ok(bindings) => (bindings.iter())
            .map(|binding| match &binding.value {
                None => binding.name.clone(),
                Some(value) => {
                    format!("{}={}", binding.name, value.expose().escape_ascii())
                }
            })
            .collect(),
        Err(faults) => (faults.iter())
            .map(|fault| format!("!{}:{}", fault.line, fault.column))
            .collect(),
    };
    shown.join("|")
}

#[test]
fn reads_what_python_dotenv_reads() {
    for (text, want) in [
        ("", ""),
        ("A=a b c", "A=a b c"),
        ("A=a#b\nB=#b\nC=\"a\"#b", "A=a#b|B=#b|C=a"),
        ("A=a #b\nB= #b\nC='a' #b\nD=a \t # b", "A=a|B=|C=a|D=a"),
        ("A=it's\nB=don't", "A=it\\'s|B=don\\'t"),
        ("A=a\"b\"c", "A=a\\\"b\\\"c"),
        ("A=$B\nC='${B}'\nD=100$", "A=$B|C=${B}|D=100$"),
        (r"A=a\nb", r"A=a\\nb"),
        (r#"A="a\tb\rc\xd\$e\n""#, r"A=a\tb\rc\\xd\\$e\n"),
        (r#"A="\a\b\f\v\\\'\"""#, r#"A=\x07\x08\x0c\x0b\\\'\""#),
        (r"A='a\'b\\c\nd\e\\'", r"A=a\'b\\c\\nd\\e\\"),
        ("A=`x`", "A=`x`"),
        ("A\nB #c\nexport C\nexport", "A|B|C|export"),
        ("\u{feff}A=1", "A=1"),
        ("A=1\rB=2\r\nC='a\rb\r\nc'\r\n", "A=1|B=2|C=a\\nb\\nc"),
        ("A=1\nA=2", "A=1|A=2"),
        ("A-B=1\n1A=2\na.b=3\n\"Q\"=4", "A-B=1|1A=2|a.b=3|\"Q\"=4"),
        ("'A B'=1\n'a=#\nb' = 2", "A B=1|a=#\nb=2"),
        ("é=1", "é=1"),
        (" export\t A = 1 \nexport=2", "A=1|export=2"),
        ("export #c\n# c\n\n \t\n#", ""),
        ("A=\nB==b\nC=a=b\nD=\"\"\nE=''", "A=|B==b|C=a=b|D=|E="),
        ("A=\"a\nb\"\nC=1", "A=a\\nb|C=1"),
        ("A\u{a0}=\u{2003}x\u{85}#\u{3000}y", "A=x"),
        ("A=x\u{1f}#y\nB=z\u{2028}", "A=x|B=z"),
    ] {
        assert_eq!(shown(text), want, "{text:?}");
    }
}

#[test]
fn tells_line_and_column_of_every_fault_and_of_values() {
    for (text, want) in [
        ("A='x\nB=1\nC", "!1:3"),
        ("A=1\nBé='x' y\nC=2\n=3", "!2:8|!4:1"),
        (
            "A b\nA: b\n''=1\nexport \nexport =1",
            "!1:3|!2:4|!3:1|!4:8|!5:8",
        ),
        ("'A\nB='x y", "!2:4"),
        ("'A=1\nB=2", "!1:1"),
        ("A=\"x\nB=1\"2\nC=3 4\nD 5", "!2:5|!4:3"),
        ("A=1\r\nB\u{2003}\u{feff}x\rC d", "!2:3|!3:3"),
        // The rest of an unclosed value is not a row of mistakes.
        ("K=\"BEGIN\nab cd\n==\nef\nEND x\nL=1\nM n", "!1:3|!7:3"),
        ("A=\0\nB\0=\0", "!1:3|!2:2"),
    ] {
        assert_eq!(shown(text), want, "{text:?}");
    }
    let place = |text: &str, n: usize| {
        let bindings = read(text.as_bytes()).unwrap();
        (bindings[n].line, bindings[n].column)
    };
    assert_eq!(place("\u{feff}A=1", 0), (1, 3));
    assert_eq!(place("\n'é\né' = \"x\ny\"\n  B= 2", 0), (3, 7));
    assert_eq!(place("\n'é\né' = \"x\ny\"\n  B= 2", 1), (5, 6));
    assert_eq!(place("export A", 0), (1, 8));
}

#[test]
fn tells_what_cannot_be_decoded() {
    let faults = |text: &[u8]| read(text).err().unwrap_or_default();
    let fault = |line, column, kind| Fault { line, column, kind };
    assert_eq!(
        faults(b"A=1\nB=\xc3\xa9\xff\xff\n"),
        [fault(2, 4, Kind::NotUtf8)]
    );
    assert_eq!(faults(b"\xff\xfeA\0=\0"), [fault(1, 1, Kind::Utf16)]);
    assert_eq!(faults(b"A\0=\0"), [fault(1, 1, Kind::Utf16)]);
    assert_eq!(
        faults(b"# envshim dump, format 2: x"),
        [fault(1, 1, Kind::LaterDump)]
    );
    let dump = b"# envshim dump, format 1: x\n#envshim:base64 A=/w\n#envshim:base64 B=?\n";
    assert_eq!(faults(dump), [fault(3, 19, Kind::NotBase64)]);
    assert_eq!(shown("# envshim dump, format one\n#envshim:base64 A=?"), "");
}

#[test]
fn says_what_is_wrong_without_the_text() {
    let text = "A='hunter2\nB='x' hunter2\nC hunter2\n";
    let faults = read(text.as_bytes()).err().unwrap();
    let said: Vec<String> = (faults.iter())
        .map(|fault| {
            format!(
                "{:?} {} {:?} {fault:?}",
                fault.place(),
                fault.what(),
                fault.hint()
            )
        })
        .collect();
    let said = said.join("\n");
    assert!(
        said.contains("text follows the closing quote; it was opened at 1:3"),
        "{said}"
    );
    assert!(!said.contains("hunter2"), "{said}");
}

fn dump(variables: &[(&str, &[u8])]) -> (String, Vec<Difference>) {
    let secrets: Vec<(&str, Secret)> = (variables.iter())
        .map(|(name, value)| (*name, Secret::new(value.to_vec())))
        .collect();
    let (text, differences) = write(secrets.iter().map(|(name, value)| (*name, value, false)));
    let text = String::from_utf8(text.expose().to_vec()).unwrap();
    (text, differences)
}

#[test]
fn writes_the_form_that_most_readers_agree_on() {
    let (text, differences) = dump(&[
        ("PLAIN", b"it is `$HOME` \\n #x\n\"y\""),
        ("SLASH", b"C:\\"),
        ("a.b", b"1"),
        ("QUOTE", b"it's $5"),
        ("TICK", b"it's `id`"),
        ("BYTES", b"\xff\0"),
        ("o'c x", b"1"),
        ("n\r", b"1"),
        ("a b", b"1"),
        ("EXPANDS", b"${A}"),
        ("a:b", b"1"),
    ]);
    let want = r#"# envshim dump, format 1: values are literal, nothing in them is expanded
PLAIN='it is `$HOME` \n #x
"y"'
SLASH="C:\\${ENVSHIM_UNSET:-}"
QUOTE="it's ${ENVSHIM_UNSET:-$}5"
#envshim:base64 BYTES=/wA
#envshim:base64 o'c x=MQ
#envshim:base64 =bg0=MQ
EXPANDS="${ENVSHIM_UNSET:-$}{A}"
# sh would misread what follows, and stops here
return
a.b='1'
TICK="it's `id`"
'a b'='1'
a:b='1'
"#;
    assert_eq!(text, want);
    let lines: Vec<String> = differences.iter().map(Difference::line).collect();
    assert_eq!(
        lines,
        [
            "`a.b`: skipped by sh (not a name there)",
            "`TICK`: skipped by sh (a backtick beside quotes)",
            "`BYTES`: skipped by python-dotenv, Docker Compose, sh (not UTF-8 text)",
            "`o'c x`: skipped by python-dotenv, Docker Compose, sh (not a name there)",
            "`n\r`: skipped by python-dotenv, Docker Compose, sh (not a name there)",
            "`a b`: makes Docker Compose refuse the file (not a name there); skipped by sh (not a name there)",
            "`a:b`: cut by Docker Compose (a name ends at `:` there); skipped by sh (not a name there)",
        ]
    );
    assert_eq!(differences[1].of(Other::Sh), Some(Why::Backtick));
    assert_eq!(differences[1].of(Other::Python), None);
}

#[test]
fn a_memory_file_is_for_envshim_alone() {
    let key = Secret::new(b"-----KEY\n".to_vec());
    let (text, differences) = write([("TLS", &key, true)].into_iter());
    let text = text.expose();
    assert!(text.ends_with(b"\n#envshim:file TLS=LS0tLS1LRVkK\n"));
    let bindings = read(text).unwrap();
    assert_eq!(bindings.len(), 1);
    assert!(bindings[0].as_file);
    assert_eq!(
        differences[0].line(),
        "`TLS`: skipped by python-dotenv, Docker Compose, sh (a memory file)"
    );
    // Elsewhere it is a comment.
    assert_eq!(shown("#envshim:file TLS=LS0tLS1LRVkK\nA=1"), "A=1");
}

/// Bytes with many of those that mean something in dotenv.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        2 => any::<u8>().prop_map(|byte| vec![byte]),
        2 => any::<char>().prop_map(|c| c.to_string().into_bytes()),
        8 => (0..23usize).prop_map(|n| {
            let odd: [&str; 23] = [
                "'", "\"", "\\", "$", "{", "}", "${", "${A}", "${ENVSHIM_UNSET:-$}", "${ENVSHIM_UNSET:-}", "#", " #", " ",
                "\n", "\r", "\r\n", "=", "`", "\\n", "export ", "\u{85}", "\u{feff}", "return",
            ];
            odd[n].as_bytes().to_vec()
        }),
    ];
    vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    let odd = bytes().prop_map(|bytes| {
        let name = String::from_utf8_lossy(&bytes).replace(['=', '\0'], "");
        if name.is_empty() {
            "N".to_owned()
        } else {
            name
        }
    });
    prop_oneof![Just("NAME".to_owned()), Just("return".to_owned()), odd]
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(variables in vec((name(), bytes(), any::<bool>()), 0..6)) {
        let names: std::collections::BTreeMap<String, (Secret, bool)> =
            variables.into_iter().map(|(name, value, file)| (name, (Secret::new(value), file))).collect();
        let (text, _) = write(names.iter().map(|(name, (value, file))| (name.as_str(), value, *file)));
        assert!(is_literal(text.expose()));
        let mut found: Vec<_> = read(text.expose()).expect("a dump without faults");
        found.sort_by(|a, b| a.name.cmp(&b.name));
        assert_eq!(found.len(), names.len());
        for (binding, (name, (value, file))) in found.iter().zip(&names) {
            assert_eq!((&binding.name, binding.as_file), (name, *file));
            assert_eq!(binding.value.as_ref().map(Secret::expose), Some(value.expose()));
        }
    }

    #[test]
    fn no_bytes_stop_the_reader(text in bytes()) {
        for fault in read(&text).err().unwrap_or_default() {
            assert!(fault.line > 0 && fault.column > 0);
        }
    }
}
