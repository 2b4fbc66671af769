//! Where credentials come from: variables, a file of the SDK, a workload's own identity.

use super::{ALL, as_the_sdk, settings, start};
use crate::house::hcp::{
    APP, App, CLIENT_ID, CLIENT_SECRET, Hcp, ORGANIZATION, PROJECT, SUBJECT, WORKLOAD,
};
use crate::house::server::{Server, answer};
use crate::house::{Shim, set_mode};

/// Everything but credentials.
fn bare(hcp: &Hcp) -> Shim {
    Shim::new()
        .env("SSL_CERT_FILE", hcp.authority.root())
        .env("HCP_AUTH_URL", hcp.server.tls_url())
        .env(
            "HCP_API_ADDRESS",
            format!("localhost:{}", hcp.server.port()),
        )
        .env("HCP_ORGANIZATION_ID", ORGANIZATION)
        .env("HCP_PROJECT_ID", PROJECT)
        .env("HCP_APP", APP)
        .file(".vault", "A=hcp:LAST\n")
}

fn workload(source: &str) -> String {
    format!(
        r#"{{"scheme":"workload","workload":{{"provider_resource_name":"{WORKLOAD}",{source}}}}}"#
    )
}

#[test]
fn a_credential_file_named_or_in_its_place() {
    let hcp = Hcp::new(App::new(ALL));
    let file = format!(
        r#"{{"project_id":"","scheme":"service_principal_creds","oauth":{{"client_id":"{CLIENT_ID}","client_secret":"{CLIENT_SECRET}"}}}}"#
    );
    bare(&hcp)
        .file("creds.json", &file)
        .env("HCP_CRED_FILE", "creds.json")
        .environment()
        .has("A", "z")
        .quiet();
    bare(&hcp)
        .file("home/.config/hcp/cred_file.json", &file)
        .env("HOME", "home")
        .environment()
        .has("A", "z");
    // The variables come first, both or neither.
    bare(&hcp)
        .file("creds.json", "nonsense")
        .env("HCP_CRED_FILE", "creds.json")
        .env("HCP_CLIENT_ID", CLIENT_ID)
        .env("HCP_CLIENT_SECRET", CLIENT_SECRET)
        .environment()
        .has("A", "z");
    bare(&hcp)
        .file("creds.json", &file)
        .env("HCP_CRED_FILE", "creds.json")
        .env("HCP_CLIENT_ID", "half")
        .environment()
        .has("A", "z");
    let open = bare(&hcp)
        .file("creds.json", &file)
        .env("HCP_CRED_FILE", "creds.json");
    set_mode(&open.folder.join("creds.json"), 0o644);
    open.environment()
        .has("A", "z")
        .says("envshim: warning: creds.json: every user of this machine can read it\nenvshim: hint: chmod 600 creds.json");
    let strict = bare(&hcp)
        .file("creds.json", &file)
        .env("HCP_CRED_FILE", "creds.json")
        .args("--strict");
    set_mode(&strict.folder.join("creds.json"), 0o644);
    strict
        .refused()
        .says("creds.json: every user of this machine can read it");
}

#[test]
fn a_workload_shows_the_word_of_its_platform() {
    let hcp = Hcp::new(App::new(ALL));
    let platform = Server::http(|seen| {
        if seen.header("x-flavor") == Some("plain") {
            answer(200, "", format!(r#"{{"a":[{{"b/c":"{SUBJECT}"}}]}}"#))
        } else {
            answer(403, "", "no")
        }
    });
    let url = platform.url();
    for source in [
        r#""file":{"path":"token"}"#.to_owned(),
        r#""file":{"path":"token","format_type":"value"}"#.to_owned(),
        r#""file":{"path":"token.json","format_type":"json","subject_cred_pointer":"/id/token"}"#
            .to_owned(),
        r#""env":{"var":"MY_TOKEN"}"#.to_owned(),
        format!(r#""token":{{"token":"{SUBJECT}"}}"#),
        format!(
            r#""url":{{"url":"{url}/t","headers":{{"X-Flavor":"plain"}},"format_type":"json","subject_cred_pointer":"/a/0/b~1c"}}"#
        ),
    ] {
        bare(&hcp)
            .file("token", format!("{SUBJECT}\n"))
            .file("token.json", format!(r#"{{"id":{{"token":"{SUBJECT}"}}}}"#))
            .file("creds.json", workload(&source))
            .env("MY_TOKEN", SUBJECT)
            .env("HCP_CRED_FILE", "creds.json")
            .environment()
            .has("A", "z")
            .quiet();
    }
    let exchange = hcp.server.seen();
    assert!(exchange[0].path().starts_with("/2019-12-10/iam/project/"));
}

#[test]
fn every_mistake_in_a_credential_file_is_told() {
    let hcp = Hcp::new(App::new(ALL));
    let odd = "creds.json: is no HCP credential file: ";
    let workload = workload;
    for (file, says) in [
        ("{".to_owned(), "creds.json:1:2: is not JSON".to_owned()),
        ("{}".to_owned(), format!("{odd}its `scheme` is neither")),
        (
            r#"{"scheme":"service_principal_creds","oauth":{"client_id":"a"}}"#.to_owned(),
            format!("{odd}`oauth` lacks"),
        ),
        (
            workload(r#""x":1"#),
            format!("{odd}`workload` needs exactly one"),
        ),
        (
            workload(r#""token":{"token":"a"},"env":{"var":"A"}"#),
            format!("{odd}`workload` needs exactly one"),
        ),
        (
            workload(r#""file":{}"#),
            format!("{odd}`file` has no `path`"),
        ),
        (
            workload(r#""file":{"path":"t","format_type":"json"}"#),
            format!("{odd}`format_type` json needs"),
        ),
        (
            workload(r#""file":{"path":"t","format_type":"xml"}"#),
            format!("{odd}`format_type` is neither"),
        ),
        (
            workload(r#""file":{"path":"t"}"#),
            "t: there is no such file".to_owned(),
        ),
        (
            workload(r#""file":{"path":"empty"}"#),
            "the platform's token is empty, or no text".to_owned(),
        ),
        (
            workload(
                r#""file":{"path":"creds.json","format_type":"json","subject_cred_pointer":"/x"}"#,
            ),
            "the platform's answer has no text at `/x`".to_owned(),
        ),
        (
            workload(r#""env":{"var":"NOT_SET"}"#),
            "creds.json: the variable `NOT_SET` is not set".to_owned(),
        ),
        (
            workload(r#""url":{"url":"nowhere"}"#),
            format!("{odd}`url` has no usable `url`"),
        ),
        (
            workload(r#""aws":{}"#),
            format!("{odd}the identity of an AWS workload"),
        ),
        (
            workload(r#""token":{"token":"wrong"}"#),
            "the HCP credentials are not accepted (status 401)".to_owned(),
        ),
    ] {
        bare(&hcp)
            .file("empty", "")
            .file("creds.json", &file)
            .env("HCP_CRED_FILE", "creds.json")
            .refused()
            .says(&says)
            .says("hint: ")
            .hides("wrong");
    }
    bare(&hcp)
        .env("HCP_CRED_FILE", "nowhere.json")
        .refused()
        .says("nowhere.json: there is no such file")
        .says("set HCP_CRED_FILE to where it is");
}

#[test]
fn without_credentials_every_place_is_named() {
    let hcp = Hcp::new(App::new(ALL));
    bare(&hcp)
        .env("HOME", "/nowhere")
        .env("HCP_CLIENT_ID", "a")
        .refused()
        .says(
            "envshim: error: .vault:1: A: hcp:LAST: no HCP credentials (HCP_CLIENT_ID and \
             HCP_CLIENT_SECRET: HCP_CLIENT_SECRET is unset; credential file: there is no \
             /nowhere/.config/hcp/cred_file.json)\n\
             envshim: hint: set HCP_CLIENT_ID and HCP_CLIENT_SECRET of a service principal, or \
             HCP_CRED_FILE\n",
        );
    assert!(hcp.server.seen().is_empty());
}

#[test]
fn wrong_credentials() {
    let hcp = Hcp::new(App::new(ALL));
    for (name, value) in [
        ("HCP_CLIENT_ID", "other"),
        ("HCP_CLIENT_SECRET", "wrong-secret"),
    ] {
        start(&hcp, &settings(&hcp, "secrets:open"))
            .env(name, value)
            .refused()
            .says("import hcp:*: https://localhost:")
            .says(": the HCP credentials are not accepted (status 401, invalid_client)")
            .says("are HCP_CLIENT_ID and HCP_CLIENT_SECRET of one key")
            .hides("wrong-secret")
            .hides(CLIENT_SECRET);
    }
    // Asked once: a wrong secret does not become right.
    assert_eq!(hcp.server.seen().len(), 2);
}

#[test]
fn tls_can_be_left_out_for_tests_with_a_warning() {
    let hcp = Hcp::new(App::new(ALL));
    let loose = || {
        as_the_sdk(&hcp)
            .file(".vault", "A=hcp:LAST\n")
            .env("SSL_CERT_FILE", "/etc/hostname")
            .env("HCP_API_TLS", "insecure")
            .env("HCP_AUTH_TLS", "insecure")
    };
    // The file names no authority, so nothing but the setting can let this pass.
    loose()
        .env("SSL_CERT_FILE", "")
        .environment()
        .has("A", "z")
        .says("warning: HCP_API_TLS=insecure: any server's certificate is believed\n")
        .says("warning: HCP_AUTH_TLS=insecure: any server's certificate is believed\n");
    loose()
        .args("--strict")
        .refused()
        .says("HCP_API_TLS=insecure: any server's certificate is believed, which --strict refuses");
    as_the_sdk(&hcp)
        .file(".vault", "A=hcp:LAST\n")
        .env("HCP_API_TLS", "off")
        .refused()
        .says("HCP_API_TLS: is neither `insecure` nor `disabled`");
    let plain = Server::http(|seen| {
        if seen.line.starts_with("POST /oauth2/token ") {
            answer(200, "", r#"{"access_token":"t"}"#)
        } else {
            answer(
                200,
                "",
                r#"{"secret":{"static_version":{"version":1,"value":"p"}}}"#,
            )
        }
    });
    let clear = |host: &str| {
        as_the_sdk(&hcp)
            .file(".vault", "A=hcp:LAST\n")
            .env("HCP_API_TLS", "disabled")
            .env("HCP_AUTH_TLS", "disabled")
            .env(
                "HCP_AUTH_URL",
                format!("https://127.0.0.1:{}", plain.port()),
            )
            .env("HCP_API_ADDRESS", format!("{host}:{}", plain.port()))
    };
    clear("127.0.0.1").environment().has("A", "p").quiet();
    clear("192.0.2.1")
        .args("--strict")
        .refused()
        .says("HCP_API_ADDRESS: secrets and credentials travel in clear to http://192.0.2.1:")
        .says("which --strict refuses");
}
