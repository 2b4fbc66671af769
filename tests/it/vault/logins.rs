//! Every way to log in. Those that OpenBao has are tested against it, with issuers that the test
//! makes; LDAP and GitHub against a fake that takes exactly what the documentation of Vault says.

use std::io::Write;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use envshim::format::json::{self, Json, quote};

use super::super::house::authority::{Authority, NOW};
use super::super::house::aws::program;
use super::super::house::openbao::{OpenBao, text};
use super::super::house::server::{Seen, Server, answer};
use super::super::house::{Answer, Shim, repository, set_mode, without};
use super::told;

/// One secret, and a policy `app` that may read it and nothing else.
fn with_secret() -> Option<OpenBao> {
    let bao = OpenBao::start()?;
    bao.put("app", r#"{"a": "1"}"#);
    bao.policy("app", "secret/data/app", "read");
    Some(bao)
}

fn wanting(shim: Shim) -> Shim {
    shim.file(".vault", "A=vault:app#a\n")
}

/// It gets the secret.
#[track_caller]
fn gets(shim: Shim) -> Answer {
    wanting(shim).environment().quiet().has("A", "1")
}

#[test]
fn tokens() {
    let Some(bao) = with_secret() else { return };
    let token = bao.token(r#"{"policies": ["app"]}"#);
    let other = bao.token(r#"{"policies": ["default"]}"#);
    // The program does not get it.
    gets(bao.shim().env("VAULT_TOKEN", format!(" {token}\n")))
        .lacks("VAULT_TOKEN")
        .hides(&token);
    gets(
        bao.shim()
            .env("VAULT_TOKEN_FILE", "t")
            .file("t", format!("{token}\n")),
    );
    let home = bao.shim().file("home/.vault-token", &token);
    let path = home.folder.join("home");
    gets(home.env("HOME", path));
    // A setting wins over what the CLI has left at home; an empty file is none.
    let home = bao
        .shim()
        .file("home/.vault-token", other)
        .env("VAULT_TOKEN", &token);
    let path = home.folder.join("home");
    gets(home.env("HOME", path));
    let home = bao.shim().file("home/.vault-token", "\n");
    let path = home.folder.join("home");
    wanting(home.env("HOME", path))
        .refused()
        .says("~/.vault-token: no file");
    // In a file of settings.
    let vault = format!("VAULT_TOKEN={token}\nA=vault:app#a\n");
    bao.shim()
        .file(".vault", vault)
        .environment()
        .has("A", "1")
        .lacks("VAULT_TOKEN");

    for odd in ["s.c4n4ry\nX-Evil: 1", "s.c4n4ry\u{e9}"] {
        let answer = wanting(bao.shim().env("VAULT_TOKEN", odd)).refused();
        told(&bao, answer)
            .says("VAULT_TOKEN: is empty, or holds characters that a credential cannot have");
    }
    wanting(bao.shim().env("VAULT_TOKEN_FILE", "none"))
        .refused()
        .says("VAULT_TOKEN_FILE: there is no none")
        .says("hint: mount the file, or set VAULT_TOKEN_FILE");
    wanting(bao.shim()).refused().says(
        "no credentials for Vault (VAULT_TOKEN: unset; VAULT_ROLE_ID: unset; VAULT_JWT: unset; \
         VAULT_USERNAME: unset; VAULT_GITHUB_TOKEN: unset; VAULT_ROLE: unset; \
         ~/.vault-token: no file; VAULT_CLIENT_CERT: unset; agent: VAULT_AGENT_ADDR is unset)\n",
    );
    wanting(bao.shim().env("VAULT_ROLE", "app")).refused().says(
        "VAULT_ROLE: set, but there is no /var/run/secrets/kubernetes.io/serviceaccount/token",
    );
    let bad = wanting(bao.shim().env("VAULT_TOKEN", "s.c4n4ry")).refused();
    told(&bao, bad)
        .says("Vault does not accept the token of VAULT_TOKEN: it is expired, revoked or used up");
    // A token whose time is over.
    let brief = bao.token(r#"{"policies": ["app"], "ttl": "1s", "explicit_max_ttl": "1s"}"#);
    std::thread::sleep(std::time::Duration::from_millis(1100));
    wanting(bao.shim().env("VAULT_TOKEN", &brief))
        .refused()
        .says("expired")
        .hides(&brief);
    let unknown = wanting(bao.shim().env("VAULT_AUTH_METHOD", "magic")).refused();
    unknown.says("VAULT_AUTH_METHOD: there is no such login method");
    for (method, needs) in [
        ("token", "VAULT_TOKEN or VAULT_TOKEN_FILE"),
        ("approle", "VAULT_ROLE_ID"),
        ("kubernetes", "VAULT_ROLE"),
        ("jwt", "VAULT_JWT or VAULT_JWT_FILE"),
        ("userpass", "VAULT_USERNAME and VAULT_PASSWORD"),
        ("ldap", "VAULT_USERNAME and VAULT_PASSWORD"),
        ("cert", "VAULT_CLIENT_CERT and VAULT_CLIENT_KEY"),
        ("github", "VAULT_GITHUB_TOKEN"),
    ] {
        wanting(bao.shim().env("VAULT_AUTH_METHOD", method))
            .refused()
            .says(&format!("the login `{method}` needs {needs}\n"))
            .says(&format!("hint: set {needs}\n"));
    }
}

#[test]
fn approle() {
    let Some(bao) = with_secret() else { return };
    let (role, secret) = bao.approle(r#"{"token_policies": ["app"]}"#);
    let shim = || bao.shim().env("VAULT_ROLE_ID", &role);
    gets(shim().env("VAULT_SECRET_ID", &secret))
        .lacks("VAULT_SECRET_ID")
        .hides(&secret);
    gets(
        shim()
            .env("VAULT_SECRET_ID_FILE", "id")
            .file("id", format!("{secret}\n")),
    );
    let files = bao
        .shim()
        .env("VAULT_ROLE_ID_FILE", "role")
        .file("role", &role);
    gets(files.env("VAULT_SECRET_ID_FILE", "id").file("id", &secret));
    for (wrong, c4n4ry) in [("c4n4ry", true), ("", false)] {
        let answer = wanting(shim().env("VAULT_SECRET_ID", wrong)).refused();
        let answer = answer
            .says("Vault refuses the login `approle` at auth/approle (status 400)\n")
            .says("hint: is the secret_id used up or expired?");
        if c4n4ry {
            told(&bao, answer);
        }
    }
    // Another mount.
    bao.call(
        "sys.enable_auth_method",
        r#"{"method_type": "approle", "path": "team/roles"}"#,
    );
    bao.write("auth/team/roles/role/x", r#"{"token_policies": ["app"], "bind_secret_id": false, "token_bound_cidrs": ["127.0.0.1/32"], "secret_id_bound_cidrs": ["127.0.0.1/32"]}"#);
    let id = bao.call("read", r#"{"path": "auth/team/roles/role/x/role-id"}"#);
    let id = text(&id, "data.role_id");
    for (setting, mount) in [
        ("VAULT_AUTH_MOUNT", "team/roles"),
        ("VAULT_AUTH_PATH", "/auth/team/roles/"),
    ] {
        gets(bao.shim().env("VAULT_ROLE_ID", &id).env(setting, mount));
    }
    wanting(shim().env("VAULT_AUTH_MOUNT", "nowhere"))
        .refused()
        .says("Vault refuses the login `approle` at auth/nowhere (status 403)\n")
        .says("; if the login is mounted elsewhere, set VAULT_AUTH_MOUNT\n");
    // Nothing may be read: the policy is the reason, not the login.
    bao.write(
        "auth/approle/role/app",
        r#"{"token_policies": ["default"]}"#,
    );
    let (answer, asked) =
        bao.asked_by(|| wanting(shim().env("VAULT_SECRET_ID", &secret)).refused());
    told(&bao, answer).says("no policy of this login allows reading `secret/data/app`");
    assert!(
        !asked.iter().any(|what| what.contains("lookup-self")),
        "{asked:?}"
    );
}

#[test]
fn wrapped_credentials() {
    let Some(bao) = with_secret() else { return };
    let (role, _) = bao.approle(r#"{"token_policies": ["app"]}"#);
    let wrapped_id = || {
        let made = bao.call(
            "auth.approle.generate_secret_id",
            r#"{"role_name": "app", "wrap_ttl": "60s"}"#,
        );
        text(&made, "wrap_info.token")
    };
    let shim = || bao.shim().env("VAULT_ROLE_ID", &role);
    let token = wrapped_id();
    let (_, asked) = bao.asked_by(|| gets(shim().env("VAULT_WRAPPED_SECRET_ID", &token)));
    assert_eq!(
        asked,
        [
            "update sys/wrapping/lookup",
            "update sys/wrapping/unwrap",
            "update auth/approle/login",
            "read secret/data/app"
        ]
    );
    let again = wanting(shim().env("VAULT_WRAPPED_SECRET_ID", &token)).refused();
    again
        .says("VAULT_WRAPPED_SECRET_ID: the wrapping token opens nothing: it was used already, or is too old\n")
        .says("hint: make a new one; if nobody here has used it, somebody else has: revoke what it held\n")
        .hides(&token);
    gets(
        shim()
            .env("VAULT_WRAPPED_SECRET_ID_FILE", "w")
            .file("w", wrapped_id()),
    );

    let wrapped_token = || {
        let made = bao.call(
            "auth.token.create",
            r#"{"policies": ["app"], "wrap_ttl": "60s"}"#,
        );
        text(&made, "wrap_info.token")
    };
    gets(bao.shim().env("VAULT_WRAPPED_TOKEN", wrapped_token())).lacks("VAULT_WRAPPED_TOKEN");
    // One that somebody has put in the place of ours; it stays whole.
    let other = bao.call(
        "sys.wrap",
        r#"{"payload": {"secret_id": "c4n4ry", "auth": "x"}}"#,
    );
    let other = text(&other, "wrap_info.token");
    for (setting, foreign) in [
        ("VAULT_WRAPPED_SECRET_ID", &other),
        ("VAULT_WRAPPED_SECRET_ID", &wrapped_token()),
        ("VAULT_WRAPPED_TOKEN", &other),
    ] {
        let answer = wanting(
            shim()
                .env(
                    "VAULT_AUTH_METHOD",
                    if setting.ends_with("TOKEN") {
                        "token"
                    } else {
                        "approle"
                    },
                )
                .env(setting, foreign),
        )
        .refused();
        told(&bao, answer)
            .says(&format!(
                "{setting}: the wrapping token was not made for this\n"
            ))
            .says("hint: it may have been exchanged on its way")
            .hides(foreign);
    }
}

#[test]
fn passwords() {
    let Some(bao) = with_secret() else { return };
    bao.call("sys.enable_auth_method", r#"{"method_type": "userpass"}"#);
    let password = "c4n4ry \"$\\ \u{e9} ";
    bao.write(
        "auth/userpass/users/ann.o-x",
        &format!(
            r#"{{"password": {}, "token_policies": ["app"]}}"#,
            quote(password)
        ),
    );
    let shim = || bao.shim().env("VAULT_USERNAME", "ann.o-x");
    gets(shim().env("VAULT_PASSWORD", password)).lacks("VAULT_PASSWORD");
    gets(
        shim()
            .env("VAULT_PASSWORD_FILE", "p")
            .file("p", format!("{password}\r\n")),
    );
    let wrong = wanting(shim().env("VAULT_PASSWORD", "wrong c4n4ry")).refused();
    told(&bao, wrong)
        .says("Vault refuses the login `userpass` at auth/userpass (status 400)\n")
        .says("hint: look at VAULT_USERNAME and VAULT_PASSWORD\n");
    wanting(shim().env("VAULT_PASSWORD_FILE", "none"))
        .refused()
        .says("VAULT_PASSWORD_FILE: there is no none");
}

/// An issuer of tokens: an RSA key by openssl.
struct Issuer(Authority);

impl Issuer {
    fn new() -> Issuer {
        let folder = Authority::new();
        folder.openssl("genrsa -out issuer.key 2048");
        folder.openssl("rsa -in issuer.key -pubout -out issuer.pub");
        Issuer(folder)
    }

    fn public(&self) -> String {
        String::from_utf8(self.0.folder.read("issuer.pub")).expect("PEM")
    }

    fn token(&self, claims: &str) -> String {
        let encode = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
        let signed = format!(
            "{}.{}",
            encode(br#"{"alg":"RS256","typ":"JWT"}"#),
            encode(claims.as_bytes())
        );
        self.0.folder.write("signed", &signed);
        self.0
            .openssl("dgst -sha256 -sign issuer.key -out signature signed");
        format!("{signed}.{}", encode(&self.0.folder.read("signature")))
    }
}

#[test]
fn identity_tokens() {
    let Some(bao) = with_secret() else { return };
    let issuer = Issuer::new();
    bao.call("sys.enable_auth_method", r#"{"method_type": "jwt"}"#);
    let key = quote(&issuer.public());
    bao.write(
        "auth/jwt/config",
        &format!(
            r#"{{"jwt_validation_pubkeys": [{key}], "bound_issuer": "ci", "default_role": "app"}}"#
        ),
    );
    bao.write(
        "auth/jwt/role/app",
        r#"{"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["vault"], "bound_subject": "repo", "token_policies": ["app"]}"#,
    );
    let claims = |subject: &str, until: &str| {
        format!(
            r#"{{"iss":"ci","aud":"vault","sub":"{subject}","iat":1400000000,"nbf":1400000000,"exp":{until}}}"#
        )
    };
    let good = issuer.token(&claims("repo", "4102444800"));
    gets(bao.shim().env("VAULT_JWT", &good).env("VAULT_ROLE", "app")).lacks("VAULT_JWT");
    // The mount has a default role; the file stays where it is, for the next start reads it too.
    let answer = gets(
        bao.shim()
            .env("VAULT_JWT_FILE", "jwt")
            .file("jwt", format!("{good}\n")),
    );
    assert!(answer.folder.join("jwt").exists());
    for bad in [claims("other", "4102444800"), claims("repo", "1500000000")] {
        let bad = issuer.token(&bad);
        let answer = wanting(bao.shim().env("VAULT_JWT", &bad)).refused();
        answer
            .says("Vault refuses the login `jwt` at auth/jwt (status 400)\n")
            .says("hint: does the token fit the role's audience, subject and claims, and is it still valid?\n")
            .hides(&bad);
    }
}

/// The part of the API server of Kubernetes that Vault asks: who is this service account?
fn kubernetes(authority: &Authority, pod: &str) -> Server {
    let pod = pod.to_owned();
    Server::https(authority.server("server").config(), move |seen| {
        let Ok(body) = json::parse(&seen.body) else {
            return answer(400, "", r#"{"kind":"Status","code":400}"#);
        };
        let said = |path: &str| {
            body.pointer(path)
                .and_then(Json::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let review = |status: &str| {
            let text = format!(
                r#"{{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","status":{status}}}"#
            );
            answer(201, "Content-Type: application/json\r\n", text)
        };
        if seen.line != "POST /apis/authentication.k8s.io/v1/tokenreviews HTTP/1.1" {
            return answer(404, "", r#"{"kind":"Status","code":404}"#);
        }
        if seen.header("authorization") != Some("Bearer reviewer") {
            return answer(401, "", r#"{"kind":"Status","code":401}"#);
        }
        if said("spec.token") == pod {
            review(
                r#"{"authenticated":true,"audiences":["https://kubernetes.default.svc"],"user":{"username":"system:serviceaccount:prod:web","uid":"u-1","groups":["system:serviceaccounts"]}}"#,
            )
        } else {
            review(r#"{"authenticated":false,"error":"invalid bearer token"}"#)
        }
    })
}

#[test]
fn service_accounts_of_kubernetes() {
    let Some(bao) = with_secret() else { return };
    let issuer = Issuer::new();
    let claims = |name: &str| {
        format!(
            r#"{{"iss":"https://kubernetes.default.svc","aud":["https://kubernetes.default.svc"],"exp":4102444800,"iat":1700000000,"nbf":1700000000,"sub":"system:serviceaccount:prod:{name}","kubernetes.io":{{"namespace":"prod","serviceaccount":{{"name":"{name}","uid":"u-1"}}}}}}"#
        )
    };
    let pod = issuer.token(&claims("web"));
    let api = kubernetes(&bao.authority, &pod);
    bao.call("sys.enable_auth_method", r#"{"method_type": "kubernetes"}"#);
    let root = String::from_utf8(bao.authority.folder.read("ca.pem")).expect("PEM");
    bao.write(
        "auth/kubernetes/config",
        &format!(
            r#"{{"kubernetes_host": {}, "kubernetes_ca_cert": {}, "token_reviewer_jwt": "reviewer", "disable_local_ca_jwt": true}}"#,
            quote(&api.tls_url()),
            quote(&root)
        ),
    );
    bao.write(
        "auth/kubernetes/role/web",
        r#"{"bound_service_account_names": ["web"], "bound_service_account_namespaces": ["prod"], "token_policies": ["app"]}"#,
    );
    let shim = |role: &str, jwt: &str| {
        let shim = bao
            .shim()
            .env("VAULT_AUTH_METHOD", "kubernetes")
            .env("VAULT_ROLE", role);
        shim.env("VAULT_JWT_FILE", "jwt").file("jwt", jwt)
    };
    gets(shim("web", &pod));
    assert_eq!(api.seen().len(), 1);
    let other = issuer.token(&claims("other"));
    for (role, jwt) in [("web", &other), ("none", &pod)] {
        wanting(shim(role, jwt))
            .refused()
            .says("Vault refuses the login `kubernetes` at auth/kubernetes (status 4")
            .says("hint: is VAULT_ROLE bound to this service account and namespace?")
            .hides(jwt);
    }
    wanting(
        bao.shim()
            .env("VAULT_AUTH_METHOD", "kubernetes")
            .env("VAULT_ROLE", "web"),
    )
    .refused()
    .says("VAULT_JWT_FILE: there is no /var/run/secrets/kubernetes.io/serviceaccount/token");
}

#[test]
fn client_certificates() {
    let Some(bao) = with_secret() else { return };
    let clients = Authority::new();
    let (pem, key) = clients.sign("client", "DNS:client", NOW);
    bao.call("sys.enable_auth_method", r#"{"method_type": "cert"}"#);
    let root = String::from_utf8(clients.folder.read("ca.pem")).expect("PEM");
    bao.write(
        "auth/cert/certs/web",
        &format!(
            r#"{{"certificate": {}, "token_policies": ["app"]}}"#,
            quote(&root)
        ),
    );
    let shim = || {
        bao.shim()
            .env("VAULT_CLIENT_CERT", &pem)
            .env("VAULT_CLIENT_KEY", &key)
    };
    gets(shim());
    gets(
        shim()
            .env("VAULT_AUTH_METHOD", "cert")
            .env("VAULT_ROLE", "web"),
    );
    let stranger = Authority::new();
    let (pem, key) = stranger.sign("client", "DNS:client", NOW);
    wanting(
        bao.shim()
            .env("VAULT_CLIENT_CERT", &pem)
            .env("VAULT_CLIENT_KEY", &key),
    )
    .refused()
    .says("Vault refuses the login `cert` at auth/cert (status 4")
    .says("hint: is VAULT_CLIENT_CERT signed by an authority that the role trusts?");
    wanting(bao.shim().env("VAULT_CLIENT_CERT", &pem))
        .refused()
        .says("VAULT_CLIENT_CERT is set, and VAULT_CLIENT_KEY is not\n");
}

/// A Vault of which only one login is known; it takes exactly that, as the documentation has it.
fn strict(authority: &Authority, path: &'static str, body: &'static str) -> Server {
    Server::https(authority.server("server").config(), move |seen: &Seen| {
        let errors = |status: u16| {
            answer(
                status,
                "Content-Type: application/json\r\n",
                r#"{"errors":["no"]}"#,
            )
        };
        let token = seen.header("x-vault-token");
        if seen.header("x-vault-request") != Some("true") {
            return errors(412);
        }
        if seen.line == format!("POST {path} HTTP/1.1") {
            let typed = seen.header("content-type") == Some("application/json");
            if token.is_some() || !typed || seen.body != body.as_bytes() {
                return errors(400);
            }
            let auth = r#"{"auth":{"client_token":"s.fresh","accessor":"a","policies":["app"],"lease_duration":60,"renewable":true}}"#;
            return answer(200, "X-Vault-Index: v1:abc\r\n", auth);
        }
        // A cluster that answers only those who say how far it has to be.
        match (token, seen.header("x-vault-index"), seen.path()) {
            (Some("s.fresh"), Some("v1:abc"), "/v1/secret/data/app") => answer(
                200,
                "",
                r#"{"data":{"data":{"a":"1"},"metadata":{"version":3,"created_time":"2026-01-01T00:00:00Z"}}}"#,
            ),
            (Some("s.fresh"), _, _) => errors(412),
            _ => errors(403),
        }
    })
}

#[test]
fn ldap_and_github() {
    let authority = Authority::new();
    authority.sign("server", "DNS:localhost", NOW);
    let shim = |server: &Server| {
        Shim::new()
            .env("VAULT_ADDR", server.tls_url())
            .env("VAULT_CACERT", authority.root())
    };
    let ldap = strict(
        &authority,
        "/v1/auth/ldap/login/ann%5Co%2Fx",
        r#"{"password":"p\"w"}"#,
    );
    let user = shim(&ldap)
        .env("VAULT_USERNAME", "ann\\o/x")
        .env("VAULT_PASSWORD", "p\"w");
    gets(user.env("VAULT_AUTH_METHOD", "ldap"));
    let github = strict(&authority, "/v1/auth/github/login", r#"{"token":"ghp_x"}"#);
    for setting in ["VAULT_GITHUB_TOKEN", "VAULT_AUTH_GITHUB_TOKEN"] {
        gets(shim(&github).env(setting, "ghp_x")).lacks(setting);
    }
    wanting(shim(&github).env("VAULT_GITHUB_TOKEN", "ghp_c4n4ry"))
        .refused()
        .says("Vault refuses the login `github` at auth/github (status 400)\n")
        .hides("c4n4ry");
    let second = Server::https(authority.server("server").config(), |_| {
        answer(
            200,
            "",
            r#"{"auth":{"client_token":"","mfa_requirement":{"mfa_request_id":"x"}}}"#,
        )
    });
    wanting(shim(&second).env("VAULT_GITHUB_TOKEN", "ghp_x"))
        .refused()
        .says("the login `github` asks for a second factor, and nobody is there to give it\n");
}

/// A proxy that the user runs: it has a token of its own, and listens on a socket.
#[test]
fn an_agent_adds_its_own_token() {
    let Some(bao) = with_secret() else { return };
    let (role, secret) = bao.approle(r#"{"token_policies": ["app"]}"#);
    let shim = wanting(Shim::new());
    let at = |name: &str| shim.folder.join(name).display().to_string();
    shim.folder.write("role", &role);
    shim.folder.write("secret", &secret);
    let config = format!(
        "vault {{ address = \"{}\" ca_cert = \"{}\" }}\n\
         auto_auth {{ method \"approle\" {{ config = {{ role_id_file_path = \"{}\" secret_id_file_path = \"{}\" }} }} }}\n\
         api_proxy {{ use_auto_auth_token = true }}\n\
         listener \"unix\" {{ address = \"{}\" tls_disable = true require_request_header = true }}\n",
        bao.url(),
        bao.authority.root().display(),
        at("role"),
        at("secret"),
        at("socket")
    );
    let config = shim.folder.write("proxy.hcl", config);
    let mut proxy = OpenBao::program("bao");
    proxy
        .arg("proxy")
        .arg(format!("-config={}", config.display()));
    let log = std::fs::File::create(shim.folder.join("log")).expect("a log");
    let _proxy = Ends(
        proxy
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("bao"),
    );
    let socket = shim.folder.join("socket");
    super::super::house::wait_until("the agent listens", || {
        std::os::unix::net::UnixStream::connect(&socket).is_ok()
    });
    set_mode(&socket, 0o600);
    for setting in ["VAULT_ADDR", "VAULT_AGENT_ADDR"] {
        super::super::house::wait_until("the agent is logged in", || {
            let mut command = shim.command();
            command
                .args(["check"])
                .env(setting, format!("unix://{}", socket.display()));
            command.env("VAULT_ADDR", format!("unix://{}", socket.display()));
            command.output().expect("envshim").status.success()
        });
    }
}

struct Ends(std::process::Child);

impl Drop for Ends {
    fn drop(&mut self) {
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// Nothing here takes it as an argument, where everybody on the machine could read it.
#[test]
fn no_credential_is_an_argument() {
    let Some(bao) = with_secret() else { return };
    let shim = wanting(bao.shim().env("VAULT_TOKEN", &bao.root));
    let output = shim
        .command()
        .args(["--", "cat", "/proc/self/cmdline", "/proc/self/environ"])
        .output();
    let seen = String::from_utf8_lossy(&output.expect("envshim").stdout).into_owned();
    assert!(seen.contains("A=1") && !seen.contains(&bao.root));
}

/// What botocore would have signed: method, address, body and headers of a login, its keys.
fn signed_by_botocore(
    region: &str,
    token: &str,
    headers: &[(String, String)],
    seconds: u64,
) -> String {
    let mut child = program("moto", "python")
        .arg(repository().join("tests/it/oracle/sigv4.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let pairs = headers
        .iter()
        .map(|(name, value)| format!("[{},{}]", quote(name), quote(value)));
    let host = match region {
        "us-east-1" => "sts.amazonaws.com".to_owned(),
        region => format!("sts.{region}.amazonaws.com"),
    };
    let body = Base64::encode_string(b"Action=GetCallerIdentity&Version=2011-06-15");
    let line = format!(
        "[\"POST\",\"https://{host}/\",[{}],\"{body}\",\"AKIDX\",\"c4n4ry\",\"{token}\",\"{region}\",\"sts\",{seconds}]\n",
        pairs.collect::<Vec<_>>().join(",")
    );
    let mut input = child.stdin.take().expect("stdin");
    input.write_all(line.as_bytes()).expect("the oracle");
    drop(input);
    let output = child.wait_with_output().expect("the oracle");
    String::from_utf8(output.stdout)
        .expect("text")
        .trim()
        .to_owned()
}

/// A Vault with the AWS login: it looks at the request that it would send, as the real one does.
fn aws_login(authority: &Authority, region: &'static str) -> Server {
    Server::https(authority.server("server").config(), move |seen| {
        let errors = |status: u16| answer(status, "", r#"{"errors":["no"]}"#);
        if seen.line != "POST /v1/auth/aws/login HTTP/1.1" {
            return match seen.header("x-vault-token") {
                Some("s.fresh") => answer(
                    200,
                    "",
                    r#"{"data":{"data":{"a":"1"},"metadata":{"version":3,"created_time":"x"}}}"#,
                ),
                _ => errors(403),
            };
        }
        let Ok(body) = json::parse(&seen.body) else {
            return errors(400);
        };
        let decoded = |name: &str| Base64::decode_vec(&text(&body, name)).expect("base64");
        let url = format!(
            "https://{}/",
            match region {
                "us-east-1" => "sts.amazonaws.com".to_owned(),
                region => format!("sts.{region}.amazonaws.com"),
            }
        );
        assert_eq!(text(&body, "role"), "web");
        assert_eq!(text(&body, "iam_http_request_method"), "POST");
        assert_eq!(decoded("iam_request_url"), url.as_bytes());
        assert_eq!(
            decoded("iam_request_body"),
            b"Action=GetCallerIdentity&Version=2011-06-15"
        );
        let Ok(headers) = json::parse(&decoded("iam_request_headers")) else {
            return errors(400);
        };
        let header = |name: &str| {
            let list = headers.get(name).and_then(Json::list).unwrap_or_default();
            assert!(list.len() <= 1, "{name}");
            list.first().and_then(Json::as_str).map(str::to_owned)
        };
        assert_eq!(
            header("X-Amz-Security-Token").as_deref(),
            Some("c4n4ry/session")
        );
        let date = header("X-Amz-Date").expect("a date");
        let iso = format!(
            "{}-{}-{}T{}:{}:{}Z",
            &date[..4],
            &date[4..6],
            &date[6..8],
            &date[9..11],
            &date[11..13],
            &date[13..15]
        );
        let at = envshim::clock::moment(&iso).expect("a moment");
        let seconds = at.duration_since(UNIX_EPOCH).expect("a time").as_secs();
        let age = SystemTime::now().duration_since(at).expect("a past");
        assert!(age.as_secs() < 60);
        let signed: Vec<(String, String)> = ["Content-Type", "X-Vault-AWS-IAM-Server-ID"]
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), header(name)?)))
            .collect();
        let theirs = signed_by_botocore(region, "c4n4ry/session", &signed, seconds);
        if header("X-Vault-AWS-IAM-Server-ID").as_deref() != Some("vault.example")
            || header("Authorization") != Some(theirs)
        {
            return errors(400);
        }
        answer(200, "", r#"{"auth":{"client_token":"s.fresh"}}"#)
    })
}

#[test]
fn aws() {
    if without("moto") {
        return;
    }
    let authority = Authority::new();
    authority.sign("server", "DNS:localhost", NOW);
    for region in ["us-east-1", "eu-central-1"] {
        let server = aws_login(&authority, region);
        let shim = || {
            let shim = Shim::new()
                .env("VAULT_ADDR", server.tls_url())
                .env("VAULT_CACERT", authority.root())
                .env("VAULT_AUTH_METHOD", "aws")
                .env("VAULT_ROLE", "web")
                .env("AWS_ACCESS_KEY_ID", "AKIDX")
                .env("AWS_SESSION_TOKEN", "c4n4ry/session");
            match region {
                "us-east-1" => shim,
                region => shim.env("VAULT_AWS_REGION", region),
            }
        };
        let good = || shim().env("AWS_SECRET_ACCESS_KEY", "c4n4ry");
        // The program keeps what its own SDK reads.
        gets(good().env("VAULT_AWS_IAM_SERVER_ID", "vault.example"))
            .has("AWS_ACCESS_KEY_ID", "AKIDX");
        for bad in [
            good(),
            shim()
                .env("AWS_SECRET_ACCESS_KEY", "c4n4ry2")
                .env("VAULT_AWS_IAM_SERVER_ID", "vault.example"),
        ] {
            wanting(bad)
                .refused()
                .says("Vault refuses the login `aws` at auth/aws (status 400)\n")
                .says("hint: is the role in Vault bound to the ARN of these AWS credentials?")
                .hides("c4n4ry");
        }
        wanting(shim())
            .refused()
            .says("AWS_SECRET_ACCESS_KEY")
            .hides("c4n4ry");
    }
}
