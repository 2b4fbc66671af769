//! References and imports.

use std::time::Duration;

use crate::house::Shim;
use crate::house::azure::{Azure, SECRET, discreet};
use crate::house::wire::{Proxy, Relay};

fn with(shim: Shim, vault: impl AsRef<[u8]>) -> Shim {
    shim.file(".vault", vault)
}

#[test]
fn references_of_every_form() {
    let azure = Azure::new();
    let first = azure.secret("SECRET-KEY", "v1");
    azure.secret("SECRET-KEY", "v2");
    azure.secret("app", r#"{"user":"u","db":{"pass":"p"}}"#);
    azure.secret_with("other", "key", "o", "\"enabled\":true", "");
    let url = azure.url("other");
    let vault = format!(
        "A=azure:secret-key\nB=azure:SECRET_KEY?version={first}\nC=azure:app#db.pass\nD=<${{azure:Secret_Key}}>\n\
         E=azure:key?vault=other\nF=azure:key?vault={url}\nG=azure:{url}/secrets/key\nH=azure:key?default=d\n\
         I=azure:app?as=file\n"
    );
    let answer = with(azure.shim(), &vault).environment().quiet();
    answer
        .has("A", "v2")
        .has("B", "v1")
        .has("C", "p")
        .has("D", "<v2>")
        .has("E", "o")
        .has("F", "o")
        .has("G", "o")
        .has("H", "d");
    assert_eq!(azure.asked("secret-key"), 1, "both spellings are one");
    let check = with(azure.shim(), &vault).args("check").run().ok();
    assert!(check.out.contains(&first), "{}", check.out);
    discreet(check);
    // The program still has what its own SDK reads.
    with(azure.shim(), "A=azure:app\n")
        .environment()
        .has("AZURE_CLIENT_SECRET", SECRET);
}

#[test]
fn a_whole_vault() {
    let azure = Azure::new();
    for n in 0..60 {
        azure.secret(&format!("secret-{n}"), &format!("v{n}"));
    }
    azure.secret("ConnectionStrings--Default", "c");
    azure.secret_with(
        "app",
        "certificate",
        "PFX",
        "\"enabled\":true",
        ",\"managed\":true,\"contentType\":\"application/x-pkcs12\"",
    );
    for import in [
        ("ENVSHIM_IMPORT", "azure:*"),
        ("SECRET_MANAGER_TYPE", "azure"),
    ] {
        let answer = azure.shim().env(import.0, import.1).environment().quiet();
        let answer = (0..60).fold(answer, |answer, n| {
            answer.has(&format!("SECRET_{n}"), format!("v{n}"))
        });
        answer
            .has("CONNECTION_STRINGS__DEFAULT", "c")
            .lacks("CERTIFICATE");
    }
    let kept = azure
        .shim()
        .env("ENVSHIM_IMPORT", "azure:*")
        .args("--names keep");
    kept.environment().has("ConnectionStrings__Default", "c");
    let some = azure
        .shim()
        .env("ENVSHIM_IMPORT", "azure:Secret_5*")
        .environment()
        .quiet();
    some.has("_0", "v50").lacks("SECRET_1");
    // Where the vault is says nothing about what is wanted of it.
    let alone = azure.shim().args("-- true").run();
    alone.exits(125).says("the environment names no store");
}

#[test]
fn an_import_of_one_secret() {
    let azure = Azure::new();
    azure.secret("app", r#"{"django_secret_key":"d","DB_PASSWORD":"p"}"#);
    azure.secret("stripe-key", "sk");
    let answer = azure
        .shim()
        .env("ENVSHIM_IMPORT", "azure:app, azure:stripe_key")
        .environment()
        .quiet();
    answer
        .has("DJANGO_SECRET_KEY", "d")
        .has("DB_PASSWORD", "p")
        .has("STRIPE_KEY", "sk");
}

#[test]
fn what_is_not_to_be_used_is_left_out_and_said() {
    let azure = Azure::new();
    azure.secret("good", "1");
    azure.secret_with("app", "off", "c4n4ry", "\"enabled\":false", "");
    azure.secret_with("app", "old", "2", "\"enabled\":true,\"exp\":1577836800", "");
    azure.secret_with("app", "new", "3", "\"enabled\":true,\"nbf\":4070908800", "");
    let answer = azure.shim().env("ENVSHIM_IMPORT", "azure:*").environment();
    let answer = answer
        .has("GOOD", "1")
        .lacks("OFF")
        .lacks("OLD")
        .lacks("NEW");
    assert_eq!(
        answer.err,
        "envshim: warning: import of the vault `app`: left out: `off` is disabled, `old` has expired at 2020-01-01T00:00:00Z, \
         `new` is not valid before 2099-01-01T00:00:00Z\n\
         envshim: hint: a line NAME=azure:secret takes one all the same; az keyvault secret delete removes it\n"
    );
    let listed = azure.shim().args("ls --json azure:*").run().ok().quiet();
    for (name, note) in [
        ("off", "is disabled"),
        ("old", "has expired at 2020-01-01T00:00:00Z"),
        ("new", "is not valid before 2099-01-01T00:00:00Z"),
    ] {
        let entry = format!(
            "{{\"name\":\"{name}\",\"version\":null,\"changed\":null,\"note\":\"{note}\"}}"
        );
        assert!(listed.out.contains(&entry), "{}", listed.out);
    }
    // By name a vault gives them too, but for the disabled one.
    let answer = with(azure.shim(), "A=azure:old\nB=azure:new\n")
        .environment()
        .has("A", "2")
        .has("B", "3");
    assert!(
        answer.err.contains(
            "warning: the secret `old` of the vault `app` has expired at 2020-01-01T00:00:00Z"
        ),
        "{}",
        answer.err
    );
    let off = discreet(with(azure.shim(), "A=azure:off?default=d\n").refused());
    off.says(".vault:1: A: azure:off: the secret `off` of the vault `app` is disabled\n")
        .says("hint: az keyvault secret set-attributes --vault-name app --name off --enabled true");
}

#[test]
fn names() {
    let azure = Azure::new();
    azure.secret("mongo-uri", "old");
    azure.secret("prod-mongo", "new");
    azure.secret("secret-key", "k");
    let answer = azure
        .shim()
        .env("ENVSHIM_IMPORT", "azure:*")
        .env("AZURE_DATABASE_NAME", "prod_mongo")
        .env("AZURE_ENV_NAME", "dev")
        .environment()
        .quiet();
    answer
        .has("DATABASE", "new")
        .has("MONGO_URI", "old")
        .has("SECRET_KEY", "k")
        .lacks("PROD_MONGO")
        .lacks("ENV");
    let clash = azure
        .shim()
        .env("ENVSHIM_IMPORT", "azure:*")
        .env("AZURE_MONGO_URI_NAME", "prod-mongo")
        .refused();
    clash.says("both become `MONGO_URI`").says("`mongo-uri`");
    azure.secret("secretKey", "x");
    let clash = azure.shim().env("ENVSHIM_IMPORT", "azure:*").refused();
    clash.says("`secret-key` and `secretKey` both become `SECRET_KEY`");
    // In a reference, a variable says it.
    let answer = with(
        azure.shim().env("AZURE_MONGO_URI_NAME", "prod-mongo"),
        "MONGO_URI=azure:${AZURE_MONGO_URI_NAME:-mongo-uri}\n",
    );
    answer.environment().has("MONGO_URI", "new");
}

#[test]
fn mistakes_in_references_are_found_before_anything_is_asked() {
    let azure = Azure::new();
    let vault = "A=azure:app*\nB=azure:a/b\nC=azure:a.b\nD=azure:x?version=a-b\nE=azure:https://kv.vault.azure.net/keys/a\n\
                 F=azure:x?valt=y\nG=azure:a b\n";
    let answer = with(azure.shim(), vault).refused();
    answer
        .says(".vault:1: A: azure:app*: `*` names several secrets")
        .says(".vault:2: B: azure:a/b: no secret in Key Vault has the letter `/` in its name")
        .says("hint: a version is written as NAME?version=")
        .says(".vault:3: C: azure:a.b: no secret")
        .says(".vault:4: D: azure:x: the version is not one of Key Vault")
        .says(".vault:5: E: azure:https://kv.vault.azure.net/keys/a: is not the identifier of a secret")
        .says("hint: did you mean `vault`?")
        .says(".vault:7: G: azure:a ...: no secret");
    assert!(azure.server.seen().is_empty());
}

#[test]
fn vaults_that_are_not_said_or_wrong() {
    let azure = Azure::new();
    let one =
        |url: &str, line: &str| with(azure.shim().env("AZURE_VAULT_URL", url), line).refused();
    one("", "A=azure:x\n")
        .says("A: azure:x: it is not said which vault: AZURE_VAULT_URL is unset\n")
        .says("hint: set AZURE_VAULT_URL=https://NAME.vault.azure.net");
    one("http://vault.example", "A=azure:x\n")
        .says("AZURE_VAULT_URL: a vault is asked over https only");
    one("https://x.vault.azure.net/secrets/a", "A=azure:x\n")
        .says("AZURE_VAULT_URL: is the address of something in a vault");
    one("a_b", "A=azure:x\n").says("AZURE_VAULT_URL: is not the name of a vault");
    // A reference may come from elsewhere: it leads to Azure, or to where the settings lead.
    one("app", "A=azure:x?vault=https://evil.example\n")
        .says("https://evil.example is in no cloud of Azure, and is shown no token");
    assert!(azure.server.seen().is_empty());
}

#[test]
fn the_clouds_by_their_own_names() {
    let azure = Azure::new();
    azure.secret("key", "v");
    azure.secret_with("beijing", "key", "w", "\"enabled\":true", "");
    // A proxy leads every name to the double.
    let proxy = Proxy::new(azure.server.address, |_| None);
    let shim = || {
        azure
            .shim()
            .env("AZURE_AUTHORITY_HOST", "")
            .env("HTTPS_PROXY", proxy.server.url())
    };
    for home in ["app", "https://app.vault.azure.net/", "APP.vault.azure.net"] {
        let shim = with(shim().env("AZURE_VAULT_URL", home), "A=azure:key\n");
        shim.environment().quiet().has("A", "v");
    }
    let both = "A=azure:key\nB=azure:https://beijing.vault.azure.cn/secrets/key\n";
    let shim = with(
        shim()
            .env("AZURE_VAULT_URL", "")
            .env("KEY_VAULT_NAME", "app"),
        both,
    );
    shim.environment().quiet().has("A", "v").has("B", "w");
    let asked: Vec<String> = proxy
        .asked()
        .iter()
        .map(|seen| seen.path().to_owned())
        .collect();
    for host in [
        "app.vault.azure.net:443",
        "login.microsoftonline.com:443",
        "beijing.vault.azure.cn:443",
        "login.chinacloudapi.cn:443",
    ] {
        assert!(asked.iter().any(|path| path == host), "{host}: {asked:?}");
    }
    // What their tokens are for is known: no vault was asked for it.
    assert!(
        azure
            .server
            .seen()
            .iter()
            .all(|seen| !seen.path().contains("maxresults=1&"))
    );
}

#[test]
fn fifty_secrets_in_the_time_of_two() {
    let azure = Azure::new();
    let lines =
        |count: usize| -> String { (0..count).map(|n| format!("V{n}=azure:s{n}\n")).collect() };
    for n in 0..50 {
        azure.secret(&format!("s{n}"), &format!("v{n}"));
    }
    let relay = Relay::new(azure.server.address, Duration::from_millis(50));
    let took = |count: usize| {
        let port = relay.server.port();
        let shim = azure
            .shim()
            .env(
                "AZURE_VAULT_URL",
                format!("https://app.vault.localhost:{port}"),
            )
            .env(
                "AZURE_AUTHORITY_HOST",
                format!("https://login.localhost:{port}"),
            );
        let begun = std::time::Instant::now();
        let answer = with(shim, lines(count)).environment().quiet();
        let took = begun.elapsed();
        answer.has(&format!("V{}", count - 1), format!("v{}", count - 1));
        took
    };
    took(2);
    let (two, fifty) = (took(2), took(50));
    // A second round of requests is 100 ms; machines under load are slower than the line.
    assert!(
        fifty < two.mul_f64(1.6),
        "{fifty:?} for fifty, {two:?} for two"
    );
}
