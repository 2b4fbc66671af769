//! How much is asked, and how long it takes: as little as can be.

use std::time::{Duration, Instant};

use super::super::house::openbao::OpenBao;
use super::super::house::wire::Relay;
use super::root;

const LONG: Duration = Duration::from_millis(50);

#[test]
fn one_secret_is_one_request() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put("app", r#"{"a": "1", "b": "2"}"#);
    let relay = Relay::new(bao.address, Duration::ZERO);
    let url = format!("https://localhost:{}", relay.server.port());
    let vault = "A=vault:app#a\nB=vault:app#b\nC='<${vault:secret/data/app#a}>'\n";
    let (_, asked) = bao.asked_by(|| {
        let shim = bao.shim_at(&url).env("VAULT_TOKEN", &bao.root);
        shim.file(".vault", vault)
            .environment()
            .quiet()
            .has("C", "<1>")
    });
    assert_eq!(asked, ["read secret/data/app"]);
    // Connect, TLS, request; the server's tickets can come between the last two.
    assert!(relay.connections() == 1 && relay.turns() <= 3);

    bao.policy("app", "secret/data/app", "read");
    let (role, secret) = bao.approle(r#"{"token_policies": ["app"]}"#);
    let (_, asked) = bao.asked_by(|| {
        let shim = bao
            .shim_at(&url)
            .env("VAULT_ROLE_ID", role)
            .env("VAULT_SECRET_ID", secret);
        shim.file(".vault", vault)
            .environment()
            .quiet()
            .has("B", "2")
    });
    assert_eq!(asked, ["update auth/approle/login", "read secret/data/app"]);
    assert!(relay.connections() == 2 && relay.turns() <= 7);
}

/// A hundred secrets, and the lines that want them.
fn hundred(bao: &OpenBao, path: &str, versioned: bool) -> String {
    for n in 0..100 {
        let fields = format!(r#"{{"value": "v{n}"}}"#);
        if versioned {
            bao.put(&format!("{path}/s{n}"), &fields);
        } else {
            bao.write(&format!("{path}/s{n}"), &fields);
        }
    }
    let slash = if versioned { "" } else { "/" };
    (0..100)
        .map(|n| format!("V{n}=vault:{slash}{path}/s{n}\n"))
        .collect()
}

#[test]
fn a_hundred_secrets_are_a_hundred_requests() {
    let Some(bao) = OpenBao::start() else { return };
    bao.mount("kv1", 1);
    bao.policy("all", "+/*", "read");
    let (role, secret) = bao.approle(r#"{"token_policies": ["all"]}"#);
    for (versioned, path, most) in [(true, "many", 101), (false, "kv1", 102)] {
        let vault = hundred(&bao, path, versioned);
        let (answer, asked) = bao.asked_by(|| {
            let shim = bao
                .shim()
                .env("VAULT_ROLE_ID", &role)
                .env("VAULT_SECRET_ID", &secret);
            shim.file(".vault", &vault).environment().quiet()
        });
        assert!(asked.len() <= most, "{}: {asked:?}", asked.len());
        answer.has("V0", "v0").has("V99", "v99");
    }
}

#[test]
fn a_hundred_secrets_take_less_than_four_times_as_long_as_one() {
    let Some(bao) = OpenBao::start() else { return };
    bao.mount("kv1", 1);
    let relay = Relay::new(bao.address, LONG);
    let url = format!("https://localhost:{}", relay.server.port());
    let time = |vault: &str| {
        let shim = bao.shim_at(&url).env("VAULT_TOKEN", &bao.root);
        let shim = shim.file(".vault", vault);
        let begin = Instant::now();
        shim.environment().quiet().has("V99", "v99");
        begin.elapsed()
    };
    let least = |vault: &str| (0..2).map(|_| time(vault)).min().expect("a time");
    for (path, versioned) in [("many", true), ("kv1", false)] {
        let vault = hundred(&bao, path, versioned);
        let last = vault.lines().last().expect("a line");
        let (one, all) = (least(last), least(&vault));
        println!("{path}: one {one:?}, a hundred {all:?}");
        assert!(all < one * 4, "{path}: one {one:?}, a hundred {all:?}");
    }
}

#[test]
fn a_token_with_few_uses_is_enough() {
    let Some(bao) = OpenBao::start() else { return };
    for n in 0..20 {
        bao.put(&format!("s{n}"), r#"{"a": "1", "b": "2"}"#);
    }
    let vault: String = (0..20)
        .flat_map(|n| ["a", "b"].map(|f| format!("S{n}_{f}=vault:s{n}#{f}\n")))
        .collect();
    let token = bao.token(r#"{"num_uses": 20}"#);
    let shim = bao.shim().env("VAULT_TOKEN", &token).file(".vault", &vault);
    shim.environment().quiet().has("S19_b", "2");
    // Used up now.
    let answer = bao
        .shim()
        .env("VAULT_TOKEN", &token)
        .file(".vault", &vault)
        .refused();
    answer
        .says("Vault does not accept the token of VAULT_TOKEN: it is expired, revoked or used up")
        .hides(&token);
    // On a mount of the other kind, if it is said which.
    bao.mount("kv1", 1);
    bao.write("kv1/app", r#"{"a": "1"}"#);
    let token = bao.token(r#"{"num_uses": 1}"#);
    let shim = bao
        .shim()
        .env("VAULT_TOKEN", token)
        .env("VAULT_MOUNT_POINT", "kv1");
    let shim = shim
        .env("VAULT_KV_VERSION", "1")
        .file(".vault", "A=vault:app#a\n");
    shim.environment().quiet().has("A", "1");
}

/// What is missing, forbidden or of the other kind costs little too.
#[test]
fn doubts_are_settled_once() {
    let Some(bao) = OpenBao::start() else { return };
    bao.mount("kv1", 1);
    bao.write("kv1/app", r#"{"a": "1"}"#);
    let ten = |prefix: &str| -> String {
        (0..10)
            .map(|n| format!("V{n}=vault:{prefix}none{n}?default=d\n"))
            .collect()
    };
    let (_, asked) = bao.asked_by(|| root(&bao, &ten("")).environment().quiet());
    // Each once, and one more to find out that the mount is what it was taken for.
    assert!(asked.len() <= 12, "{asked:?}");
    let (_, asked) = bao.asked_by(|| root(&bao, "A=vault:/kv1/app#a\n").environment());
    assert_eq!(asked, ["read kv1/data/app", "read kv1/app"]);
    bao.policy("none", "other/*", "read");
    let token = bao.token(r#"{"policies": ["none"]}"#);
    let lines: String = (0..10).map(|n| format!("V{n}=vault:none{n}\n")).collect();
    let (answer, asked) = bao.asked_by(|| {
        bao.shim()
            .env("VAULT_TOKEN", token)
            .file(".vault", lines)
            .refused()
    });
    assert!(asked.len() <= 14, "{asked:?}");
    answer
        .says("V0: vault:none0: no policy of this login allows reading `secret/data/none0`\n")
        .says("hint: grant it: path \"secret/data/none0\" { capabilities = [\"read\"] }\n");
}
