//! The chain of credentials: each link by itself, their order, and what is said where none has any.

use std::sync::Arc;

use crate::house::aws::Aws;
use crate::house::server::{Seen, Server, answer};
use crate::house::{Answer, Shim};

const VAULT: &str = "A=aws:app\n";

/// An AWS with one secret.
fn aws() -> Option<Aws> {
    let aws = Aws::ministack()?;
    aws.secret("app", b"v");
    Some(aws)
}

/// A shim with a home of its own that has these files, and no other credentials.
fn at_home(aws: &Aws, files: &[(&str, String)]) -> Shim {
    let shim = aws.stranger().file(".vault", VAULT);
    let home = shim.folder.path().to_owned();
    let shim = shim.env("HOME", home);
    files.iter().fold(shim, |shim, (name, text)| {
        shim.file(&format!(".aws/{name}"), text)
    })
}

#[track_caller]
fn works(shim: Shim) -> Answer {
    shim.environment().quiet().has("A", "v")
}

/// `aws_access_key_id = ...` and its secret.
fn keys(aws: &Aws) -> String {
    let (id, secret) = &aws.keys;
    format!("aws_access_key_id = {id}\naws_secret_access_key = {secret}\n")
}

/// The answer of a credentials service of this machine.
fn document(aws: &Aws) -> String {
    let (id, secret) = &aws.keys;
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"{secret}","Expiration":"2099-01-01T00:00:00Z"}}"#
    )
}

#[test]
fn environment() {
    let Some(aws) = aws() else { return };
    works(aws.shim().file(".vault", VAULT));
    // In the file too, as settings: then the program does not get them.
    let (id, secret) = &aws.keys;
    let text = format!("{VAULT}AWS_ACCESS_KEY_ID={id}\nAWS_SECRET_ACCESS_KEY={secret}\n");
    works(aws.stranger().file(".vault", text)).lacks("AWS_SECRET_ACCESS_KEY");
    let half = aws
        .stranger()
        .env("AWS_ACCESS_KEY_ID", id)
        .file(".vault", VAULT)
        .refused();
    half.says("environment: AWS_ACCESS_KEY_ID is set, and AWS_SECRET_ACCESS_KEY is not")
        .says("hint: set AWS_SECRET_ACCESS_KEY");
    let old = aws
        .shim()
        .env("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z");
    old.file(".vault", VAULT)
        .refused()
        .says("the credentials of the environment have expired at 2020-01-01T00:00:00Z");
}

#[test]
fn files() {
    let Some(aws) = aws() else { return };
    let keys = keys(&aws);
    works(at_home(
        &aws,
        &[("credentials", format!("[default]\n{keys}"))],
    ));
    works(at_home(&aws, &[("config", format!("[default]\n{keys}"))]));
    let named = [(
        "config",
        format!("[profile \"my team\"]\nregion = us-east-1\n{keys}"),
    )];
    let shim = at_home(&aws, &named)
        .env("AWS_PROFILE", "my team")
        .env("AWS_REGION", "");
    works(shim);
    // Other paths than the usual ones.
    let shim = at_home(&aws, &[("other", format!("[default]\n{keys}"))]);
    works(shim.env("AWS_SHARED_CREDENTIALS_FILE", "~/.aws/other"));
    let unknown = at_home(&aws, &named)
        .env("AWS_PROFILE", "my taem")
        .refused();
    unknown
        .says("there is no profile `my taem` in the AWS files")
        .says("hint: did you mean AWS_PROFILE=my team?");
    let half = at_home(
        &aws,
        &[("credentials", "[default]\naws_access_key_id = x\n".into())],
    )
    .refused();
    half.says("profile: the profile `default` has no aws_secret_access_key");
    let broken = at_home(&aws, &[("config", "[default]\nnonsense\n".into())]).refused();
    broken.says(".aws/config: line 2: is neither a [section] nor name = value");
}

#[test]
fn roles_of_profiles() {
    let Some(aws) = aws() else { return };
    let trust = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}"#;
    let (one, two) = (aws.role("one", trust), aws.role("two", trust));
    let keys = keys(&aws);
    let files = |text: String| [("credentials", format!("[base]\n{keys}")), ("config", text)];
    let role =
        format!("[default]\nrole_arn = {one}\nsource_profile = base\nrole_session_name = me\n");
    works(at_home(&aws, &files(role)));
    let chain = format!(
        "[default]\nrole_arn = {two}\nsource_profile = middle\n\
         [profile middle]\nrole_arn = {one}\nsource_profile = base\n"
    );
    works(at_home(&aws, &files(chain)));
    // A profile of keys that takes a role with them.
    let own = format!("[default]\nrole_arn = {one}\nsource_profile = default\n{keys}");
    works(at_home(&aws, &[("config", own)]));
    let (id, secret) = &aws.keys;
    let source = format!("[profile x]\nrole_arn = {one}\ncredential_source = Environment\n");
    let shim = at_home(&aws, &files(source)).env("AWS_PROFILE", "x");
    works(
        shim.env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret),
    );
    let refusals = [
        (
            "role_arn = x\n",
            "has a role_arn, and nothing to take the role with",
        ),
        (
            "role_arn = x\nsource_profile = none\n",
            "there is no profile `none`",
        ),
        (
            "role_arn = x\nsource_profile = default\n",
            "leads back to itself",
        ),
        (
            "role_arn = x\nsource_profile = base\ncredential_source = Environment\n",
            "has both",
        ),
        (
            "role_arn = x\ncredential_source = Moon\n",
            "`Moon`, which does not exist",
        ),
        (
            "role_arn = x\ncredential_source = Environment\n",
            "Environment has no credentials: unset",
        ),
        (
            "role_arn = x\nsource_profile = base\nmfa_serial = y\n",
            "wants an MFA code",
        ),
    ];
    for (lines, said) in refusals {
        let refused = at_home(&aws, &files(format!("[default]\n{lines}"))).refused();
        refused
            .says("role of a profile: ")
            .says(said)
            .says("hint: ");
    }
    let absent = one.replace("/one", "/none");
    let text = format!("[default]\nrole_arn = {absent}\nsource_profile = base\n");
    let refused = at_home(&aws, &files(text)).refused();
    refused
        .says(&format!("STS does not give the role `{absent}`: "))
        .says(&format!(
            "hint: name who asks in the trust policy of {absent}"
        ))
        .hides(secret);
}

#[test]
fn programs() {
    let Some(aws) = aws() else { return };
    let document = document(&aws).replace("\"Code\"", "\"Version\":1,\"Code\"");
    let shim = at_home(&aws, &[("answer.json", document)]);
    let file = shim.folder.join(".aws/answer.json");
    let text = format!("[default]\ncredential_process = cat '{}'\n", file.display());
    works(shim.file(".aws/config", text));
    for (command, said) in [
        ("echo {}", "gives no credentials in the form of AWS"),
        ("false", "`false` ended with status 1"),
        ("no-such-program", "`no-such-program` is not found in PATH"),
    ] {
        let text = format!("[default]\ncredential_process = {command}\n");
        let refused = at_home(&aws, &[("config", text)]).refused();
        refused
            .says("the credential_process of the profile `default`")
            .says(said);
    }
}

/// An answer of STS.
fn xml(aws: &Aws) -> String {
    let (id, secret) = &aws.keys;
    format!(
        "<R><Credentials><AccessKeyId>{id}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
         <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></R>"
    )
}

#[test]
fn web_identity() {
    let Some(aws) = aws() else { return };
    let good = xml(&aws);
    let sts = Server::http(move |seen: &Seen| {
        let body = String::from_utf8(seen.body.clone()).expect("text");
        assert!(seen.header("authorization").is_none(), "nothing is signed");
        let want = "Action=AssumeRoleWithWebIdentity&Version=2011-06-15\
            &RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fapp&RoleSessionName=pod-1&WebIdentityToken=";
        match body.strip_prefix(want) {
            Some("a.b-c_d") => answer(200, "", &good),
            Some(_) => answer(
                400,
                "",
                "<E><Error><Code>ExpiredTokenException</Code><Message>a.b-c_d</Message></Error></E>",
            ),
            None => answer(
                400,
                "",
                format!("<E><Error><Code>Bad</Code></Error></E>{body}"),
            ),
        }
    });
    let shim = |token: &str| {
        let shim = aws.stranger().file(".vault", VAULT).file("token", token);
        let path = shim.folder.join("token");
        shim.env("AWS_WEB_IDENTITY_TOKEN_FILE", path)
            .env("AWS_ROLE_ARN", "arn:aws:iam::1:role/app")
            .env("AWS_ROLE_SESSION_NAME", "pod-1")
            .env("AWS_ENDPOINT_URL_STS", sts.url())
    };
    works(shim("a.b-c_d\n"));
    let old = shim("old.t0k3n").refused();
    old.says("web identity: STS does not give the role `arn:aws:iam::1:role/app`: ExpiredTokenException (status 400)")
        .says("hint: the token has expired")
        .hides("t0k3n");
    let none = shim("a.b-c_d")
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/none")
        .refused();
    none.says("AWS_WEB_IDENTITY_TOKEN_FILE: there is no token in /none")
        .says("service account");
    shim("\n").refused().says("there is no token in");
    let shim = aws
        .stranger()
        .file(".vault", VAULT)
        .env("AWS_WEB_IDENTITY_TOKEN_FILE", "/none");
    shim.refused()
        .says("AWS_WEB_IDENTITY_TOKEN_FILE is set, and AWS_ROLE_ARN is not");
}

#[test]
fn logins_through_the_browser() {
    let Some(aws) = aws() else { return };
    let (id, secret) = aws.keys.clone();
    let sso = Arc::new(Server::http(move |seen: &Seen| {
        if seen.path() == "/token" {
            let body = String::from_utf8(seen.body.clone()).expect("text");
            assert_eq!(
                body,
                r#"{"grantType":"refresh_token","clientId":"cid","clientSecret":"csec","refreshToken":"r3fr3sh"}"#
            );
            return answer(
                200,
                "",
                r#"{"accessToken":"n3w","expiresIn":28800,"refreshToken":"r2"}"#,
            );
        }
        assert_eq!(
            seen.path(),
            "/federation/credentials?role_name=dev%20ops&account_id=123"
        );
        match seen.header("x-amz-sso_bearer_token") {
            Some("t0k3n" | "n3w") => answer(200, "", format!(
                r#"{{"roleCredentials":{{"accessKeyId":"{id}","secretAccessKey":"{secret}","sessionToken":"","expiration":4070908800000}}}}"#
            ).replace(r#","sessionToken":"""#, "")),
            Some("forbidden") => answer(403, "", "{}"),
            _ => answer(401, "", "{}"),
        }
    }));
    let login = |token: &str, until: &str| {
        format!(
            r#"{{"startUrl":"https://x.awsapps.com/start","region":"us-east-1","accessToken":"{token}","expiresAt":"{until}","clientId":"cid","clientSecret":"csec","registrationExpiresAt":"2099-01-01T00:00:00Z","refreshToken":"r3fr3sh"}}"#
        )
    };
    let session = "[default]\nsso_session = team\nsso_account_id = 123\nsso_role_name = dev ops\n\
        [sso-session team]\nsso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n";
    let old = "[default]\nsso_account_id = 123\nsso_role_name = dev ops\n\
        sso_start_url = https://x.awsapps.com/start\nsso_region = us-east-1\n";
    // Named after SHA-1 of the session's name, or of the address.
    let sha1 = |text: &str| {
        let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, text.as_bytes());
        let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
        format!("sso/cache/{hex}.json")
    };
    let shim = |config: &str, login: Option<String>| {
        let name = if config == session {
            sha1("team")
        } else {
            sha1("https://x.awsapps.com/start")
        };
        let shim = at_home(&aws, &[("config", config.to_owned())])
            .env("AWS_ENDPOINT_URL_SSO", sso.url())
            .env("AWS_ENDPOINT_URL_SSO_OIDC", sso.url());
        match login {
            Some(login) => shim.file(&format!(".aws/{name}"), login),
            None => shim,
        }
    };
    let far = "2099-01-01T00:00:00Z";
    works(shim(session, Some(login("t0k3n", far))));
    works(shim(old, Some(login("t0k3n", far))));
    shim(session, None)
        .refused()
        .says("the SSO login of the profile `default` is not there")
        .says("hint: aws sso login --profile default");
    // It has run out: the older form cannot be renewed, the newer one is, and is kept.
    let past = "2020-01-01T00:00:00UTC";
    shim(old, Some(login("t0k3n", past)))
        .refused()
        .says("the SSO login of the profile `default` has expired");
    let renewed = works(shim(session, Some(login("old", past))));
    let kept = renewed.folder.read(&format!(".aws/{}", sha1("team")));
    let kept = String::from_utf8(kept).expect("text");
    assert!(
        kept.contains(r#""accessToken":"n3w""#) && kept.contains(r#""refreshToken":"r2""#),
        "{kept}"
    );
    shim(session, Some(login("gone", far)))
        .refused()
        .says("has expired")
        .hides("gone");
    shim(session, Some(login("forbidden", far)))
        .refused()
        .says("SSO does not give the role `dev ops` of the account 123 (status 403)");
}

#[test]
fn containers() {
    let Some(aws) = aws() else { return };
    let good = document(&aws);
    let service =
        Server::http(
            move |seen: &Seen| match (seen.path(), seen.header("authorization")) {
                ("/v1/credentials", Some("pod t0k3n")) => answer(200, "", &good),
                ("/open", None) => answer(200, "", &good),
                _ => answer(403, "", "t0k3n"),
            },
        );
    let shim = |path: &str| {
        let shim = aws
            .stranger()
            .file(".vault", VAULT)
            .file("token", "pod t0k3n\n");
        shim.env(
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}{path}", service.url()),
        )
    };
    works(shim("/open"));
    let by_file = shim("/v1/credentials");
    let path = by_file.folder.join("token");
    works(
        by_file
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path)
            .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "other"),
    );
    works(shim("/v1/credentials").env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "pod t0k3n"));
    shim("/v1/credentials")
        .refused()
        .says("container: the credentials service of the container answers with status 403")
        .hides("t0k3n");
    shim("/open")
        .env("AWS_CONTAINER_AUTHORIZATION_TOKEN", "a\nb")
        .refused()
        .says("AWS_CONTAINER_AUTHORIZATION_TOKEN: the token has a line break");
    let foreign = shim("").env("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.0.0.1/x");
    foreign
        .refused()
        .says("AWS_CONTAINER_CREDENTIALS_FULL_URI: in clear only this host");
}

/// A metadata service that wants tokens, or has none.
fn instance(aws: &Aws, tokens: u16) -> Server {
    let good = document(aws);
    Server::http(move |seen: &Seen| {
        let token = seen.header("x-aws-ec2-metadata-token");
        let allowed = tokens != 200 || token == Some("t0k3n");
        let role = "/latest/meta-data/iam/security-credentials/";
        match (seen.line.split(' ').next(), seen.path()) {
            (Some("PUT"), "/latest/api/token") => {
                assert_eq!(
                    seen.header("x-aws-ec2-metadata-token-ttl-seconds"),
                    Some("21600")
                );
                answer(tokens, "", "t0k3n")
            }
            (Some("GET"), _) if !allowed => answer(401, "", ""),
            (Some("GET"), path) if path == role => answer(200, "", "app-role"),
            (Some("GET"), path) if path == format!("{role}app-role") => answer(200, "", &good),
            (Some("GET"), "/latest/meta-data/placement/region") => answer(200, "", "us-east-1"),
            _ => answer(404, "", ""),
        }
    })
}

fn on(aws: &Aws, instance: &Server) -> Shim {
    aws.stranger()
        .file(".vault", VAULT)
        .env("AWS_EC2_METADATA_DISABLED", "")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", instance.url())
}

#[test]
fn instances() {
    let Some(aws) = aws() else { return };
    let second = instance(&aws, 200);
    works(on(&aws, &second));
    assert_eq!(second.seen().len(), 3);
    // The region comes from there too, where nothing else says it.
    works(on(&aws, &second).env("AWS_REGION", ""));
    // Version 1, where no token can be had and nobody has forbidden it.
    let first = instance(&aws, 403);
    works(on(&aws, &first));
    on(&aws, &first)
        .env("AWS_EC2_METADATA_V1_DISABLED", "true")
        .refused()
        .says("IMDS: gives no token, and version 1 is switched off");
    let off = on(&aws, &second)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .refused();
    off.says("IMDS: switched off");
    // A 200 that tells of a failure.
    let failing = Server::http(|seen: &Seen| match seen.path() {
        "/latest/meta-data/iam/security-credentials/" => answer(200, "", "r"),
        path if path.ends_with("/r") => answer(
            200,
            "",
            r#"{"Code":"AssumeRoleUnauthorizedAccess","Message":"m"}"#,
        ),
        _ => answer(200, "", "t"),
    });
    on(&aws, &failing)
        .refused()
        .says("IMDS answers with the code AssumeRoleUnauthorizedAccess");
    let without = Server::http(|seen: &Seen| match seen.line.starts_with("PUT") {
        true => answer(200, "", "t"),
        false => answer(404, "", ""),
    });
    on(&aws, &without)
        .refused()
        .says("IMDS: the instance has no role");
}

#[test]
fn an_instance_of_another_make() {
    // It does not know these keys when it checks them.
    let Some(aws) = Aws::ministack_with(false) else {
        return;
    };
    aws.secret("app", b"v");
    let shim = aws
        .stranger()
        .file(".vault", VAULT)
        .env("AWS_EC2_METADATA_DISABLED", "false");
    works(shim.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws.url()));
}

#[test]
fn nobody_asks_the_instance_where_there_are_credentials() {
    let Some(aws) = aws() else { return };
    let instance = instance(&aws, 200);
    let shim = on(&aws, &instance).env("AWS_ACCESS_KEY_ID", &aws.keys.0);
    let shim = shim.env("AWS_SECRET_ACCESS_KEY", &aws.keys.1);
    works(shim);
    let shim = on(&aws, &instance)
        .env("AWS_ACCESS_KEY_ID", &aws.keys.0)
        .env("AWS_REGION", "");
    shim.env("AWS_SECRET_ACCESS_KEY", &aws.keys.1)
        .refused()
        .says("no AWS region (AWS_REGION: unset; AWS_DEFAULT_REGION: unset; profile: no file)")
        .says("hint: set AWS_REGION=us-east-1, or add ?region=");
    assert_eq!(instance.connections(), 0);
}

#[test]
fn a_chain_without_an_answer_tells_of_every_link() {
    let refused = Server::raw(|_, _| {});
    let address = refused.url();
    drop(refused);
    let shim = Shim::new()
        .file(".vault", "A=aws:app\nB=ssm:/x\n")
        .env("AWS_REGION", "us-east-1")
        .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &address);
    let answer = shim.refused();
    answer
        .says("A: aws:app (also B): no AWS credentials (environment: unset; web identity: unset; profile: no file; container: unset; IMDS: ")
        .says("the connection is refused")
        .says("hint: give this machine or task a role, or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY\n");
}

#[test]
fn endpoints_and_regions() {
    let Some(aws) = aws() else { return };
    let shim = || aws.shim().file(".vault", VAULT).env("AWS_ENDPOINT_URL", "");
    // For one service, and by the services of a profile.
    works(shim().env("AWS_ENDPOINT_URL_SECRETS_MANAGER", aws.url()));
    let url = aws.url();
    let text = format!(
        "[default]\nservices = mine\n[services mine]\nsecrets_manager =\n  endpoint_url = {url}\n"
    );
    let keys = [("config", text)];
    let home = at_home(&aws, &keys).env("AWS_ENDPOINT_URL", "");
    works(
        home.env("AWS_ACCESS_KEY_ID", &aws.keys.0)
            .env("AWS_SECRET_ACCESS_KEY", &aws.keys.1),
    );
    let text = format!("[default]\nregion = us-east-1\nendpoint_url = {url}\n");
    let home = at_home(&aws, &[("config", text)])
        .env("AWS_ENDPOINT_URL", "")
        .env("AWS_REGION", "");
    works(
        home.env("AWS_ACCESS_KEY_ID", &aws.keys.0)
            .env("AWS_SECRET_ACCESS_KEY", &aws.keys.1),
    );
    // The usual names, which nobody here can look up or reach.
    let usual = |shim: Shim| {
        let shim = shim
            .args("--timeout 2s")
            .env("HTTPS_PROXY", "http://127.0.0.1:1");
        shim.refused()
    };
    usual(shim()).says("https://secretsmanager.us-east-1.amazonaws.com: ");
    usual(
        shim()
            .env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true")
            .env("AWS_ENDPOINT_URL", aws.url()),
    )
    .says("https://secretsmanager.us-east-1.amazonaws.com: ");
    usual(shim().env("AWS_USE_FIPS_ENDPOINT", "true"))
        .says("https://secretsmanager-fips.us-east-1.amazonaws.com: ");
    usual(shim().env("AWS_REGION", "cn-north-1"))
        .says("https://secretsmanager.cn-north-1.amazonaws.com.cn: ");
    shim()
        .env("AWS_REGION", "us-east-1.evil.example/")
        .refused()
        .says("`us-east-1.evil.example/` is not a region");
    shim()
        .env("AWS_ENDPOINT_URL", "localhost:4566")
        .refused()
        .says("AWS_ENDPOINT_URL: ");
    // In clear over a network: a warning, or with --strict an end.
    let clear = shim()
        .env("AWS_ENDPOINT_URL", "http://10.255.255.1:1")
        .args("--strict")
        .refused();
    clear.says("AWS_ENDPOINT_URL: secrets and credentials travel in clear to http://10.255.255.1:1, which --strict refuses");
}
