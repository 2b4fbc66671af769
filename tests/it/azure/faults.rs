//! What goes wrong with vaults: each with its variable and reference, a cause and a cure, within the
//! deadline, and nothing of a token or secret in it.

use std::time::{Duration, Instant};

use crate::house::authority::Authority;
use crate::house::azure::{Azure, CLIENT, SECRET, TENANT, discreet, refusal};
use crate::house::server::{Seen, Server, answer};
use crate::house::wire::Proxy;
use crate::house::{Answer, Shim};

fn azure() -> Azure {
    let azure = Azure::new();
    azure.secret("app", "c4n4ry-value");
    azure
}

/// A start that fails before its limit, with variable and reference.
#[track_caller]
fn fails(shim: Shim) -> Answer {
    let begun = Instant::now();
    let shim = shim.file(".vault", "A=azure:app\nB=azure:app?default=d\n");
    let answer = discreet(shim.args("--timeout 3s --log=debug").refused());
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    answer.says("envshim: error: .vault:1: A: azure:app (also B): ")
}

/// Values of secrets are refused so.
fn refuses(azure: &Azure, reply: impl Fn() -> Vec<u8> + Send + 'static) {
    azure.before(move |seen: &Seen| {
        let wanted = seen.path().starts_with("/secrets/") && seen.header("authorization").is_some();
        wanted.then(&reply)
    });
}

#[test]
fn refusals_have_their_cause_and_cure() {
    const RBAC: &str = "Caller is not authorized to perform action on resource.\r\nCaller: appid=aa-1;oid=bb-2;iss=https://sts.windows.net/t/\r\nAction: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\nResource: '/subscriptions/s/resourcegroups/r/providers/microsoft.keyvault/vaults/app/secrets/app'\r\nc4n4ry\r\n";
    const POLICY: &str = "The user, group or application 'appid=aa-1;oid=bb-2;iss=x' does not have secrets get permission on key vault 'app;location=westeurope'. c4n4ry";
    let azure = azure();
    for (status, code, inner, message, said, hint) in [
        (
            403,
            "Forbidden",
            "ForbiddenByRbac",
            RBAC,
            "access is denied to the secret `app` of the vault `app` for bb-2\n",
            "hint: az role assignment create --role \"Key Vault Secrets User\" --assignee bb-2 --scope /subscriptions/s/resourcegroups/r/providers/microsoft.keyvault/vaults/app\n",
        ),
        (
            403,
            "Forbidden",
            "AccessDenied",
            POLICY,
            "access is denied to the secret `app` of the vault `app` for bb-2\n",
            "hint: az keyvault set-policy --name app --object-id bb-2 --secret-permissions get\n",
        ),
        (
            403,
            "Forbidden",
            "ForbiddenByFirewall",
            "Client address is not authorized and caller is not a trusted service.\r\nClient address: 203.0.113.7\r\n",
            "the firewall of the vault `app` does not let this address in (203.0.113.7)",
            "hint: az keyvault network-rule add --name app --ip-address 203.0.113.7\n",
        ),
        (
            403,
            "Forbidden",
            "ForbiddenByConnection",
            "c4n4ry",
            "the vault `app` can be reached from its private network only",
            "hint: start it in that network",
        ),
        (
            403,
            "Forbidden",
            "SecretDisabled",
            "c4n4ry",
            "the secret `app` of the vault `app` is disabled",
            "--enabled true",
        ),
        (
            401,
            "Unauthorized",
            "",
            "AKV10022: c4n4ry",
            "the vault `app` does not accept the token (status 401)",
            "properties.tenantId",
        ),
        (
            400,
            "BadParameter",
            "",
            "c4n4ry",
            "the vault `app` answers BadParameter (status 400)\n",
            "",
        ),
        (
            410,
            "",
            "",
            "",
            "the vault `app` answers with status 410\n",
            "",
        ),
    ] {
        refuses(&azure, move || refusal(status, code, message, inner));
        let asked = azure.asked("app");
        fails(azure.shim()).says(said).says(hint);
        assert_eq!(azure.asked("app") - asked, 1, "{inner} is not asked again");
    }
    // A list that may not be read.
    azure.before(|seen| {
        let listing = seen.path().starts_with("/secrets?maxresults=25")
            && seen.header("authorization").is_some();
        listing.then(|| refusal(403, "Forbidden", RBAC, "ForbiddenByRbac"))
    });
    let import = azure.shim().env("ENVSHIM_IMPORT", "azure:*").refused();
    discreet(import)
        .says(
            "import azure:*: access is denied to the list of secrets of the vault `app` for bb-2\n",
        )
        .says("\"Key Vault Secrets User\"");
}

#[test]
fn what_is_missing_is_suggested() {
    let azure = Azure::new();
    azure.secret("django-secret-key", "1");
    let one = |line: &str| azure.shim().file(".vault", line).refused();
    one("A=azure:django-secret-kye\n")
        .says(".vault:1: A: azure:django-secret-kye: the vault `app` has no secret `django-secret-kye`\n")
        .says("hint: did you mean `django-secret-key`?\n");
    one("A=azure:MONGO_URI\n")
        .says("A: azure:MONGO_URI: the vault `app` has no secret `MONGO-URI`\n")
        .says("hint: az keyvault secret list --vault-name app, and list-deleted");
    one("A=azure:django-secret-key?version=00ff\n")
        .says("has no secret `django-secret-key` with the version 00ff")
        .says("hint: az keyvault secret list-versions --vault-name app --name django-secret-key");
}

#[test]
fn throttling_is_waited_out_until_the_deadline() {
    let azure = azure();
    let count = std::sync::atomic::AtomicUsize::new(0);
    azure.before(move |seen| {
        let value = seen.path().starts_with("/secrets/");
        let early = || count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 3;
        (value && early()).then(|| refusal(429, "Throttled", "c4n4ry", ""))
    });
    azure
        .shim()
        .file(".vault", "A=azure:app\n")
        .environment()
        .quiet()
        .has("A", "c4n4ry-value");
    refuses(&azure, || refusal(429, "Throttled", "c4n4ry", ""));
    fails(azure.shim())
        .says("the vault `app` asks to slow down (status 429)")
        .says("hint: give it more time");
    refuses(&azure, || answer(429, "Retry-After: 60\r\n", ""));
    fails(azure.shim()).says("the server asks to wait 60 s (status 429)");
}

#[test]
fn servers_that_are_broken() {
    let azure = azure();
    refuses(&azure, || answer(500, "", "c4n4ry"));
    fails(azure.shim()).says("the vault `app` answers with status 500");
    refuses(&azure, || answer(200, "", "<html>c4n4ry</html>"));
    fails(azure.shim()).says("the answer of the vault `app` is not one of Key Vault");
    refuses(&azure, || {
        answer(
            200,
            "",
            r#"{"id":"https://x/secrets/app/1","value":{"a":"c4n4ry"}}"#,
        )
    });
    fails(azure.shim()).says("the answer of the vault `app` is not one of Key Vault");
    refuses(&azure, || {
        b"HTTP/1.1 200 X\r\nContent-Length: 500000000\r\n\r\nc4n4ry".to_vec()
    });
    fails(azure.shim()).says("the answer is larger than 4 MiB");
    refuses(&azure, || {
        answer(302, "Location: https://evil.example/\r\n", "")
    });
    fails(azure.shim()).says("the server redirects (status 302)");
    refuses(&azure, || b"nonsense\r\n\r\n".to_vec());
    fails(azure.shim()).says("the answer is not HTTP");
    // Headers, and then nothing.
    refuses(&azure, || {
        b"HTTP/1.1 200 X\r\nContent-Length: 100\r\n\r\n{\"value\":\"c4n4ry".to_vec()
    });
    fails(azure.shim()).says("3 s");
}

#[test]
fn servers_that_are_not_there() {
    let azure = azure();
    let at = |port: u16| {
        azure.shim().env(
            "AZURE_VAULT_URL",
            format!("https://app.vault.localhost:{port}"),
        )
    };
    fails(at(9))
        .says("the connection is refused")
        .says("hint: is the server running");
    let silent = Server::raw(|stream, _| {
        std::thread::park_timeout(Duration::from_secs(10));
        drop(stream);
    });
    fails(at(silent.port())).says("3 s");
    // Another authority, another name.
    let other = Authority::new();
    other.sign(
        "azure",
        "DNS:*.vault.localhost",
        crate::house::authority::NOW,
    );
    let stranger = Server::https(other.server("azure").config(), |_| answer(200, "", "{}"));
    fails(at(stranger.port())).says("signed by an authority that is not known here");
    fails(azure.shim().env(
        "AZURE_VAULT_URL",
        format!("https://app.other.localhost:{}", azure.server.port()),
    ))
    .says("the server's certificate is for");
    // The name of a vault that does not exist.
    let none = "no-such-vault-4711.vault.azure.net.invalid";
    let shim = azure
        .shim()
        .env("AZURE_VAULT_URL", format!("https://{none}"));
    fails(shim).says(none);
}

#[test]
fn a_server_that_wants_a_token_for_somebody_else_gets_none() {
    let azure = azure();
    for (resource, header) in [
        ("https://management.azure.com", "resource"),
        ("https://app.vault.localhost", "resource"),
        ("https://graph.microsoft.com/.default", "scope"),
        ("https://vault.azure.net", "resource"),
    ] {
        azure.before(move |seen| {
            seen.header("authorization").is_none().then(|| {
                let login = format!("https://login.localhost/{TENANT}");
                let header = format!("WWW-Authenticate: Bearer authorization=\"{login}\", {header}=\"{resource}\"\r\n");
                answer(401, &header, "")
            })
        });
        fails(azure.shim())
            .says(" asks for a token for ")
            .says("which is not the domain it is in");
    }
    azure.before(|seen| {
        seen.header("authorization")
            .is_none()
            .then(|| answer(200, "", "{}"))
    });
    fails(azure.shim())
        .says("is not a vault: it answers with status 200 and asks for no token")
        .says("hint: check AZURE_VAULT_URL");
    let asked_entra = azure
        .server
        .seen()
        .iter()
        .any(|seen| seen.path().ends_with("/token"));
    assert!(!asked_entra);
}

#[test]
fn a_list_that_goes_on_elsewhere_is_not_followed() {
    let azure = azure();
    azure.before(|seen| {
        let listing = seen.path().starts_with("/secrets?maxresults=25") && seen.header("authorization").is_some();
        listing.then(|| answer(200, "", r#"{"value":[],"nextLink":"https://evil.example/secrets?api-version=7.4&$skiptoken=x"}"#))
    });
    let answer = discreet(azure.shim().env("ENVSHIM_IMPORT", "azure:*").refused());
    answer.says("import azure:*: the list of the vault `app` goes on at https://evil.example, which must not see the token");
    // Nor one that never ends.
    azure.before(|seen| {
        let next = format!(
            "https://{}/secrets?api-version=7.4&$skiptoken=x",
            seen.header("host")?
        );
        let listing =
            seen.path().starts_with("/secrets?") && seen.header("authorization").is_some();
        listing.then(|| {
            crate::house::server::answer(
                200,
                "",
                format!("{{\"value\":[],\"nextLink\":\"{next}\"}}"),
            )
        })
    });
    let answer = azure.shim().env("ENVSHIM_IMPORT", "azure:*").refused();
    answer.says("the list of the vault `app` has no end");
}

#[test]
fn one_of_a_whole_vault_that_cannot_be_read_fails_it() {
    let azure = azure();
    azure.secret("other", "1");
    azure.before(|seen| {
        let other = seen.path().starts_with("/secrets/other?");
        other.then(|| refusal(403, "Forbidden", "c4n4ry", "ForbiddenByRbac"))
    });
    let answer = discreet(azure.shim().env("ENVSHIM_IMPORT", "azure:*").refused());
    answer
        .says("import azure:*: access is denied to the secret `other` of the vault `app`\n")
        .says("--scope \"$(az keyvault show --name app --query id --output tsv)\"");
}

#[test]
fn a_proxy_that_does_not_let_through() {
    let proxyless = Shim::new()
        .env("AZURE_VAULT_URL", "envshim-no-such-vault-4711")
        .env("AZURE_TENANT_ID", TENANT)
        .env("AZURE_CLIENT_ID", CLIENT)
        .env("AZURE_CLIENT_SECRET", SECRET);
    let proxy = Proxy::new(([127, 0, 0, 1], 9).into(), |_| Some(502));
    let answer = fails(proxyless.env("HTTPS_PROXY", proxy.server.url()));
    answer.says("does not let us through (status 502)");
}
