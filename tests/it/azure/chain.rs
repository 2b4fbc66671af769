//! The chain of credentials: each link by itself, their order, and what is said where none has any.

use std::process::Command;
use std::sync::Arc;

use crate::house::azure::{Azure, CLIENT, FEDERATED, SECRET, TENANT, aadsts, discreet, parameter};
use crate::house::server::{Seen, Server, answer};
use crate::house::wire::Proxy;
use crate::house::{Answer, Shim, namespace, set_mode};

/// A double with one secret.
fn azure() -> Azure {
    let azure = Azure::new();
    azure.secret("app", "v");
    azure
}

fn asks(shim: Shim) -> Shim {
    shim.file(".vault", "A=azure:app\n")
}

#[track_caller]
fn works(shim: Shim) -> Answer {
    asks(shim).environment().quiet().has("A", "v")
}

#[track_caller]
fn fails(shim: Shim) -> Answer {
    discreet(asks(shim).refused())
}

/// A service on this machine that gives a token for a question that it is content with.
fn service(azure: &Azure, content: impl Fn(&Seen) -> bool + Send + Sync + 'static) -> Server {
    let token = azure.token(azure.resource());
    Server::http(move |seen| {
        if content(seen) {
            let body = format!(
                "{{\"access_token\":\"{token}\",\"expires_on\":\"4070908800\",\"resource\":\"r\",\"token_type\":\"Bearer\",\"client_id\":\"{CLIENT}\"}}"
            );
            answer(200, "Content-Type: application/json\r\n", body)
        } else {
            answer(
                400,
                "",
                r#"{"error":"invalid_request","error_description":"Identity not found"}"#,
            )
        }
    })
}

/// A parameter of a request's query.
fn query(seen: &Seen, name: &str) -> Option<String> {
    parameter(seen.path().split_once('?')?.1, name)
}

#[test]
fn client_secret() {
    let azure = azure();
    works(azure.shim());
    // In the file too, as settings: then the program does not get them.
    let text = format!("A=azure:app\nAZURE_CLIENT_SECRET={SECRET}\n");
    let shim = azure.application().file(".vault", text);
    shim.environment()
        .quiet()
        .has("A", "v")
        .lacks("AZURE_CLIENT_SECRET");
    let half = azure.stranger().env("AZURE_CLIENT_SECRET", SECRET);
    fails(half)
        .says("environment: AZURE_CLIENT_SECRET is set, and AZURE_CLIENT_ID is not\n")
        .says("hint: set AZURE_CLIENT_ID");
    let half = azure
        .stranger()
        .env("AZURE_CLIENT_SECRET", SECRET)
        .env("AZURE_CLIENT_ID", CLIENT);
    fails(half).says("AZURE_TENANT_ID is not\n");
    fails(azure.shim().env("AZURE_TENANT_ID", "a/../b"))
        .says("AZURE_TENANT_ID: is neither an id nor a domain");
    let clear = azure
        .shim()
        .env("AZURE_AUTHORITY_HOST", "http://login.localhost");
    fails(clear).says("AZURE_AUTHORITY_HOST: credentials are sent over https only");
    let wrong = azure.application().env("AZURE_CLIENT_SECRET", "c4n4ry2");
    fails(wrong)
        .says("A: azure:app: environment: the client secret is wrong (AADSTS7000215)\n")
        .says("hint: set AZURE_CLIENT_SECRET to the value of the secret, not to its id");
}

#[test]
fn what_entra_refuses() {
    let azure = azure();
    for (code, said, hint) in [
        (
            7_000_222,
            "the client secret has expired",
            format!("az ad app credential reset --id {CLIENT}"),
        ),
        (
            700_016,
            "the tenant has no application 11111111",
            "check AZURE_CLIENT_ID".into(),
        ),
        (
            90_002,
            "there is no such tenant",
            "AZURE_AUTHORITY_HOST".into(),
        ),
        (53_003, "a conditional access policy", "ask who".into()),
        (
            123_456,
            "Entra gives no token (AADSTS123456)",
            "look the number up".into(),
        ),
    ] {
        azure.before(move |seen| {
            seen.path()
                .ends_with("/token")
                .then(|| aadsts(400, "invalid_request", code))
        });
        let asked = azure.server.seen().len();
        fails(azure.shim())
            .says(said)
            .says(&format!("AADSTS{code}"))
            .says(&hint);
        assert_eq!(
            azure.server.seen().len() - asked,
            2,
            "the vault once, Entra once"
        );
    }
    azure.before(|seen| {
        seen.path()
            .ends_with("/token")
            .then(|| answer(403, "", "<html>c4n4ry"))
    });
    fails(azure.shim()).says("environment: Entra answers with status 403");
    azure.before(|seen| {
        seen.path()
            .ends_with("/token")
            .then(|| answer(200, "", "{\"access_token\":\"a\\nb\"}"))
    });
    fails(azure.shim()).says("Entra gives no token in the form of Azure");
    let flaky = std::sync::atomic::AtomicUsize::new(0);
    azure.before(move |seen| {
        let again = || flaky.fetch_add(1, std::sync::atomic::Ordering::SeqCst) < 2;
        (seen.path().ends_with("/token") && again()).then(|| answer(503, "", ""))
    });
    works(azure.shim());
}

#[test]
fn client_certificate() {
    let azure = azure();
    let folder = &azure.authority.folder;
    azure.authority.openssl("req -x509 -config ca.cnf -newkey rsa:2048 -nodes -keyout own.key -out own.crt -subj /CN=own -days 3");
    let both = [folder.read("own.key"), folder.read("own.crt")].concat();
    let path = folder.write("own.pem", &both);
    let shim = || {
        azure
            .application()
            .env("AZURE_CLIENT_CERTIFICATE_PATH", &path)
    };
    works(shim());
    works(shim().env("AZURE_CLIENT_SEND_CERTIFICATE_CHAIN", "true"));
    assert_eq!(azure.assertions().len(), 2);

    let with = |name: &str| {
        azure
            .application()
            .env("AZURE_CLIENT_CERTIFICATE_PATH", folder.join(name))
    };
    fails(with("own.key"))
        .says("there is no certificate in")
        .says("append it to the file");
    fails(with("own.crt")).says("own.crt: there is no private key in it");
    fails(with("none.pem"))
        .says("AZURE_CLIENT_CERTIFICATE_PATH: there is no ")
        .says("hint: mount the file");
    azure
        .authority
        .openssl("pkcs12 -export -in own.crt -inkey own.key -out own.pfx -passout pass:c4n4ry");
    fails(with("own.pfx"))
        .says("own.pfx is PKCS#12 (PFX), and PEM is read here")
        .says("hint: openssl pkcs12 -in ")
        .says("own.pfx -nodes -out certificate.pem");
    azure
        .authority
        .openssl("rsa -in own.key -aes128 -passout pass:c4n4ry -out locked.key");
    let locked = [folder.read("locked.key"), folder.read("own.crt")].concat();
    folder.write("locked.pem", locked);
    fails(with("locked.pem"))
        .says("its private key is encrypted with a password")
        .says("hint: openssl pkey -in");
    // The authority's key is an elliptic one.
    let elliptic = [folder.read("ca.key"), folder.read("ca.pem")].concat();
    folder.write("elliptic.pem", elliptic);
    fails(with("elliptic.pem")).says("its private key is not one of RSA");
}

#[test]
fn workload_identity() {
    let azure = azure();
    let folder = &azure.authority.folder;
    let file = folder.write("token", format!("{FEDERATED}\n"));
    works(azure.application().env("AZURE_FEDERATED_TOKEN_FILE", &file));
    assert_eq!(azure.assertions(), [FEDERATED]);
    let half = azure.stranger().env("AZURE_FEDERATED_TOKEN_FILE", &file);
    fails(half)
        .says("workload identity: AZURE_FEDERATED_TOKEN_FILE is set, and AZURE_CLIENT_ID is not");
    let none = azure
        .application()
        .env("AZURE_FEDERATED_TOKEN_FILE", folder.join("none"));
    fails(none)
        .says("workload identity: AZURE_FEDERATED_TOKEN_FILE: there is no token in ")
        .says("azure.workload.identity/use");
    azure.before(|seen| {
        seen.path()
            .ends_with("/token")
            .then(|| aadsts(401, "invalid_client", 700_213))
    });
    fails(azure.application().env("AZURE_FEDERATED_TOKEN_FILE", &file))
        .says("does not trust the issuer, subject or audience of the token (AADSTS700213)")
        .says("hint: az ad app federated-credential list --id");
}

#[test]
fn app_service() {
    let azure = azure();
    let app = service(&azure, |seen| {
        seen.line.starts_with("GET /msi/token?")
            && seen.header("x-identity-header") == Some("c4n4ry-header")
            && query(seen, "api-version").as_deref() == Some("2019-08-01")
            && query(seen, "resource").as_deref() == Some("https://vault.localhost")
            && query(seen, "client_id").is_none_or(|id| id == CLIENT)
    });
    let shim = || {
        azure
            .stranger()
            .env("IDENTITY_ENDPOINT", format!("{}/msi/token", app.url()))
            .env("IDENTITY_HEADER", "c4n4ry-header")
            // Never through a proxy, whatever it says.
            .env("HTTP_PROXY", "http://127.0.0.1:9")
    };
    works(shim());
    works(shim().env("AZURE_CLIENT_ID", CLIENT));
    assert_eq!(
        app.seen()
            .iter()
            .filter(|seen| query(seen, "client_id").is_some())
            .count(),
        1
    );
    fails(shim().env("AZURE_CLIENT_ID", "other"))
        .says("managed identity: the identity service of the app knows no identity with the client id other")
        .says("hint: assign that identity to it, or unset AZURE_CLIENT_ID");
    fails(shim().env("IDENTITY_ENDPOINT", "http://identity.example/token"))
        .says("IDENTITY_ENDPOINT: in clear only services of this machine are asked");
    fails(shim().env("IDENTITY_SERVER_THUMBPRINT", "ab"))
        .says("the identities of Service Fabric are not known here");
    fails(shim().env("IDENTITY_HEADER", ""))
        .says("IDENTITY_ENDPOINT is set, and IDENTITY_HEADER is not");
}

#[test]
fn metadata_service() {
    let azure = azure();
    let imds = service(&azure, |seen| {
        seen.line
            .starts_with("GET /metadata/identity/oauth2/token?")
            && seen.header("metadata") == Some("true")
            && seen.header("x-forwarded-for").is_none()
            && query(seen, "api-version").as_deref() == Some("2018-02-01")
            && query(seen, "resource").as_deref() == Some("https://vault.localhost")
            && query(seen, "client_id").is_none_or(|id| id == CLIENT)
    });
    let shim = |server: &Server| {
        azure
            .stranger()
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", server.url())
            .env("HTTP_PROXY", "http://127.0.0.1:9")
    };
    works(shim(&imds));
    works(shim(&imds).env("AZURE_CLIENT_ID", CLIENT));
    works(shim(&imds).env("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential"));
    fails(shim(&imds).env("AZURE_CLIENT_ID", "other")).says("managed identity: IMDS knows no identity with the client id other; Azure CLI: `az` is not found in PATH");
    // The identity is being attached.
    let token = azure.token(azure.resource());
    let slow = Server::http(move |seen| match seen.number {
        0 => answer(404, "", ""),
        1 => answer(429, "Retry-After: 0\r\n", ""),
        2 => answer(410, "", ""),
        _ => answer(
            200,
            "",
            format!("{{\"access_token\":\"{token}\",\"expires_in\":\"3600\"}}"),
        ),
    });
    works(shim(&slow));
    // It is there, and takes its time for the first token.
    let token = azure.token(azure.resource());
    let slow = Server::http(move |seen| {
        if seen.number == 0 {
            std::thread::sleep(std::time::Duration::from_millis(1300));
        }
        answer(
            200,
            "",
            format!("{{\"access_token\":\"{token}\",\"expires_in\":\"3600\"}}"),
        )
    });
    works(shim(&slow));
    assert_eq!(slow.seen().len(), 2);
    let broken = Server::http(|_| answer(200, "", "<html>c4n4ry"));
    fails(shim(&broken)).says("managed identity: IMDS gives no token in the form of Azure");
    // Docker Desktop answers for it where there is none.
    let docker = Server::http(|_| answer(403, "", "connecting to 169.254.169.254:80: unreachable"));
    fails(shim(&docker))
        .says("no Azure credentials (")
        .says("`az` is not found");
}

#[test]
fn the_arc_agent() {
    let azure = azure();
    let token = azure.token(azure.resource());
    let agent = |path: &str| {
        let (realm, token) = (path.to_owned(), token.clone());
        Server::http(move |seen| {
            let good = seen
                .line
                .starts_with("GET /metadata/identity/oauth2/token?")
                && seen.header("metadata") == Some("true")
                && query(seen, "api-version").as_deref() == Some("2020-06-01");
            match seen.header("authorization") {
                None if good => answer(
                    401,
                    &format!("WWW-Authenticate: Basic realm={realm}\r\n"),
                    "",
                ),
                Some("Basic c4n4ry-key") if good => answer(
                    200,
                    "",
                    format!("{{\"access_token\":\"{token}\",\"expires_on\":\"4070908800\"}}"),
                ),
                _ => answer(400, "", ""),
            }
        })
    };
    let shim = |agent: &Server| {
        azure
            .stranger()
            .env(
                "IDENTITY_ENDPOINT",
                format!("{}/metadata/identity/oauth2/token", agent.url()),
            )
            .env("IMDS_ENDPOINT", agent.url())
    };
    let key = "/var/opt/azcmagent/tokens/c4.key";
    for path in [
        "/etc/passwd",
        "/var/opt/azcmagent/tokens/../c4.key",
        "/tmp/c4.key",
        "",
    ] {
        fails(shim(&agent(path)))
            .says("managed identity: the Arc agent names a file that is not one of its keys");
    }
    fails(shim(&agent(key)))
        .says("managed identity: the key of the Arc agent cannot be read: /var/opt/azcmagent/tokens/c4.key")
        .says("hint: sudo usermod -aG himds");
    if !namespace::available() {
        return;
    }
    // A machine on which the agent has its folder.
    let agent = agent(key);
    let inside = |more: &str, shim: Shim| {
        let script = format!(
            "own=$PATH PATH=/usr/bin:/bin && mount -t tmpfs none /var/opt && mkdir -p /var/opt/azcmagent/tokens && \
                      printf c4n4ry-key > /var/opt/azcmagent/tokens/c4.key && {more} && PATH=$own exec \"$@\""
        );
        let words = namespace::words()
            .into_iter()
            .map(|word| word.into_string().expect("text"));
        let mut words: Vec<String> = words.collect();
        words.insert(1, "--mount".to_owned());
        let of = asks(shim).args("-- sh -c").arg("printf %s \"$A\"");
        let plain = of.command();
        let mut command = Command::new(&words[0]);
        command
            .args(&words[1..])
            .args(["sh", "-c", &script, "sh"])
            .arg(plain.get_program())
            .args(plain.get_args());
        command.env_clear().current_dir(of.folder.path());
        let set = plain
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?)));
        command.envs(set);
        Answer::new(command.output().expect("unshare"), of.folder)
    };
    assert_eq!(inside("true", shim(&agent)).ok().out, "v");
    // It gives what it has, and not what was asked for.
    inside("true", shim(&agent).env("AZURE_CLIENT_ID", CLIENT))
        .exits(125)
        .says("managed identity: the Arc agent knows no identity with the client id 1111")
        .hides("c4n4ry");
    // It is installed, and no variable says so.
    let installed =
        "mount -t tmpfs none /opt && mkdir -p /opt/azcmagent/bin && touch /opt/azcmagent/bin/himds";
    let alone = azure
        .stranger()
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", "");
    inside(installed, alone)
        .exits(125)
        .says("managed identity: http://localhost:40342: the connection is refused")
        .says("; Azure CLI: `az` is not found in PATH)");
}

/// A shim whose `az` is this script.
fn with_az(shim: Shim, script: &str) -> Shim {
    let path = shim
        .folder
        .write("bin/az", format!("#!/bin/sh\n{script}\n"));
    set_mode(&path, 0o755);
    let bin = shim.folder.join("bin").display().to_string();
    shim.env("PATH", format!("{bin}:/usr/bin:/bin"))
}

#[test]
fn azure_cli() {
    let azure = azure();
    let token = azure.token(azure.resource());
    let prints = format!(
        "echo \"$@\" > words; echo '{{\"accessToken\":\"{token}\",\"expiresOn\":\"2099-01-01 00:00:00.000000\",\"tenant\":\"t\",\"tokenType\":\"Bearer\"}}'"
    );
    // The vault has said which tenant it is of.
    let answer = works(with_az(azure.stranger(), &prints));
    let words = String::from_utf8(answer.folder.read("words")).expect("text");
    assert_eq!(
        words,
        format!(
            "account get-access-token --output json --resource https://vault.localhost --tenant {TENANT}\n"
        )
    );
    works(with_az(azure.stranger(), &prints).env("AZURE_TOKEN_CREDENTIALS", "dev"));
    let answer = fails(with_az(
        azure.stranger(),
        "echo 'ERROR: Please run az login to setup account.' >&2; exit 1",
    ));
    answer
        .says("ERROR: Please run az login")
        .says("Azure CLI: `az` ended with status 1")
        .says("on your own machine: az login");
    fails(with_az(azure.stranger(), "echo c4n4ry"))
        .says("Azure CLI: `az` gives no token in the form of Azure");
    let slow = fails(with_az(azure.stranger(), "sleep 20").args("--timeout 2s"));
    slow.says("`az` did not end within 2 s");
}

#[test]
fn the_tenant_of_the_vault_is_learnt_from_its_refusal() {
    let azure = azure();
    // The proxy leads the real names to the double, whose tokens are of two tenants.
    let proxy = Proxy::new(azure.server.address, |_| None);
    let token = Arc::new(azure.token("https://vault.azure.net"));
    azure.before(move |seen| {
        let first = format!("Bearer {token}");
        (seen.header("authorization") == Some(&first)).then(|| {
            let header = "WWW-Authenticate: Bearer authorization=\"https://login.windows.net/72f9\", resource=\"https://vault.azure.net\"\r\n";
            answer(401, header, r#"{"error":{"code":"Unauthorized","message":"AKV10032: Invalid issuer."}}"#)
        })
    });
    let (wrong, right) = ("c4n4ry-token-1", azure.token("https://vault.azure.net"));
    let az = format!(
        "case \"$*\" in *'--tenant 72f9') t={right};; *) t={wrong};; esac; echo \"{{\\\"accessToken\\\":\\\"$t\\\"}}\""
    );
    let shim = || {
        with_az(azure.stranger(), &az)
            .env("AZURE_VAULT_URL", "app")
            .env("AZURE_AUTHORITY_HOST", "")
            .env("HTTPS_PROXY", proxy.server.url())
    };
    works(shim());
    // A tenant that the user names is the only one.
    fails(shim().env("AZURE_TENANT_ID", "other"))
        .says("the vault `app` does not accept the token (status 401)")
        .says("hint: are AZURE_TENANT_ID and the cloud those of the vault?");
}

#[test]
fn the_order_and_the_choice() {
    let azure = azure();
    let imds = service(&azure, |_| true);
    let shim = || {
        azure
            .shim()
            .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", imds.url())
    };
    works(shim());
    assert!(imds.seen().is_empty(), "the environment comes first");
    works(shim().env("AZURE_TOKEN_CREDENTIALS", "managedidentitycredential"));
    assert_eq!(imds.seen().len(), 1);
    works(shim().env("AZURE_TOKEN_CREDENTIALS", "prod"));
    fails(shim().env("AZURE_TOKEN_CREDENTIALS", "dev"))
        .says("no Azure credentials (Azure CLI: `az` is not found in PATH)");
    fails(shim().env("AZURE_TOKEN_CREDENTIALS", "AzureCliCredentials"))
        .says("AZURE_TOKEN_CREDENTIALS: there is no `AzureCliCredentials` here")
        .says("hint: did you mean AzureCliCredential?");
    let begun = std::time::Instant::now();
    fails(azure.stranger())
        .says("A: azure:app: no Azure credentials (environment: unset; workload identity: unset; managed identity: http://127.0.0.1:9: the connection is refused (nobody listens at 127.0.0.1:9); Azure CLI: `az` is not found in PATH)\n")
        .says("hint: give this machine, app or pod an identity, or set AZURE_TENANT_ID, AZURE_CLIENT_ID and AZURE_CLIENT_SECRET; on your own machine: az login\n");
    assert!(begun.elapsed() < std::time::Duration::from_secs(3));
    // Set up and broken is no reason to go on as somebody else.
    fails(shim().env("AZURE_CLIENT_SECRET", "c4n4ry2"))
        .says("environment: the client secret is wrong");
}
