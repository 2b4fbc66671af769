//! Signatures and addresses, compared with those of botocore.

use std::io::Write;
use std::process::Stdio;
use std::time::{Duration, UNIX_EPOCH};

use base64ct::{Base64, Encoding};
use envshim::credential::aws::{Endpoints, Service};
use envshim::credential::sigv4::{Keys, Request, Scope, sign};
use envshim::format::json::quote;
use envshim::secret::Secret;
use proptest::prelude::{Strategy, any, prop};
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::house::aws::program;
use crate::house::{repository, without};

/// What a Python program prints for these lines.
fn oracle(name: &str, input: String) -> String {
    let mut child = program("moto", "python")
        .arg(repository().join("tests/it/oracle").join(name))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let mut stdin = child.stdin.take().expect("stdin");
    let writer = std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
    let output = child.wait_with_output().expect("an end");
    drop(writer.join());
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

#[derive(Debug)]
struct Case {
    method: &'static str,
    host: String,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    token: Option<String>,
    secret: String,
    region: String,
    service: String,
    seconds: u64,
}

fn cases() -> impl Strategy<Value = Case> {
    let methods = prop::sample::select(vec!["GET", "POST", "PUT", "DELETE"]);
    let segment = "[A-Za-z0-9._~!$&'()*+,;=:@-]{0,8}|%[0-9A-F]{2}|\\.|\\.\\.";
    let path =
        prop::collection::vec(segment, 0..5).prop_map(|parts| format!("/{}", parts.join("/")));
    let pair = "[A-Za-z0-9_.~-]{1,6}(=[A-Za-z0-9._~%+-]{0,8})?";
    let query = prop::collection::vec(pair, 0..5).prop_map(|pairs| pairs.join("&"));
    let header = ("x-[a-z]{1,8}", "[!-~]{1,6}( {1,3}[!-~]{1,6}){0,3}");
    (
        (methods, "[a-z]{1,10}\\.example(:8[0-9]{3})?", path, query),
        prop::collection::btree_map(header.0, header.1, 0..4),
        prop::collection::vec(any::<u8>(), 0..200),
        prop::option::of("[A-Za-z0-9/+=]{1,300}"),
        "[A-Za-z0-9/+]{1,80}",
        (
            "[a-z]{2}-[a-z]{4}-[1-9]",
            "[a-z]{2,14}",
            0u64..4_000_000_000,
        ),
    )
        .prop_map(
            |((method, host, path, query), headers, body, token, secret, last)| Case {
                method,
                host,
                path: if query.is_empty() {
                    path
                } else {
                    format!("{path}?{query}")
                },
                headers: headers.into_iter().collect(),
                body,
                token,
                secret,
                region: last.0,
                service: last.1,
                seconds: last.2,
            },
        )
}

fn asked(case: &Case) -> String {
    let headers: Vec<String> = case
        .headers
        .iter()
        .map(|(name, value)| format!("[{},{}]", quote(name), quote(value)))
        .collect();
    let token = case.token.as_deref().map_or("null".to_owned(), quote);
    format!(
        "[{},{},[{}],{},\"AKID\",{},{token},{},{},{}]\n",
        quote(case.method),
        quote(&format!("https://{}{}", case.host, case.path)),
        headers.join(","),
        quote(&Base64::encode_string(&case.body)),
        quote(&case.secret),
        quote(&case.region),
        quote(&case.service),
        case.seconds
    )
}

fn ours(case: &Case) -> String {
    let secret = |text: &str| Secret::new(text.as_bytes().to_vec());
    let keys = Keys {
        id: "AKID".to_owned(),
        secret: secret(&case.secret),
        token: case.token.as_deref().map(secret),
    };
    let headers: Vec<(&str, &str)> = case
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let request = Request {
        method: case.method,
        host: &case.host,
        path: &case.path,
        headers: &headers,
        body: &case.body,
    };
    let scope = Scope {
        region: &case.region,
        service: &case.service,
        at: UNIX_EPOCH + Duration::from_secs(case.seconds),
    };
    sign(&keys, &scope, &request).authorization
}

#[test]
fn signatures_are_those_of_botocore() {
    if without("moto") {
        return;
    }
    let mut runner = TestRunner::new(Config::default());
    let strategy = cases();
    let cases: Vec<Case> = (0..5_000)
        .map(|_| strategy.new_tree(&mut runner).expect("a case").current())
        .collect();
    let theirs = oracle("sigv4.py", cases.iter().map(asked).collect());
    assert_eq!(theirs.lines().count(), cases.len());
    for (case, theirs) in cases.iter().zip(theirs.lines()) {
        assert_eq!(ours(case), theirs, "{case:?}");
    }
}

#[test]
fn addresses_are_those_of_botocore() {
    if without("moto") {
        return;
    }
    let lines = oracle("endpoints.py", String::new());
    assert!(lines.lines().count() > 900, "{lines}");
    for line in lines.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        let service = match words[0] {
            "secretsmanager" => Service::SecretsManager,
            "ssm" => Service::Ssm,
            "sts" => Service::Sts,
            "sso" => Service::Sso,
            _ => Service::SsoOidc,
        };
        let endpoints = Endpoints {
            fips: words[2] == "1",
            dual_stack: words[3] == "1",
            ..Endpoints::default()
        };
        let Ok(address) = endpoints.address(service, words[1]) else {
            panic!("{line}")
        };
        assert_eq!(address.origin(), words[4], "{line}");
    }
}
