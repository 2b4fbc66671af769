//! HCP Vault Secrets against a strict double in TLS. The real service has ended; that the double is
//! like it was cannot be proved any more.

mod credentials;

mod dump;

mod faults;

mod promises;

mod together;

use super::house::Shim;
use super::house::hcp::{APP, App, CLIENT_ID, CLIENT_SECRET, Hcp, Kind, ORGANIZATION, PROJECT};
use super::house::server::{Server, answer};

/// Settings that the original loader had, and nothing else.
fn settings(hcp: &Hcp, end: &str) -> String {
    format!(
        "HCP_CLIENT_ID={CLIENT_ID}\nHCP_CLIENT_SECRET='{CLIENT_SECRET}'\n\
         HCP_API_TOKEN_URL={}/oauth2/token\nHCP_SECRETS_URL={}\n",
        hcp.server.tls_url(),
        hcp.url(end)
    )
}

/// The settings of HashiCorp's own SDK, in the environment.
fn as_the_sdk(hcp: &Hcp) -> Shim {
    let server = format!("localhost:{}", hcp.server.port());
    Shim::new()
        .env("SSL_CERT_FILE", hcp.authority.root())
        .env("HCP_CLIENT_ID", CLIENT_ID)
        .env("HCP_CLIENT_SECRET", CLIENT_SECRET)
        .env("HCP_AUTH_URL", hcp.server.tls_url())
        .env("HCP_API_ADDRESS", server)
        .env("HCP_ORGANIZATION_ID", ORGANIZATION)
        .env("HCP_PROJECT_ID", PROJECT)
        .env("HCP_APP", APP)
}

fn start(hcp: &Hcp, vault: &str) -> Shim {
    Shim::new()
        .env("SSL_CERT_FILE", hcp.authority.root())
        .file(".vault", vault)
}

const ALL: &[(&str, u32, Kind)] = &[
    ("DB_PASSWORD", 3, Kind::Static("pa$$ #w'ord\n\"2\"")),
    ("debug_level", 1, Kind::Static("")),
    (
        "BUNDLE",
        2,
        Kind::Static(r#"{"user":"u","port":5432,"none":null}"#),
    ),
    (
        "TWILIO",
        7,
        Kind::Rotating(&[("api_key", "rot-key"), ("api_secret", "rot-secret")]),
    ),
    (
        "AWS_CREDS",
        1,
        Kind::Dynamic(&[("access_key", "dyn-a"), ("secret_key", "dyn-s")]),
    ),
    ("LAST", 1, Kind::Static("z")),
];

const OPEN: &str = "secrets:open?types=kv&types=rotating";

#[test]
fn the_vault_of_the_original_loader_starts_as_it_did() {
    let hcp = Hcp::new(App::new(&[
        ("SECRET_KEY", 1, Kind::Static("s1")),
        ("db_password", 2, Kind::Static("s2")),
    ]));
    start(&hcp, &settings(&hcp, "secrets:open"))
        .env("HCP_CLIENT_SECRET", CLIENT_SECRET)
        .environment()
        .has("SECRET_KEY", "s1")
        .has("db_password", "s2")
        .has("secrets_loaded", "1")
        .has("hcp_loaded", "1")
        .lacks("HCP_CLIENT_SECRET")
        .lacks("HCP_SECRETS_URL")
        .quiet();
    // One token, and everything at once.
    let mut asked = hcp.asked();
    asked[1..].sort();
    assert_eq!(
        asked,
        [
            "POST /oauth2/token".to_owned(),
            format!("GET /{OPEN}"),
            "GET /secrets?types=dynamic".to_owned()
        ]
    );
    // The second connection is for what the first one is still busy with.
    assert!((1..=2).contains(&hcp.server.connections()));
}

#[test]
fn the_environment_alone_is_enough() {
    let hcp = Hcp::new(App::new(ALL));
    as_the_sdk(&hcp)
        .env("HCP_SECRETS_URL", hcp.url("secrets:open"))
        .environment()
        .has("LAST", "z")
        .has("HCP_CLIENT_ID", CLIENT_ID)
        .lacks("HCP_CLIENT_SECRET");
    as_the_sdk(&hcp)
        .env("ENVSHIM_IMPORT", "hcp:*")
        .environment()
        .has("LAST", "z");
    // The SDK's variables say where the secrets are; they do not ask for all of them.
    as_the_sdk(&hcp)
        .refused()
        .says("the environment names no store");
}

#[test]
fn every_kind_of_secret_in_pages_of_every_size() {
    for page in [1, 2, 3, 100] {
        let hcp = Hcp::new(App {
            page,
            ..App::new(ALL)
        });
        start(&hcp, &settings(&hcp, "secrets:open"))
            .environment()
            .has("DB_PASSWORD", "pa$$ #w'ord\n\"2\"")
            .has("debug_level", "")
            .has("BUNDLE", r#"{"user":"u","port":5432,"none":null}"#)
            .has("TWILIO_api_key", "rot-key")
            .has("TWILIO_api_secret", "rot-secret")
            .has("AWS_CREDS_access_key", "dyn-a-0")
            .has("AWS_CREDS_secret_key", "dyn-s-0")
            .has("LAST", "z")
            .lacks("TWILIO")
            .quiet();
        // Opening a dynamic secret makes credentials: once, with all its values.
        assert_eq!(hcp.minted(), 1, "pages of {page}");
        let pages = hcp
            .asked()
            .iter()
            .filter(|line| line.contains(OPEN))
            .count();
        assert_eq!(pages, 5usize.div_ceil(page), "pages of {page}");
    }
}

#[test]
fn names_in_upper_case_as_hcp_run_made_them() {
    let hcp = Hcp::new(App::new(ALL));
    start(&hcp, &settings(&hcp, "secrets:open"))
        .env("ENVSHIM_NAMES", "upper")
        .environment()
        .has("DEBUG_LEVEL", "")
        .has("TWILIO_API_KEY", "rot-key")
        .has("AWS_CREDS_ACCESS_KEY", "dyn-a-0")
        .lacks("debug_level");
}

#[test]
fn the_older_api() {
    let hcp = Hcp::new(App::new(ALL));
    let vault = settings(&hcp, "open");
    start(&hcp, &format!("{vault}OLD=hcp:LAST?version=1\n"))
        .environment()
        .has("DB_PASSWORD", "pa$$ #w'ord\n\"2\"")
        .has("LAST", "z")
        .has("OLD", "z")
        .lacks("TWILIO_api_key");
    assert_eq!(
        hcp.asked(),
        [
            "POST /oauth2/token",
            "GET /open",
            "GET /open/LAST/versions/1"
        ]
    );
}

#[test]
fn references_open_what_they_name_and_nothing_else() {
    let hcp = Hcp::new(App::new(ALL));
    let shim = as_the_sdk(&hcp).file(
        ".vault",
        "URL=postgres://${hcp:BUNDLE#user}@db:${hcp:BUNDLE#port}/${hcp:LAST}\n\
         AGAIN=hcp:LAST\n\
         TWICE=hcp:LAST?version=1\n\
         KEY=hcp:TWILIO#api_key\n\
         ALL=hcp:TWILIO\n\
         A=hcp:AWS_CREDS#access_key\n\
         S=hcp:AWS_CREDS#secret_key\n\
         NONE=hcp:NOT_THERE?optional=1\n\
         DEFAULT=hcp:NOT_THERE?default=d\n\
         FIELD=hcp:BUNDLE#none?default=f\n",
    );
    shim.environment()
        .has("URL", "postgres://u@db:5432/z")
        .has("AGAIN", "z")
        .has("TWICE", "z")
        .has("KEY", "rot-key")
        .has("ALL", r#"{"api_key":"rot-key","api_secret":"rot-secret"}"#)
        .has("A", "dyn-a-0")
        .has("S", "dyn-s-0")
        .has("DEFAULT", "d")
        .has("FIELD", "f")
        .lacks("NONE")
        .lacks("DB_PASSWORD")
        .has("hcp_loaded", "1")
        .quiet();
    let mut asked = hcp.asked();
    asked.sort();
    assert_eq!(
        asked,
        [
            "GET /secrets/AWS_CREDS:open",
            "GET /secrets/BUNDLE:open",
            "GET /secrets/LAST/versions/1:open",
            "GET /secrets/LAST:open",
            "GET /secrets/NOT_THERE:open",
            "GET /secrets/TWILIO:open",
            "POST /oauth2/token"
        ]
    );
    assert_eq!(hcp.minted(), 1);
}

#[test]
fn references_beside_an_import_cost_nothing_more() {
    let hcp = Hcp::new(App::new(ALL));
    let vault = settings(&hcp, "secrets:open");
    let vault =
        format!("{vault}COPY=hcp:LAST\nA=hcp:AWS_CREDS#access_key\nNONE=hcp:NONE?default=n\n");
    start(&hcp, &vault)
        .environment()
        .has("COPY", "z")
        .has("LAST", "z")
        .has("NONE", "n")
        .has("A", "dyn-a-0")
        .has("AWS_CREDS_access_key", "dyn-a-0");
    assert_eq!(hcp.asked().len(), 4, "{:?}", hcp.asked());
    assert_eq!(hcp.minted(), 1);
}

#[test]
fn one_secret_is_imported_by_its_fields() {
    let hcp = Hcp::new(App::new(ALL));
    as_the_sdk(&hcp)
        .env("ENVSHIM_IMPORT", "hcp:BUNDLE,hcp:TWILIO")
        .environment()
        .has("user", "u")
        .has("port", "5432")
        .has("api_key", "rot-key")
        .has("api_secret", "rot-secret")
        .lacks("none");
}

#[test]
fn check_shows_versions_and_no_values() {
    let hcp = Hcp::new(App::new(ALL));
    let answer = start(&hcp, &settings(&hcp, "secrets:open"))
        .args("check")
        .run()
        .ok()
        .hides("rot-key")
        .hides("dyn-a")
        .hides("pa$$");
    let row = |name: &str| {
        let line = answer.out.lines().find(|line| line.starts_with(name));
        let words = line.unwrap_or_default().split_whitespace();
        words.map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("DB_PASSWORD"), "DB_PASSWORD import hcp:* hcp 3 set");
    assert_eq!(
        row("TWILIO_api_key"),
        "TWILIO_api_key import hcp:* hcp 7 set"
    );
    assert_eq!(
        row("AWS_CREDS_access_key"),
        "AWS_CREDS_access_key import hcp:* hcp - set"
    );
}

#[test]
fn any_other_address_that_speaks_so_is_asked_as_it_is() {
    let hcp = Hcp::new(App::new(&[]));
    // Only what the original loader asked for.
    let own = Server::https(hcp.authority.server("hcp").config(), |seen| {
        match seen.line.as_str() {
            "POST /token HTTP/1.1" => answer(200, "", r#"{"access_token":"t"}"#),
            "GET /dump?team=a HTTP/1.1" => answer(
                200,
                "",
                r#"{"secrets":[{"name":"A","static_version":{"version":"1","value":"a"}}]}"#,
            ),
            _ => answer(404, "", "nothing"),
        }
    });
    let vault = format!(
        "HCP_CLIENT_ID=i\nHCP_CLIENT_SECRET=s\nHCP_API_TOKEN_URL={0}/token\nHCP_SECRETS_URL={0}/dump?team=a\nB=hcp:A\n",
        own.tls_url()
    );
    start(&hcp, &vault)
        .environment()
        .has("A", "a")
        .has("B", "a")
        .quiet();
    assert_eq!(own.seen().len(), 2);
    start(&hcp, &format!("{vault}C=hcp:A?version=2\n"))
        .refused()
        .says(".vault:6: C: hcp:A: HCP_SECRETS_URL has no place for single versions");
}

#[test]
fn names_versions_and_ages() {
    let hcp = Hcp::new(App::new(ALL));
    let ls = |words: &str| {
        let shim = as_the_sdk(&hcp).args("ls").args(words);
        shim.run().ok().quiet().hides("rot-key").hides("dyn-a").out
    };
    assert_eq!(
        ls(""),
        "AWS_CREDS\nBUNDLE\nDB_PASSWORD\nLAST\nTWILIO\ndebug_level\n"
    );
    let made = "\"changed\":\"2025-02-03T04:05:06Z\"}";
    // A dynamic secret is made when it is opened, which a list does not do.
    let want = format!(
        "[{{\"name\":\"AWS_CREDS\",\"version\":null,\"changed\":null}},\
          {{\"name\":\"BUNDLE\",\"version\":\"2\",{made},\
          {{\"name\":\"DB_PASSWORD\",\"version\":\"3\",{made},\
          {{\"name\":\"LAST\",\"version\":\"1\",{made},\
          {{\"name\":\"TWILIO\",\"version\":\"7\",{made},\
          {{\"name\":\"debug_level\",\"version\":\"1\",{made}]\n"
    );
    assert_eq!(ls("--json"), want);
    let want = format!(
        "[{{\"name\":\"port\",\"version\":\"2\",{made},{{\"name\":\"user\",\"version\":\"2\",{made}]\n"
    );
    assert_eq!(ls("--json hcp:BUNDLE"), want);
    let explain = as_the_sdk(&hcp).file(".vault", "A=hcp:LAST\n");
    let explain = explain.args("explain --json A").run().ok().out;
    assert!(explain.contains("2025-02-03T04:05:06Z"), "{explain}");
    // The older version of the API.
    let old = start(&hcp, &settings(&hcp, "open")).env("HCP_CLIENT_SECRET", CLIENT_SECRET);
    let old = old.args("ls --json").run().ok().out;
    assert!(
        old.contains(&format!("{{\"name\":\"LAST\",\"version\":\"1\",{made}")),
        "{old}"
    );
}
