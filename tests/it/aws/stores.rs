//! References and imports, against emulators that check signatures and policies.

use std::time::Duration;

use crate::house::Shim;
use crate::house::aws::{Aws, text};
use crate::house::wire::Relay;

/// A shim with this `.vault`.
fn with(shim: Shim, vault: impl AsRef<[u8]>) -> Shim {
    shim.file(".vault", vault)
}

#[test]
fn references_of_every_form() {
    let Some(aws) = Aws::ministack() else { return };
    let arn = aws.secret(
        "imip/app",
        br#"{"user":"u","db":{"pass":"p"},"list":[1,2]}"#,
    );
    aws.secret("plain", b"v1");
    let put = |value: &str| {
        let arguments = format!("{{\"SecretId\": \"plain\", \"SecretString\": \"{value}\"}}");
        text(
            &aws.call("secretsmanager", "put_secret_value", &arguments),
            "VersionId",
        )
    };
    let (second, _third) = (put("v2"), put("v3"));
    aws.secret("bytes", b"\x00\x01\xff");
    aws.parameter("/app/name", "String", "n");
    aws.parameter("/app/list", "StringList", "a,b");
    aws.parameter("/app/key", "SecureString", "k1");
    aws.parameter("/app/key", "SecureString", "k2");
    let partial = arn.rsplit_once('-').expect("six letters").0.to_owned();
    let vault = format!(
        "A=aws:imip/app#user\nB={arn}\nC=aws:{arn}#db.pass\nD=aws:{partial}#db\n\
         E=aws:plain\nF=aws:plain?stage=AWSPREVIOUS\nG=aws:plain?version={second}\n\
         H=aws:plain?stage=AWSCURRENT\nI=aws:bytes?as=file\nJ=aws:imip/app#list.1\n\
         K=ssm:/app/name\nL=ssm:/app/list\nM=ssm:/app/key\nN=ssm:/app/key?version=1\n\
         O=ssm:/app/key:1\nP=<${{aws:plain}}|${{ssm:/app/name}}>\n"
    );
    let answer = with(aws.shim(), &vault).environment().quiet();
    let answer = answer
        .has("A", "u")
        .has("B", &arn)
        .has("C", "p")
        .has("D", r#"{"pass":"p"}"#);
    let answer = answer
        .has("E", "v3")
        .has("F", "v2")
        .has("G", "v2")
        .has("H", "v3")
        .has("J", "2");
    let answer = answer
        .has("K", "n")
        .has("L", "a,b")
        .has("M", "k2")
        .has("N", "k1");
    answer.has("O", "k1").has("P", "<v3|n>");
    let check = with(aws.shim(), &vault).args("check").run().ok();
    assert!(check.out.contains(&second), "{}", check.out);
    let read = with(aws.shim(), &vault)
        .args("--")
        .arg("sh")
        .arg("-c")
        .arg("od -An -tx1 $I")
        .run()
        .ok();
    assert_eq!(read.out.trim(), "00 01 ff");
}

#[test]
fn another_region_is_asked_where_a_reference_says_so() {
    let Some(aws) = Aws::ministack() else { return };
    aws.secret("here", b"1");
    let vault = "A=aws:here\nB=aws:here?region=eu-west-1\n";
    let answer = with(aws.shim(), vault).refused();
    answer
        .says(".vault:2: B: aws:here: there is no secret `here` in eu-west-1\n")
        .says("hint: is it in another region than eu-west-1? Then add ?region=");
}

#[test]
fn imports_by_the_settings_that_people_have() {
    let Some(aws) = Aws::ministack() else { return };
    aws.secret(
        "imip/production",
        br#"{"django_secret_key":"d","DB_PASSWORD":"p","none":null}"#,
    );
    aws.secret("imip/stripe-key", b"sk");
    for name in ["SECRET_NAME", "AWS_SECRET_NAME", "AWS_SECRETS_NAME"] {
        let answer = aws
            .shim()
            .env(name, "imip/production, imip/stripe-key")
            .environment()
            .quiet();
        let answer = answer
            .has("DJANGO_SECRET_KEY", "d")
            .has("DB_PASSWORD", "p")
            .has("STRIPE_KEY", "sk");
        // The program still has what its own SDK reads.
        answer
            .lacks("NONE")
            .has("AWS_ACCESS_KEY_ID", &aws.keys.0)
            .has("AWS_SECRET_ACCESS_KEY", &aws.keys.1);
    }
    let kept = aws
        .shim()
        .env("SECRET_NAME", "imip/production")
        .args("--names keep");
    kept.environment().has("django_secret_key", "d");
    // Its name is a common word: alone it means nothing.
    let alone = Shim::new()
        .env("SECRET_NAME", "imip/production")
        .args("-- true")
        .run();
    alone.exits(125).hides("AWS").hides("imip/production");
    // A folder, by the setting and by name.
    for import in [
        ("AWS_SECRET_PREFIX", "imip"),
        ("ENVSHIM_IMPORT", "aws:imip/*"),
    ] {
        let answer = aws.shim().env(import.0, import.1).environment().quiet();
        answer.has("DJANGO_SECRET_KEY", "d").has("STRIPE_KEY", "sk");
    }
    let empty = aws.shim().env("AWS_SECRET_PREFIX", "other").refused();
    empty.says("import aws:other/*: holds nothing to import");
    aws.secret("imip/second", br#"{"django_secret_key":"e"}"#);
    let twice = aws.shim().env("AWS_SECRET_PREFIX", "imip").refused();
    twice
        .says("both have `django_secret_key`")
        .says("imip/production")
        .says("imip/second");
}

#[test]
fn folders_and_trees_of_many_pages() {
    let Some(aws) = Aws::moto() else { return };
    for n in 0..45 {
        aws.secret(&format!("many/s-{n}"), format!("v{n}").as_bytes());
        aws.parameter(&format!("/many/sub/p{n}"), "SecureString", &format!("w{n}"));
    }
    aws.secret("manyother", b"no");
    aws.checks_signatures();
    let shim = || aws.shim().env("ENVSHIM_IMPORT", "aws:many/*, ssm:/many/");
    let answer = shim().environment().quiet();
    let answer = (0..45).fold(answer, |answer, n| {
        answer
            .has(&format!("S_{n}"), format!("v{n}"))
            .has(&format!("SUB_P{n}"), format!("w{n}"))
    });
    answer.lacks("MANYOTHER").lacks("OTHER");
}

#[test]
fn fifty_references_in_two_requests() {
    let Some(aws) = Aws::ministack() else { return };
    let mut vault = String::new();
    for n in 0..50 {
        if n < 40 {
            aws.secret(
                &format!("app/s{n}"),
                format!("{{\"a\":\"{n}\",\"b\":\"x\"}}").as_bytes(),
            );
        }
        let (secret, field) = if n < 40 { (n, "a") } else { (n - 40, "b") };
        vault.push_str(&format!("V{n}=aws:app/s{secret}#{field}\n"));
    }
    let relay = Relay::new(aws.address, Duration::ZERO);
    let shim = aws
        .shim()
        .env("AWS_ENDPOINT_URL_SECRETS_MANAGER", relay.server.url());
    let answer = with(shim, &vault).environment().quiet();
    let answer = (0..40).fold(answer, |answer, n| {
        answer.has(&format!("V{n}"), n.to_string())
    });
    answer.has("V49", "x");
    assert_eq!(relay.turns(), 2);
    // One alone needs no batch.
    let relay = Relay::new(aws.address, Duration::ZERO);
    let shim = aws.shim().env("AWS_ENDPOINT_URL", relay.server.url());
    with(shim, "A=aws:app/s1#a\nB=aws:app/s1#b\n")
        .environment()
        .has("A", "1");
    assert_eq!(relay.turns(), 1);
    let relay = Relay::new(aws.address, Duration::ZERO);
    let parameters: String = (0..30)
        .map(|n| {
            aws.parameter(&format!("/p/{n}"), "SecureString", &n.to_string());
            format!("P{n}=ssm:/p/{n}\n")
        })
        .collect();
    let shim = aws.shim().env("AWS_ENDPOINT_URL", relay.server.url());
    with(shim, parameters).environment().has("P29", "29");
    assert_eq!(relay.turns(), 3);
}

#[test]
fn who_may_not_read_batches_reads_one_by_one() {
    let Some(aws) = Aws::ministack() else { return };
    for n in 0..5 {
        aws.secret(&format!("app/s{n}"), format!("v{n}").as_bytes());
        aws.parameter(&format!("/app/p{n}"), "SecureString", &format!("w{n}"));
    }
    let user = aws.user(
        "single",
        r#""Action": ["secretsmanager:GetSecretValue", "ssm:GetParameter"], "Resource": "*""#,
    );
    let vault: String = (0..5)
        .map(|n| format!("S{n}=aws:app/s{n}\nP{n}=ssm:/app/p{n}\n"))
        .collect();
    let answer = with(aws.shim_of(&user), &vault).environment().quiet();
    (0..5).fold(answer, |answer, n| {
        answer
            .has(&format!("S{n}"), format!("v{n}"))
            .has(&format!("P{n}"), format!("w{n}"))
    });
    // No second error: what is missing is missing, and nobody hears of batches or lists.
    let answer = with(
        aws.shim_of(&user),
        "A=aws:app/s0\nB=aws:app/s9\nC=ssm:/app/p0\nD=ssm:/app/p9\n",
    )
    .refused();
    assert_eq!(answer.err.lines().count(), 4, "{}", answer.err);
    answer
        .says("B: aws:app/s9: there is no secret `app/s9` in us-east-1\n")
        .says("D: ssm:/app/p9: there is no parameter `/app/p9` in us-east-1\n")
        .hides("Batch");
    let lister = aws.user(
        "lister",
        r#""Action": ["secretsmanager:GetSecretValue", "secretsmanager:ListSecrets"], "Resource": "*""#,
    );
    aws.shim_of(&lister)
        .env("AWS_SECRET_PREFIX", "app")
        .environment()
        .quiet()
        .has("S4", "v4");
}

#[test]
fn one_of_a_batch_fails_and_the_others_do_not() {
    let Some(aws) = Aws::ministack() else { return };
    aws.secret("app/one", b"1");
    let secret = aws.secret("app/two", b"2");
    aws.secret("other", b"3");
    let user = aws.user(
        "few",
        r#""Action": ["secretsmanager:BatchGetSecretValue", "secretsmanager:GetSecretValue", "secretsmanager:ListSecrets"], "Resource": ["arn:aws:secretsmanager:*:*:secret:app/*"]"#,
    );
    let answer = with(
        aws.shim_of(&user),
        "A=aws:app/one\nB=aws:other\nC=aws:app/tow?default=d\nD=aws:app/two\n",
    )
    .refused();
    let account = secret.split(':').nth(4).expect("an account");
    answer
        .says(".vault:2: B: aws:other: secretsmanager:GetSecretValue is denied on `other` in us-east-1 for arn:aws:iam::")
        .says(&format!("hint: allow secretsmanager:GetSecretValue on arn:aws:secretsmanager:us-east-1:{account}:secret:other-??????\n"))
        .hides("A: aws")
        .hides("D: aws");
    let vault = "A=aws:app/one\nC=aws:app/tow?default=d\nD=aws:app/two\n";
    with(aws.shim_of(&user), vault)
        .environment()
        .quiet()
        .has("A", "1")
        .has("C", "d")
        .has("D", "2");
}

#[test]
fn errors_in_the_words_of_aws_users() {
    let Some(aws) = Aws::ministack() else { return };
    aws.secret("imip/production", b"1");
    aws.secret("gone", b"1");
    aws.call(
        "secretsmanager",
        "delete_secret",
        r#"{"SecretId": "gone", "RecoveryWindowInDays": 7}"#,
    );
    aws.parameter("/app/key", "SecureString", "k");
    let one = |line: &str| with(aws.shim(), line).refused();
    one("A=aws:imip/prodution\n")
        .says("there is no secret `imip/prodution` in us-east-1\n")
        .says("hint: did you mean `imip/production`?");
    one("A=ssm:/app/kye\n").says("hint: did you mean `/app/key`?");
    one("A=aws:gone\n")
        .says("is marked for deletion")
        .says("aws secretsmanager restore-secret --secret-id gone");
    with(aws.shim(), "A=aws:gone?default=d\n")
        .environment()
        .has("A", "d");
    one("A=aws:imip/production?stage=NONE\n").says("has no such version");
    one("A=ssm:/app/key?version=9\n").says("has no such version");
    // Who has no rights at all.
    let nobody = aws.user("nobody", r#""Action": "s3:*", "Resource": "*""#);
    let denied = |line: &str| with(aws.shim_of(&nobody), line).refused();
    denied("A=aws:imip/production\n")
        .says("secretsmanager:GetSecretValue is denied on `imip/production`");
    denied("A=ssm:/app/key\n")
        .says("ssm:GetParameter is denied on `/app/key` in us-east-1 for arn:aws:iam::")
        .says(":parameter/app/key\n");
    denied("A=1\nENVSHIM_IMPORT=ssm:/app/\n").says("ssm:GetParametersByPath is denied on `/app/`");
    // Keys that are wrong, and keys that are unknown. Nothing of them is told.
    let (id, secret) = aws.keys.clone();
    let wrong = with(
        aws.shim_of(&(id.clone(), format!("{secret}x"))),
        "A=aws:x\nB=ssm:y\n",
    )
    .refused();
    wrong
        .says("the secret access key is not that of the access key")
        .hides(&secret)
        .hides(&id);
    let unknown = with(
        aws.shim_of(&("AKIAIOSFODNN7EXAMPLE".into(), secret.clone())),
        "A=aws:x\n",
    )
    .refused();
    unknown
        .says("AWS does not know the access key")
        .hides(&secret)
        .hides("AKIAIOSFODNN7EXAMPLE");
}

#[test]
fn mistakes_in_references_are_found_before_anything_is_asked() {
    let vault = "A=aws:app/*\nB=ssm:/app/\nC=aws:a b\nD=ssm:x?version=new\nE=aws:x?region=US\n\
        F=aws:arn:aws:ssm:us-east-1:1:parameter/x\nG=aws:x?stge=AWSPREVIOUS\n";
    let answer = with(Shim::new().env("AWS_REGION", "us-east-1"), vault).refused();
    let answer = answer
        .says(".vault:1: A: aws:app/*: `*` names several secrets")
        .says(".vault:2: B: ssm:/app/: a path that ends in `/` names several")
        .says(".vault:3: C: aws:a ...: no name in AWS has the letter ` `")
        .says(".vault:4: D: ssm:x: the parameter `version` is the number")
        .says(".vault:5: E: aws:x: the parameter `region` is not a region")
        .says(".vault:6: F: ")
        .says("the ARN is not one of secretsmanager")
        .says(".vault:7: G: aws:x: there is no parameter `stge`");
    answer.says("hint: did you mean `stage`?");
}

#[test]
fn another_verifier_of_signatures_is_content_too() {
    let Some(aws) = Aws::moto() else { return };
    aws.secret("app/one", b"1");
    aws.secret("app/two", b"2");
    aws.parameter("/app/key", "SecureString", "k");
    aws.checks_signatures();
    let vault = "A=aws:app/one\nB=aws:app/two\nC=ssm:/app/key\n";
    let answer = with(aws.shim(), vault).environment().quiet();
    answer.has("A", "1").has("B", "2").has("C", "k");
    let (id, secret) = aws.keys.clone();
    let wrong = with(aws.shim_of(&(id, format!("{secret}x"))), vault).refused();
    wrong.says("the secret access key is not that of the access key");
}
