//! What `lint` says of Docker Compose and of Node.js, held against these programs themselves: no
//! difference is untold, and nothing is told that is none.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;

use envshim::format::dotenv::{Odd, Reader, others, read};
use envshim::format::json::{self, Json, quote};
use envshim::format::template::{Piece, split};

use super::generate::{self, Random};
use super::line;
use crate::house::aws::program;
use crate::house::{Folder, repository, without};

/// A file that we can read, and what is said of it for one reader.
struct Case {
    text: String,
    odd: Vec<Odd>,
}

fn cases(reader: Reader) -> Vec<Case> {
    let mut random = Random(0x0dd5);
    let mut cases = Vec::new();
    while cases.len() < 2000 {
        let text = match random.one_in(2) {
            true => (0..1 + random.below(4))
                .map(|n| line(&mut random, n))
                .collect(),
            false => String::from_utf8(generate::file(&mut random)).unwrap_or_default(),
        };
        if let Ok(mut odd) = others(text.as_bytes(), |_| true) {
            odd.retain(|odd| odd.reader == reader);
            cases.push(Case { text, odd });
        }
    }
    cases
}

/// What a reader got for our names; a name that is set by nothing but its own environment is left.
type Values = BTreeMap<String, String>;

fn values(json: &Json) -> Values {
    let Json::Object(members) = json else {
        panic!("an object")
    };
    let text = |value: &Json| value.as_str().map(str::to_owned);
    let known = members.iter();
    known
        .filter_map(|(name, value)| Some((name.clone(), text(value)?)))
        .collect()
}

/// What we make of it with an empty environment.
fn ours(text: &str) -> Values {
    let mut all = Values::new();
    for binding in read(text.as_bytes()).ok().into_iter().flatten() {
        let Some(value) = binding.value else { continue };
        let value = value.expose();
        let part =
            |range: std::ops::Range<usize>| String::from_utf8(value[range].to_vec()).expect("text");
        let pieces = split(value).into_iter().map(|piece| match piece {
            Piece::Text(range) => part(range),
            Piece::Braced(range) => part(range.start - 2..range.end + 1),
            Piece::Variable { name, default } => match all.get(&part(name)) {
                Some(value) => value.clone(),
                None => default.map(part).unwrap_or_default(),
            },
        });
        let value = pieces.collect();
        all.insert(binding.name, value);
    }
    all
}

/// The names that a reader is said to see differently, and those that it does.
fn judge(case: &Case, theirs: &[Values]) {
    let text = &case.text;
    let named: Vec<&str> = case
        .odd
        .iter()
        .filter_map(|odd| odd.name.as_deref())
        .collect();
    let ours = ours(text);
    let bindings = read(text.as_bytes()).expect("a file");
    let differs = |name: &String| theirs.iter().any(|one| one.get(name) != ours.get(name));
    for name in ours.keys() {
        // What is expanded out of another one differs with it.
        let value = bindings
            .iter()
            .filter_map(|b| b.value.as_ref().filter(|_| b.name == *name));
        let borrows = value.into_iter().any(|value| {
            let text = String::from_utf8_lossy(value.expose()).into_owned();
            named
                .iter()
                .any(|other| text.contains(&format!("{{{other}")))
        });
        assert!(
            !differs(name) || named.contains(&name.as_str()) || borrows,
            "untold: {name:?} of {text:?}: {ours:?} {theirs:?} {:?}",
            case.odd
        );
    }
    for odd in &case.odd {
        let Some(name) = &odd.name else { continue };
        let mine: Vec<_> = bindings.iter().filter(|b| b.name == *name).collect();
        let [binding] = mine.as_slice() else { continue };
        let Some(value) = &binding.value else {
            continue;
        };
        // What Compose expands is the same by chance where nothing is set.
        let by_chance = odd.reader == Reader::Compose && value.expose().contains(&b'$');
        assert!(
            differs(name) || by_chance,
            "a false alarm: {odd:?} of {text:?}: {ours:?} {theirs:?}"
        );
    }
}

#[test]
fn what_lint_says_of_node_is_what_node_does() {
    if without("node") {
        return;
    }
    let cases = cases(Reader::Node);
    let mut node = program("node", "node")
        .arg(repository().join("tests/it/oracle/dotenv_readers.cjs"))
        .arg(repository().join("target/servers/node/node_modules/dotenv"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node");
    let texts: Vec<String> = cases.iter().map(|case| quote(&case.text)).collect();
    let mut stdin = node.stdin.take().expect("stdin");
    let asked = format!("[{}]", texts.join(","));
    stdin.write_all(asked.as_bytes()).expect("texts");
    drop(stdin);
    let output = node.wait_with_output().expect("an end");
    let answers = json::parse(&output.stdout).expect("JSON");
    let answers = answers.list().expect("a list");
    assert_eq!(answers.len(), cases.len());
    for (case, answer) in cases.iter().zip(answers) {
        let both: Vec<Values> = answer.list().expect("two").iter().map(values).collect();
        judge(case, &both);
    }
    let quiet = cases.iter().filter(|case| case.odd.is_empty()).count();
    assert!(quiet > 300 && quiet < 1700, "{quiet}");
}

/// The environment that Compose would give to each service; none where it refuses a file.
fn compose(folder: &Folder, services: &[usize]) -> Option<Vec<Values>> {
    let mut file = "services:\n".to_owned();
    for n in services {
        file += &format!("  s{n}:\n    image: x\n    env_file: f{n}\n");
    }
    folder.write("compose.yml", &file);
    let output = program("compose", "docker-compose")
        .args(["config", "--format", "json"])
        .current_dir(folder.path())
        .output()
        .expect("docker-compose");
    if !output.status.success() {
        return None;
    }
    let answer = json::parse(&output.stdout).expect("JSON");
    let environment = |n: &usize| {
        let service = answer
            .get("services")
            .and_then(|all| all.get(&format!("s{n}")));
        let found = service.expect("a service").get("environment");
        let found = found.map(values).unwrap_or_default().into_iter();
        // It writes what it would read again.
        found
            .map(|(name, value)| (name, value.replace("$$", "$")))
            .collect()
    };
    Some(services.iter().map(environment).collect())
}

#[test]
fn what_lint_says_of_compose_is_what_compose_does() {
    if without("compose") {
        return;
    }
    let cases = cases(Reader::Compose);
    let folder = Folder::new();
    for (n, case) in cases.iter().enumerate() {
        folder.write(&format!("f{n}"), &case.text);
    }
    let refused = |n: &usize| cases[*n].odd.iter().any(|odd| odd.whole);
    let (refused, read): (Vec<usize>, Vec<usize>) = (0..cases.len()).partition(refused);
    assert!(refused.len() > 100, "{}", refused.len());
    for n in refused.iter().take(40) {
        let text = &cases[*n].text;
        assert!(compose(&folder, &[*n]).is_none(), "it reads {text:?}");
    }
    for some in read.chunks(100) {
        let Some(all) = compose(&folder, some) else {
            let bad = some.iter().find(|n| compose(&folder, &[**n]).is_none());
            panic!("it refuses {:?}", bad.map(|n| &cases[*n].text))
        };
        for (n, theirs) in some.iter().zip(all) {
            judge(&cases[*n], &[theirs]);
        }
    }
    let quiet = cases.iter().filter(|case| case.odd.is_empty()).count();
    assert!(quiet > 300 && quiet < 1700, "{quiet}");
}
