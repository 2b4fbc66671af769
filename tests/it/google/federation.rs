//! Workload identity federation: a word of another platform for a token of Google's.

use crate::house::google::{CANARY, Google};
use crate::house::server::{Seen, Server, answer};
use crate::house::{Answer, Shim};

const POOL: &str =
    "//iam.googleapis.com/projects/1234567890/locations/global/workloadIdentityPools/pool";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const TARGET: &str = "target@imip.iam.gserviceaccount.com";

/// A Google with one secret.
fn google() -> Option<Google> {
    let google = Google::start()?;
    google.put("app", "v");
    Some(google)
}

/// A credential file; `more` begins with a comma.
fn account(provider: &str, kind: &str, source: &str, more: &str) -> String {
    format!(
        r#"{{"type":"external_account","audience":"{POOL}/providers/{provider}","subject_token_type":"{kind}",
        "token_url":"https://sts.googleapis.com/v1/token","credential_source":{source}{more}}}"#
    )
}

fn impersonates(account: &str) -> String {
    format!(
        r#","service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken","service_account_impersonation":{{"token_lifetime_seconds":600}}"#
    )
}

fn subject() -> String {
    format!("subject.{CANARY}.token")
}

fn shim(google: &Google, file: &str) -> Shim {
    let shim = google.shim_of(file).env("GCP_PROJECT_ID", "imip");
    shim.file(".vault", "A=gcp:app?default=d\n")
        .file("token", format!("{}\n", subject()))
        .file(
            "token.json",
            format!("{{\"access_token\":\"{}\"}}", subject()),
        )
}

#[track_caller]
fn works(google: &Google, file: &str) {
    shim(google, file).environment().quiet().has("A", "v");
}

#[track_caller]
fn fails(shim: Shim) -> Answer {
    let answer = shim.refused().hides(CANARY);
    answer
        .says("A: gcp:app: GOOGLE_APPLICATION_CREDENTIALS: ")
        .says("hint: ")
}

#[test]
fn token_in_a_file() {
    let Some(google) = google() else { return };
    let json = r#"{"file":"token.json","format":{"type":"json","subject_token_field_name":"access_token"}}"#;
    for source in [
        r#"{"file":"token"}"#,
        r#"{"file":"token","format":{"type":"text"}}"#,
        json,
    ] {
        works(&google, &account("github", JWT, source, ""));
    }
    let saml = "urn:ietf:params:oauth:token-type:saml2";
    works(&google, &account("github", saml, r#"{"file":"token"}"#, ""));
    let become_target = impersonates(TARGET);
    google.asked();
    works(&google, &account("github", JWT, json, &become_target));
    assert_eq!(google.asked().len(), 3);
    // A company's pool: somebody pays, or an application says who it is.
    let payer = r#","workforce_pool_user_project":"payer""#;
    works(&google, &account("github", JWT, json, payer));
    let basic = format!(r#"{payer},"client_id":"client","client_secret":"{CANARY}""#);
    works(&google, &account("github", JWT, json, &basic));
}

#[test]
fn refusals() {
    let Some(google) = google() else { return };
    let file = r#"{"file":"token"}"#;
    let failing = |text: &str| fails(shim(&google, text));
    failing(&account("gitlab", JWT, file, ""))
        .says("https://sts.googleapis.com gives no access token: invalid_target (status 400)")
        .says("hint: is there such a provider, and is it on? gcloud iam workload-identity-pools providers describe projects/1234567890/locations/global/workloadIdentityPools/pool/providers/gitlab");
    google.call("configure", r#"{"subject": "another"}"#);
    failing(&account("github", JWT, file, ""))
        .says("invalid_grant (status 400)")
        .says("hint: look at the provider's issuer");
    google.call("configure", &format!("{{\"subject\": \"{}\"}}", subject()));
    failing(&account("github", JWT, file, &impersonates("nobody@x.iam.gserviceaccount.com")))
        .says("Google gives no token for `nobody@x.iam.gserviceaccount.com` (status 403)")
        .says("--role=roles/iam.workloadIdentityUser --member=principalSet://iam.googleapis.com/projects/1234567890/locations/global/workloadIdentityPools/pool/*");
    failing(&account(
        "github",
        JWT,
        r#"{"file":"/var/run/secrets/none"}"#,
        "",
    ))
    .says("there is no /var/run/secrets/none with the token")
    .says("hint: mount the token: a projected volume");
    failing(&account(
        "github",
        JWT,
        r#"{"file":"token.json","format":{"type":"json","subject_token_field_name":"id"}}"#,
        "",
    ))
    .says("there is no token in token.json");
    failing(&account(
        "github",
        JWT,
        r#"{"certificate":{"use_default_certificate_config":true}}"#,
        "",
    ))
    .says("has a `certificate` that is not spoken here");
    failing(&account("github", JWT, "{}", "")).says("is of no kind that is spoken here");
    failing(
        &account("github", JWT, file, "")
            .replace("sts.googleapis.com", "sts.googleapis.com.evil.example"),
    )
    .says("the `token_url` of ")
    .says("leads to https://sts.googleapis.com.evil.example, which is not Google's");
    failing(&account(
        "github",
        JWT,
        file,
        &impersonates(TARGET).replace("iamcredentials.googleapis.com", "evil.example"),
    ))
    .says("leads to https://evil.example, which is not Google's");
    google.call("configure", r#"{"denied": ["app"]}"#);
    shim(&google, &account("github", JWT, file, ""))
        .refused()
        .says("is denied on projects/imip/secrets/app for principalSet://iam.googleapis.com/projects/1234567890/locations/global/workloadIdentityPools/pool/*");
}

#[test]
fn token_behind_an_address() {
    let Some(google) = google() else { return };
    let platform = Server::http(|seen: &Seen| match seen.header("metadata") {
        Some("True") if seen.path() == "/token?x=1" => {
            answer(200, "", format!("{{\"value\":\"{}\"}}", subject()))
        }
        _ => answer(403, "", CANARY),
    });
    let source = |header: &str| {
        format!(
            r#"{{"url":"{}/token?x=1","headers":{{"Metadata":"{header}"}},"format":{{"type":"json","subject_token_field_name":"value"}}}}"#,
            platform.url()
        )
    };
    works(&google, &account("github", JWT, &source("True"), ""));
    fails(shim(&google, &account("github", JWT, &source("No"), "")))
        .says(&format!("{} gives no token (status 403)", platform.url()));
    let clear = r#"{"url":"http://platform.example/token"}"#;
    let strict = shim(&google, &account("github", JWT, clear, "")).args("--strict");
    fails(strict).says("credential_source.url: secrets and credentials travel in clear to http://platform.example, which --strict refuses");
}

#[test]
fn token_of_a_program() {
    let Some(google) = google() else { return };
    let file = |command: &str, more: &str| {
        let source = format!(r#"{{"executable":{{"command":"{command}","timeout_millis":5000}}}}"#);
        account("github", JWT, &source, more)
    };
    let allowed = |text: &str| {
        let shim = shim(&google, text).env("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1");
        let output = format!(
            r#"{{"version":1,"success":true,"token_type":"{JWT}","id_token":"{}","expiration_time":4102444800}}"#,
            subject()
        );
        let script = format!(
            "test \"$GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE\" = {POOL}/providers/github || exit 1\n\
             test \"$GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE\" = {JWT} || exit 2\n\
             test \"$GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE\" = 0 || exit 3\n\
             test \"$GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL\" = \"$1\" || exit 4\n\
             echo '{output}'\n"
        );
        shim.file("script", script)
    };
    allowed(&file("sh script", ""))
        .environment()
        .quiet()
        .has("A", "v");
    let target = impersonates(TARGET);
    let command = format!("sh script {TARGET}");
    allowed(&file(&command, &target))
        .environment()
        .quiet()
        .has("A", "v");
    // The file alone runs no program.
    fails(shim(&google, &file("touch ran", "")))
        .says("wants to run a program for its token")
        .says("hint: if you trust the file: GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1");
    for (command, said) in [
        ("false", "`false` ended with status 1"),
        ("echo no", "the output of the program is not JSON"),
        ("echo {}", "the output of the program tells of a failure"),
        ("sleep 100", "`sleep` did not end within 500 ms"),
    ] {
        let text = file(command, "").replace("5000", "500");
        fails(allowed(&text)).says(said);
    }
}

#[test]
fn credentials_of_aws() {
    let Some(google) = google() else { return };
    let source = r#"{"environment_id":"aws1","regional_cred_verification_url":"https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"}"#;
    let kind = "urn:ietf:params:aws:token-type:aws4_request";
    let text = account("aws", kind, source, &impersonates(TARGET));
    let with = |secret: &str| {
        shim(&google, &text)
            .env("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
            .env("AWS_SECRET_ACCESS_KEY", secret)
            .env("AWS_SESSION_TOKEN", format!("session/{CANARY}"))
            .env("AWS_EC2_METADATA_DISABLED", "true")
    };
    let region = |shim: Shim| shim.env("AWS_REGION", "eu-central-1");
    let right = format!("aws/{CANARY}");
    region(with(&right)).environment().has("A", "v");
    fails(region(with("wrong"))).says("invalid_grant");
    let unsure = with(&right);
    fails(unsure).says("no AWS region (");
    let none = shim(&google, &text).env("AWS_EC2_METADATA_DISABLED", "true");
    fails(region(none)).says("no AWS credentials (environment: unset");
    let later = text.replace("aws1", "aws2");
    fails(shim(&google, &later)).says("has a `environment_id` that is not spoken here");
}

#[test]
fn login_of_a_companys_person() {
    let Some(google) = google() else { return };
    let file = |token: &str| {
        format!(
            r#"{{"type":"external_account_authorized_user","audience":"x","token_url":"https://sts.googleapis.com/v1/oauthtoken","client_id":"client","client_secret":"{CANARY}","refresh_token":"{token}"}}"#
        )
    };
    works(&google, &file(&format!("1//{CANARY}")));
    fails(shim(&google, &file("1//old")))
        .says("gives no access token: invalid_grant")
        .says("hint: gcloud auth application-default login");
}
