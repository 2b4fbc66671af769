//! Everything that can go wrong on the way and in the server: each its own words, exit 125, in
//! time, the variable and the reference named, no token and no secret in any output.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::house::authority::{Authority, NOW, PAST};
use crate::house::server::{Seen, Server, answer, read_request};
use crate::house::{Answer, Shim};

const TOKEN: &str = "ya29.c4n4ryTOKEN";
const BODY: &str = r#"{"error":{"message":"c4n4ry"},"payload":{"data":"c4n4ry"}}"#;

fn shim(url: &str) -> Shim {
    Shim::new()
        .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER", url)
        .env("GOOGLE_OAUTH_ACCESS_TOKEN", TOKEN)
        .env("GCP_PROJECT_ID", "imip")
        .file(".vault", "X=1\nA=gcp:app#a?default=d\n")
}

/// It fails as it should, whatever the reason.
#[track_caller]
fn fails(shim: Shim) -> Answer {
    let begin = Instant::now();
    let told = shim.refused();
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(8), "{took:?}: {}", told.err);
    assert!(told.out.is_empty(), "{}", told.out);
    told.says("envshim: error: .vault:2: A: gcp:app#a: ")
        .says("envshim: hint: ")
        .hides("c4n4ry")
}

/// Reads the request, then does as told with the connection.
fn after_request(act: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Server {
    Server::raw(move |mut stream, _| {
        if read_request(&mut stream).is_some() {
            act(&mut stream);
        }
    })
}

/// Holds the connection until the other side has gone.
fn hold(stream: &mut TcpStream) {
    drop(std::io::copy(stream, &mut std::io::sink()));
}

/// An error of Google's.
fn error(status: u16, code: &str, message: &str, reason: &str) -> Vec<u8> {
    let body = format!(
        r#"{{"error":{{"code":{status},"message":"{message} c4n4ry","status":"{code}","details":[{{"@type":"x","reason":"{reason}","metadata":{{"consumer":"projects/12"}}}}]}}}}"#
    );
    answer(status, "", body)
}

fn given() -> Vec<u8> {
    // {"a":"v"}
    let body = r#"{"name":"projects/1/secrets/app/versions/3","payload":{"data":"eyJhIjoidiJ9"}}"#;
    answer(200, "", body)
}

/// What a server does that is not well, and what is said of it.
fn troubles() -> [(Server, &'static str); 6] {
    [
        (after_request(hold), "the server does not answer for"),
        (
            after_request(|stream| {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"c4n4ry";
                drop(stream.write_all(head));
                hold(stream);
            }),
            "the rest of the answer does not come for",
        ),
        (
            after_request(|stream| {
                let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"c4n4ry";
                drop(stream.write_all(head));
            }),
            "the answer was cut off after 8 of 100 bytes",
        ),
        (
            after_request(|stream| drop(stream.write_all(b"c4n4ry c4n4ry\r\n\r\n"))),
            "the answer is not HTTP",
        ),
        (after_request(endless), "the answer is larger than 4 MiB"),
        (
            Server::http(|_| answer(302, "Location: https://evil.example/\r\n", "")),
            "the server redirects (status 302)",
        ),
    ]
}

/// 500 MB.
fn endless(stream: &mut TcpStream) {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    drop(stream.write_all(head));
    let chunk = [b"100000\r\n".as_slice(), &[b'c'; 0x10_0000], b"\r\n"].concat();
    for _ in 0..500 {
        if stream.write_all(&chunk).is_err() {
            return;
        }
    }
}

#[test]
fn on_the_way() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    fails(shim(&url))
        .says(&format!("{url}: the connection is refused"))
        .says("hint: is the server running, and is the port right?");
    for (server, said) in troubles() {
        fails(shim(&server.url()).args("--timeout=1500ms")).says(said);
    }
}

#[test]
fn on_the_way_to_a_token() {
    for (server, said) in troubles() {
        let file = format!(
            r#"{{"type":"authorized_user","client_id":"c4n4ry","client_secret":"c4n4ry","refresh_token":"c4n4ry","token_uri":"{}/token"}}"#,
            server.url()
        );
        let shim = shim(&server.url())
            .env("GOOGLE_OAUTH_ACCESS_TOKEN", "")
            .env("GOOGLE_CREDENTIALS", file);
        fails(shim.args("--timeout=1500ms"))
            .says("A: gcp:app#a: GOOGLE_CREDENTIALS: ")
            .says(said);
    }
}

#[test]
fn certificates() {
    let authority = Authority::new();
    for (name, names, valid, said) in [
        (
            "other",
            "DNS:other.example",
            NOW,
            "the server's certificate is for other.example",
        ),
        (
            "old",
            "DNS:localhost",
            PAST,
            "the server's certificate expired ",
        ),
    ] {
        authority.sign(name, names, valid);
        let server = Server::https(authority.server(name).config(), |_| given());
        let shim = shim(&server.tls_url()).env("SSL_CERT_FILE", authority.root());
        fails(shim).says(said).says("hint: ");
    }
    authority.sign("good", "DNS:localhost", NOW);
    let server = Server::https(authority.server("good").config(), |_| given());
    fails(shim(&server.tls_url()))
        .says("signed by an authority that is not known here")
        .says("hint: ");
    let shim = shim(&server.tls_url()).env("SSL_CERT_FILE", authority.root());
    shim.environment().quiet().has("A", "v");
}

#[test]
fn refusals_have_their_cause_and_cure() {
    for (status, code, message, reason, said, hint) in [
        (
            401,
            "UNAUTHENTICATED",
            "",
            "ACCESS_TOKEN_EXPIRED",
            "Google does not accept the access token (ACCESS_TOKEN_EXPIRED)",
            "hint: get a new one: gcloud auth application-default login",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "",
            "IAM_PERMISSION_DENIED",
            "secretmanager.versions.access is denied on projects/imip/secrets/app, or there is no such secret\n",
            "hint: gcloud secrets add-iam-policy-binding app --project=imip --role=roles/secretmanager.secretAccessor --member=MEMBER\n",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "",
            "BILLING_DISABLED",
            "billing is off in the project 12",
            "hint: gcloud billing projects describe 12",
        ),
        (
            403,
            "PERMISSION_DENIED",
            "",
            "SECURITY_POLICY_VIOLATED",
            "a perimeter of VPC Service Controls keeps us from projects/imip/secrets/app",
            "hint: let an ingress rule",
        ),
        (
            400,
            "FAILED_PRECONDITION",
            "Secret Version [projects/12/secrets/app/versions/4] is in DISABLED state.",
            "",
            "the version `4` of the secret `app` in the project imip is disabled",
            "hint: gcloud secrets versions enable 4 --secret=app --project=imip",
        ),
        (
            400,
            "INVALID_ARGUMENT",
            "",
            "",
            "Google does not take projects/imip/secrets/app: INVALID_ARGUMENT",
            "hint: check the name",
        ),
        (
            409,
            "SOMETHING_NEW",
            "",
            "",
            "Google answers SOMETHING_NEW (status 409)",
            "hint: does Secret Manager answer there?",
        ),
    ] {
        let body = error(status, code, message, reason);
        let server = Server::http(move |_| body.clone());
        fails(shim(&server.url())).says(said).says(hint);
        assert_eq!(server.seen().len(), 1, "{code} is not asked again");
    }
}

#[test]
fn a_server_that_is_not_google_is_told_as_such() {
    for (status, body, said) in [
        (
            403,
            "<html>c4n4ry</html>",
            "Google answers no reason (status 403)",
        ),
        (404, BODY, "Google answers no reason (status 404)"),
        (
            200,
            "<html>c4n4ry</html>",
            "the answer is not one of Secret Manager",
        ),
        (200, "{}", "the answer is not one of Secret Manager"),
        (
            200,
            r#"{"payload":{"data":"c4n4ry!"}}"#,
            "the answer is not one of Secret Manager",
        ),
        (
            200,
            r#"{"payload":{"data":7}}"#,
            "the answer is not one of Secret Manager",
        ),
        (
            200,
            r#"{"payload":{"data":"","dataCrc32c":"c4n4ry"}}"#,
            "the answer is not one of Secret Manager",
        ),
    ] {
        let server = Server::http(move |_| answer(status, "", body));
        fails(shim(&server.url())).says(said);
    }
}

#[test]
fn a_wrong_clock_is_told_by_how_much() {
    let body = r#"{"error":{"code":401,"status":"UNAUTHENTICATED"}}"#;
    let server =
        Server::http(move |_| answer(401, "Date: Tue, 01 Jan 2030 00:00:00 GMT\r\n", body));
    fails(shim(&server.url()))
        .says("the clock of this machine is ")
        .says(" days behind, so that Google does not accept the access token")
        .says("hint: set the clock");
}

#[test]
fn what_passes_is_asked_again() {
    let busy = || {
        error(
            429,
            "RESOURCE_EXHAUSTED",
            "Quota exceeded",
            "RATE_LIMIT_EXCEEDED",
        )
    };
    for status in [500, 503, 429] {
        let server = Server::http(move |seen: &Seen| match seen.number {
            0 | 1 if status == 429 => busy(),
            0 | 1 => error(status, "UNAVAILABLE", "", ""),
            _ => given(),
        });
        shim(&server.url()).environment().quiet().has("A", "v");
    }
    let server = Server::http(move |_| busy());
    fails(shim(&server.url()).args("--timeout 2s"))
        .says("Google asks to slow down: RESOURCE_EXHAUSTED")
        .says("hint: give it more time");
    let server = Server::http(|_| error(503, "UNAVAILABLE", "", ""));
    fails(shim(&server.url())).says("Google answers UNAVAILABLE (status 503)");
    assert_eq!(server.seen().len(), 5);
}

#[test]
fn an_address_in_clear_is_said() {
    let server = Server::http(|_| given());
    shim(&server.url()).environment().quiet();
    let clear = "http://secrets.example";
    fails(shim(clear).args("--strict --timeout 1s")).says(
        "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER: secrets and credentials travel in clear to http://secrets.example, which --strict refuses",
    );
    fails(shim("secrets.example")).says("is not an address: `https://` is missing");
    // An emulator gets no credentials.
    let server = Server::http(|seen: &Seen| match seen.header("authorization") {
        None => given(),
        Some(_) => answer(400, "", ""),
    });
    let shim = Shim::new()
        .env("SECRET_MANAGER_EMULATOR_HOST", server.address.to_string())
        .env("GOOGLE_OAUTH_ACCESS_TOKEN", TOKEN)
        .env("GCP_PROJECT_ID", "imip");
    let shim = shim.file(".vault", "A=gcp:app#a\n");
    shim.environment().quiet().has("A", "v");
}
