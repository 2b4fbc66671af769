//! `migrate`: what the documents of other tools show, and what comes of it.

use std::os::unix::fs::PermissionsExt;

use envshim::format::reference;
use envshim::provider::{PROVIDERS, schemes};

use super::house::openbao::OpenBao;
use super::house::{Answer, Shim};

fn vault(answer: &Answer) -> String {
    String::from_utf8(answer.folder.read(".vault")).expect("text")
}

/// The lines that set something.
fn lines(answer: &Answer) -> Vec<String> {
    let text = vault(answer);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.map(str::to_owned).collect()
}

/// One value as its tool documents it, and the reference that is meant.
const VALUES: &[(&str, &str)] = &[
    // vault-env and secret-init.
    (
        "vault:secret/data/accounts/aws#AWS_SECRET_ACCESS_KEY",
        "vault:/secret/data/accounts/aws#AWS_SECRET_ACCESS_KEY",
    ),
    (
        "vault:secret/data/test/mysql#MYSQL_PASSWORD#2",
        "vault:/secret/data/test/mysql#MYSQL_PASSWORD?version=2",
    ),
    (
        "vault:secret/data/mysql#${.PASSWORD}",
        "vault:/secret/data/mysql#PASSWORD",
    ),
    (
        "bao:secret/data/test/mysql#MYSQL_PASSWORD",
        "vault:/secret/data/test/mysql#MYSQL_PASSWORD",
    ),
    (
        "arn:aws:secretsmanager:eu-north-1:123456789:secret:bank-vaults/test/mysql-ASD123",
        "aws:arn:aws:secretsmanager:eu-north-1:123456789:secret:bank-vaults/test/mysql-ASD123",
    ),
    (
        "arn:aws:ssm:eu-north-1:123456789:parameter/bank-vaults/test",
        "ssm:/bank-vaults/test?region=eu-north-1",
    ),
    ("azure:keyvault:secret-init-test", "azure:secret-init-test"),
    (
        "azure:keyvault:secret-init-test/1234567f0c4848958aeee4e3e8eabb9e",
        "azure:secret-init-test?version=1234567f0c4848958aeee4e3e8eabb9e",
    ),
    (
        "gcp:secretmanager:projects/123456789123/secrets/bank-vaults_secret-init_test_mysql_password/versions/2",
        "gcp:projects/123456789123/secrets/bank-vaults_secret-init_test_mysql_password?version=2",
    ),
    (
        "gcp:secretmanager:projects/123456789123/secrets/unversioned",
        "gcp:projects/123456789123/secrets/unversioned",
    ),
    (
        "file:/app/example/secret-file",
        "file:/app/example/secret-file",
    ),
    // vals.
    (
        "ref+vault://secret/data/foo#/mykey",
        "vault:/secret/data/foo#mykey",
    ),
    ("ref+openbao://mykv/foo#/bar", "vault:/mykv/foo#bar"),
    ("secretref+vault://mykv/foo#/a/b", "vault:/mykv/foo#a.b"),
    (
        "ref+awsssm://foo/bar?region=ap-northeast-1",
        "ssm:/foo/bar?region=ap-northeast-1",
    ),
    ("ref+awsssm://foo#/bar", "ssm:/foo/bar"),
    ("ref+awsssm://foo?recursive=true#/bar/a", "ssm:/foo/bar/a"),
    (
        "ref+awsssm://foo/bar?mode=singleparam#/BAR",
        "ssm:/foo/bar#BAR",
    ),
    ("ref+awssecrets://myteam/mykey", "aws:myteam/mykey"),
    (
        "ref+awssecrets://myteam/mydoc#/foo/bar",
        "aws:myteam/mydoc#foo.bar",
    ),
    (
        "ref+awssecrets://myteam/mykey?region=us-west-2&version_stage=AWSPREVIOUS",
        "aws:myteam/mykey?region=us-west-2&stage=AWSPREVIOUS",
    ),
    (
        "ref+gcpsecrets://myproject/mysecret?version=3#/yaml_or_json_key/in/secret",
        "gcp:projects/myproject/secrets/mysecret#yaml_or_json_key.in.secret?version=3",
    ),
    (
        "ref+gcpsecrets://mysecret?fallback=none&optional=true",
        "gcp:mysecret?default=none&optional=1",
    ),
    (
        "ref+azurekeyvault://my-vault/secret-a",
        "azure:secret-a?vault=my-vault",
    ),
    (
        "ref+azurekeyvault://gov-cloud-test.vault.usgovcloudapi.net/secret-b",
        "azure:secret-b?vault=https://gov-cloud-test.vault.usgovcloudapi.net",
    ),
    (
        "ref+file:///home/foo/some.json#/foo/bar",
        "file:/home/foo/some.json#foo.bar",
    ),
    ("ref+envsubst://$VAR1", "env:VAR1"),
    (
        "ref+op://dev/Stripe/publishable-key",
        "'exec:op read op://dev/Stripe/publishable-key'",
    ),
    (
        "ref+exec://bw/get/password/item-id",
        "'exec:bw get password item-id'",
    ),
    (
        "ref+exec://my-script.sh?args=--key,my-secret&timeout=30",
        "'exec:my-script.sh --key my-secret?timeout=30s'",
    ),
    (
        "ref+sops://path/to/file#/foo/bar",
        r#"'exec:sops decrypt --extract \'["foo"]["bar"]\' path/to/file'"#,
    ),
    (
        "ref+bw://4d084b01-87e7-4411-8de9-2476ab9f3f48/username",
        "'exec:bw get username 4d084b01-87e7-4411-8de9-2476ab9f3f48'",
    ),
    (
        "ref+hcpvaultsecrets://my-app/DB_PASSWORD",
        "vault:/my-app/DB_PASSWORD#value",
    ),
    ("ref+echo://foo/bar", "foo/bar"),
    // 1Password.
    (
        "op://Management/PagerDuty/Admin/email",
        "'exec:op read op://Management/PagerDuty/Admin/email'",
    ),
    (
        "op://development/GitHub/Security/one-time password?attribute=otp",
        r#"'exec:op read "op://development/GitHub/Security/one-time password%3Fattribute=otp"'"#,
    ),
    (
        "mysql://{{ op://app/db/user }}:x@h",
        "'mysql://${exec:op read op://app/db/user}:x@h'",
    ),
    // ssm-env.
    ("ssm://prod.app.cookie-secret", "ssm:prod.app.cookie-secret"),
    ("ssm:///foo/bar", "ssm:/foo/bar"),
    ("ssm://secret:1", "ssm:secret?version=1"),
    // Several in one text.
    (
        "scheme://${vault:secret/data/account#username}:${vault:secret/data/account#password}@127.0.0.1:8080",
        "scheme://${vault:/secret/data/account#username}:${vault:/secret/data/account#password}@127.0.0.1:8080",
    ),
    (
        "foo ref+awsssm://a+ ref+awsssm://b+ bar",
        "'foo ${ssm:/a} ${ssm:/b} bar'",
    ),
];

#[test]
fn every_documented_value_has_its_reference() {
    // Single quotes, as none of the values holds one.
    let file: String = (0..)
        .zip(VALUES)
        .map(|(n, (theirs, _))| format!("V{n}='{theirs}'\n"))
        .collect();
    let answer = Shim::new().file(".env", file).args("migrate .env").run();
    let (text, shown) = (vault(&answer), answer.out.clone());
    for (n, (theirs, ours)) in (0..).zip(VALUES) {
        let scheme = ours.split(':').next().expect("a scheme");
        if ["azure", "gcp"].contains(&scheme) && !schemes().contains(&scheme) {
            assert!(
                text.contains(&format!("# V{n}: this envshim has no `{scheme}:`\n")),
                "{text}"
            );
            continue;
        }
        let line = format!("V{n}={ours}\n");
        assert!(text.contains(&line), "{theirs}\nwanted {line}in\n{text}");
        // It is one, to us too.
        let bare = ours.trim_matches('\'').replace("\\'", "'");
        if !ours.contains("${") && *ours != "foo/bar" {
            let read = reference::parse_exact(&bare)
                .expect("a reference")
                .expect("a good one");
            let row = PROVIDERS
                .iter()
                .find(|row| row.scheme == read.scheme)
                .expect("a provider");
            assert!((row.check)(&read, false).is_ok(), "{ours}");
        }
    }
    // A program's words and a default may hold a secret.
    assert!(shown.contains("=exec:my-script.sh ...\n"), "{shown}");
    assert!(!shown.contains("my-secret"), "{shown}");
}

#[test]
fn what_has_no_equal_is_told_and_stays_in_the_file_as_a_comment() {
    let left = [
        (
            r#">>vault:transit/decrypt/mykey#${.plaintext | b64dec}#{"ciphertext":"x"}"#,
            "envshim only reads",
        ),
        (">>vault:pki/issue/web#certificate", "envshim only reads"),
        (
            "vault:v1:8SDd3WHDOjf7mq69CyCqYjBXAiQQAVZRkFM13ok481zoCmHnSeDX9vyf7w==",
            "transit engine",
        ),
        (
            "x://${vault:secret/data/account#username}:${vault:secret/data/account#${.password | urlquery}}@h",
            "a template makes it",
        ),
        ("vault:secret/data/account", "no field of it"),
        ("ref+vault://mykv/foo", "no field of it"),
        ("ref+s3://mybucket/mykey", "cannot read from `s3`"),
        (
            "ref+k8s://v1/Secret/mynamespace/mysecret/foo",
            "cannot read from `k8s`",
        ),
        (
            "ref+tfstate://path/to/some.tfstate/output.NAME",
            "cannot read from `tfstate`",
        ),
        (
            "ref+awssecrets://myteam/mykey?role_arn=arn:aws:iam::1:role/x",
            "parameter `role_arn`",
        ),
        ("ref+file://foo/bar", "its path depends"),
        ("ref+file:///a/some.yaml#/foo", "a field of YAML"),
        ("op://$APP_ENV/db/password", "another variable"),
        ("chamberme", "chamber fills it"),
    ];
    let file: String = (0..)
        .zip(left)
        .map(|(n, (value, _))| format!("V{n}='{value}'\n"))
        .collect();
    let file = format!("{file}KEPT=1\nALONE\nVAULT_TOKEN=vault:login\nVAULT_REVOKE_TOKEN=true\n");
    let answer = Shim::new()
        .file(".env", file)
        .args("migrate .env")
        .run()
        .exits(1);
    let text = vault(&answer);
    for (n, (value, why)) in (0..).zip(left) {
        let comment = text
            .lines()
            .find(|line| line.starts_with(&format!("# V{n}: ")));
        assert!(
            comment.is_some_and(|line| line.contains(why)),
            "{value}\n{text}"
        );
        assert!(
            answer
                .err
                .contains(&format!("warning: V{n}: is not translated: ")),
            "{}",
            answer.err
        );
    }
    assert_eq!(lines(&answer), ["KEPT=1"]);
    let answer = answer.says("warning: ALONE: is not translated: it has no value");
    let answer =
        answer.says("warning: VAULT_TOKEN: is not translated: it is the token of the login");
    let answer =
        answer.says("warning: VAULT_REVOKE_TOKEN: is not translated: it is a setting of vault-env");
    answer.hides("8SDd3WHDOjf7");
}

#[test]
fn text_is_the_same_text_in_the_program() {
    let values = [
        ("PLAIN", "s3cr3t"),
        ("EMPTY", ""),
        ("SQLITE", "file:./dev.db"),
        ("WORD", "exec: is not a command here"),
        ("RUNS", "exec:rm -rf x"),
        ("OURS", "text:x"),
        ("QUOTES", r#"it's "q" \ `b` $HOME $$ #no"#),
        ("LINES", "-----BEGIN KEY-----\nabc\n-----END KEY-----"),
        ("RETURN", "a\r\nb\\"),
        ("COMMENT", "#not a comment"),
        ("BLANKS", "  both  "),
        ("UNICODE", "пароль 🔑"),
        ("SECRET_ARN", "arn:aws:secretsmanager:eu-north-1:1:secret:x"),
        ("AWS_REGION", "eu-west-1"),
    ];
    let written = |value: &str| {
        let value = value
            .replace('\\', "\\\\")
            .replace('"', "\\\"")
            .replace('\r', "\\r");
        format!("\"{value}\"")
    };
    let mut file: String = values
        .iter()
        .map(|(name, value)| format!("export {name}={}\n", written(value)))
        .collect();
    file.push_str("FIRST=one\nBOTH=${FIRST}-${UNSET:-two}\nGUARDED=env:${FIRST}\n");
    let answer = Shim::new()
        .file(".env", file)
        .args("migrate .env")
        .run()
        .ok();
    for (_, value) in values.iter().filter(|(_, value)| value.len() > 4) {
        assert!(!answer.out.contains(value), "{}", answer.out);
    }
    let mut shim = Shim::new();
    shim.folder = answer.folder;
    let mut answer = shim.environment().quiet();
    for (name, value) in values {
        answer = answer.has(name, value);
    }
    answer.has("BOTH", "one-two").has("GUARDED", "env:one");
}

#[test]
fn the_file_is_ours_alone_and_never_replaced() {
    let answer = Shim::new()
        .file(".env", "A=s3cr3t\n")
        .args("--log=info migrate .env")
        .run()
        .ok();
    assert_eq!(answer.out, "# from `.env`, by envshim migrate\nA=...\n");
    let mode = answer
        .folder
        .join(".vault")
        .metadata()
        .expect("a file")
        .permissions()
        .mode();
    assert_eq!(mode & 0o7777, 0o600);
    let answer = answer
        .says("envshim: wrote `.vault`: 1 line; see what a start makes of it: envshim check\n");

    let mut shim = Shim::new()
        .file("other.env", "A=2\n")
        .args("migrate other.env");
    shim.folder = answer.folder;
    shim.folder.write("other.env", "A=2\n");
    let answer = shim
        .run()
        .exits(125)
        .says(".vault: is there already, and is not overwritten");
    assert_eq!(
        vault(&answer),
        "# from `.env`, by envshim migrate\nA=s3cr3t\n"
    );

    let answer = Shim::new()
        .file("config/.env.old", "A=1\n")
        .args("--dir config migrate config/.env.old")
        .run()
        .ok();
    assert!(answer.folder.join("config/.vault").exists());
}

#[test]
fn files_that_are_encrypted_are_refused_with_the_way() {
    let dotenvx = "#/-------------------[DOTENV_PUBLIC_KEY]--------------------/\n\
                   DOTENV_PUBLIC_KEY=\"034af93e93708b994c10f236c96ef88e47291066946cce2e8d98c9e02c741ced45\"\n\
                   HELLO=\"encrypted:BDqDBibm4wsYqMpCjTQ6BsDHmMadg9K3dAt+Z9HPMfLEIRVz50hmLXPXRuDBXaJi\"\n";
    let answer = Shim::new()
        .file(".env", dotenvx)
        .args("migrate .env")
        .run()
        .exits(125);
    let answer = answer
        .says("encrypted by dotenvx")
        .says("hint: umask 077; dotenvx decrypt -f .env --stdout");
    assert!(!answer.folder.join(".vault").exists() && answer.out.is_empty());
    let sops = "A=ENC[AES256_GCM,data:xx,iv:xx,tag:xx,type:str]\nsops_version=3.9.0\nsops_mac=ENC[AES256_GCM,data:x]\n";
    let answer = Shim::new()
        .file(".env", sops)
        .args("migrate .env")
        .run()
        .exits(125);
    answer
        .says("encrypted by SOPS")
        .says("ENVSHIM_IMPORT=exec:sops decrypt");
}

#[test]
fn the_loader_in_python() {
    // HashiCorp's service has ended; its migration made a KV v2 mount of the app.
    let old = "HCP_CLIENT_ID=id\nHCP_CLIENT_SECRET=s3cr3t-of-hcp\nHCP_API_TOKEN_URL=https://auth.idp.hashicorp.com/oauth2/token\n\
               HCP_SECRETS_URL=https://api.cloud.hashicorp.com/secrets/2023-11-28/organizations/o/projects/p/apps/my-app/secrets:open\n\
               DEBUG=file:kept\n";
    let answer = Shim::new()
        .file("config/old.vault", old)
        .args("migrate config/old.vault")
        .run()
        .exits(1);
    assert_eq!(
        lines(&answer),
        ["DEBUG=file:kept", "ENVSHIM_IMPORT=vault:/my-app/"]
    );
    let answer = answer.says(
        "warning: VAULT_ADDR: is not translated: where the secrets were moved to is not said",
    );
    answer
        .says("HCP_CLIENT_SECRET: is not translated: it opened HCP Vault Secrets")
        .hides("s3cr3t-of-hcp");
    // Another host that speaks the same language goes on.
    let other = old.replace("api.cloud.hashicorp.com", "hcp.example");
    let answer = Shim::new()
        .file("old.vault", &other)
        .args("migrate old.vault")
        .run()
        .ok();
    assert_eq!(lines(&answer), other.lines().collect::<Vec<_>>());

    // Its sealed file: `A=1`, by the password `pw`.
    let token = "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bdgWliK7KH-Sje9YETPTLSNpWnohPKf52NYjQD5rQtOeQ==";
    let shim = Shim::new()
        .file("old.vault.enc", token)
        .env("ENCRYPTION_KEY", "pw");
    let answer = shim.args("migrate old.vault.enc").run().ok();
    assert_eq!(lines(&answer), ["A=1"]);
    let shim = Shim::new().sealed("A=1\n");
    shim.args("migrate .vault.enc")
        .run()
        .exits(125)
        .says(".vault.enc: is a sealed file of envshim already");
}

#[test]
fn settings_of_the_other_tools() {
    let file = "VAULT_ADDR=https://v:8200\nVAULT_ROLE=app\nVAULT_PATH=k8s\nVAULT_FROM_PATH=secret/data/account1,secret/data/account2\n\
                VAULT_PASSTHROUGH=VAULT_ADDR\nVAULT_IGNORE_MISSING_SECRETS=true\nA=vault:secret/data/a#b\n";
    let answer = Shim::new()
        .file(".env", file)
        .args("migrate .env")
        .run()
        .ok();
    assert_eq!(
        lines(&answer),
        [
            "A=vault:/secret/data/a#b?optional=1",
            "VAULT_ADDR=https://v:8200",
            "VAULT_ROLE=app",
            "VAULT_AUTH_MOUNT=k8s",
            "VAULT_SECRET_PATH='/secret/data/account1, /secret/data/account2'",
            "ENVSHIM_PASS=VAULT_ADDR",
        ]
    );
    let file = "A=ref+vault://kv/a?address=https://one:8200&auth_method=approle&role_id=r&secret_id=s3cr3t-id#/x\n\
                B=ref+vault://kv/a?address=https://two:8200#/x\n";
    let answer = Shim::new()
        .file(".env", file)
        .args("migrate .env")
        .run()
        .exits(1);
    let answer = answer
        .says("its VAULT_ADDR differs from that of another reference")
        .hides("s3cr3t-id");
    assert!(
        vault(&answer).contains("VAULT_ROLE_ID=r\n")
            && vault(&answer).contains("VAULT_SECRET_ID=s3cr3t-id\n")
    );
}

#[test]
fn files_that_are_no_dotenv_files() {
    for (name, text, import) in [
        (
            "Dockerfile",
            "FROM x\nENTRYPOINT [\"chamber\", \"exec\", \"app\", \"apptwo\", \"--\"]\n",
            "'ssm:/app/, ssm:/apptwo/'",
        ),
        (
            "Procfile",
            "web: chamber exec app -- gunicorn exec\n",
            "ssm:/app/",
        ),
        (
            "run.sh",
            "#!/bin/sh\nset -e\nexec /usr/bin/chamber -b secretsmanager exec app -- ./run\n",
            "aws:app",
        ),
    ] {
        let answer = Shim::new()
            .file(name, text)
            .arg("migrate")
            .arg(name)
            .run()
            .ok();
        assert_eq!(
            lines(&answer),
            [format!("ENVSHIM_IMPORT={import}")],
            "{name}"
        );
    }
    let shim = Shim::new().file("run.sh", "exec chamber exec $APP -- ./run\n");
    shim.args("migrate run.sh")
        .run()
        .exits(125)
        .says("chamber exec: is not translated: another variable");
    // `vals exec -f env.yaml`.
    let yaml = "---\n# of vals\nDB: ref+awsssm://app/db\nPORT: \"8080\" \nTEXT: a ${b} # c\n";
    let answer = Shim::new()
        .file("env.yaml", yaml)
        .args("migrate env.yaml")
        .run()
        .ok();
    assert_eq!(
        lines(&answer),
        ["DB=ssm:/app/db", "PORT=8080", "TEXT='text:a ${b}'"]
    );
    // Anything else is a dotenv file with mistakes.
    let answer = Shim::new()
        .file("x.yaml", "a:\n  b: c\n")
        .args("migrate x.yaml")
        .run()
        .exits(125);
    answer.says("x.yaml:2:").hides("is not translated");
    Shim::new()
        .args("migrate none")
        .run()
        .exits(125)
        .says("none: there is no such file");
}

#[test]
fn the_environment() {
    let shim = Shim::new()
        .env("HOME", "/root")
        .env("URL", "https://example")
        .env("VAULT_ADDR", "http://127.0.0.1:8200")
        .env("VAULT_TOKEN", "s3cr3t-token")
        .env("VAULT_PATH", "k8s")
        .env("DB", "x://${vault:secret/data/db#user}:$$@h")
        .env("KEY", "ref+awsssm://app/key");
    let answer = shim.args("migrate").run().ok();
    assert_eq!(
        lines(&answer),
        [
            "DB=x://${vault:/secret/data/db#user}:${ENVSHIM_UNSET:-$}${ENVSHIM_UNSET:-$}@h",
            "KEY=ssm:/app/key",
            "VAULT_AUTH_MOUNT=k8s"
        ]
    );
    let answer = answer.says("warning: a variable that is set wins over `.vault`");
    answer.hides("s3cr3t-token");
    Shim::new()
        .env("URL", "https://x")
        .args("migrate")
        .run()
        .exits(125)
        .says("the environment: holds nothing");
}

#[test]
fn a_migrated_file_opens_vault() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put("app", r#"{"user": "me", "password": "first"}"#);
    bao.put("app", r#"{"user": "me", "password": "p$w#d"}"#);
    let file = "USER_NAME=vault:secret/data/app#user\nOLD=vault:secret/data/app#password#1\n\
                URL='x://${vault:secret/data/app#user}:${vault:secret/data/app#password}@h'\nVALS=ref+vault://secret/app#/password\n";
    let answer = bao
        .shim()
        .file(".env", file)
        .args("migrate .env")
        .run()
        .ok();
    let mut shim = bao.shim();
    shim.folder.write(".vault", answer.folder.read(".vault"));
    bao.policy("app", "secret/data/app", "read");
    shim = shim.env("VAULT_TOKEN", bao.token(r#"{"policies": ["app"]}"#));
    let answer = shim.environment();
    let answer = answer.has("USER_NAME", "me").has("OLD", "first");
    answer.has("URL", "x://me:p$w#d@h").has("VALS", "p$w#d");
}
