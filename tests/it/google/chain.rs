//! The chain of credentials: each link by itself, their order, and what is said where none has any.

use base64ct::{Base64, Encoding};
use envshim::format::json::quote;

use crate::house::google::{CANARY, EMAIL, Google};
use crate::house::server::{Server, answer};
use crate::house::{Answer, Shim};

/// A Google with one secret.
fn google() -> Option<Google> {
    let google = Google::start()?;
    google.put("app", "v");
    Some(google)
}

/// It gets its secret, and nothing else is said.
#[track_caller]
fn works(shim: Shim) -> Answer {
    let shim = shim.file(".vault", "A=gcp:app\n");
    shim.environment().quiet().has("A", "v")
}

#[track_caller]
fn fails(shim: Shim) -> Answer {
    let shim = shim.file(".vault", "A=gcp:app?default=d\n");
    let answer = shim.refused().hides(CANARY).hides("MII");
    answer.says("A: gcp:app: ").says("hint: ")
}

/// The login of a person.
fn user(token: &str) -> String {
    format!(
        r#"{{"type":"authorized_user","client_id":"id.apps","client_secret":"s+/ {CANARY}","refresh_token":"{token}","quota_project_id":"imip"}}"#
    )
}

/// The part of the key file with this name, taken out or changed.
fn key_with(google: &Google, from: &str, to: &str) -> String {
    assert!(google.key.contains(from), "{from}");
    google.key.replace(from, to)
}

#[test]
fn key_of_a_service_account() {
    let Some(google) = google() else { return };
    works(google.shim());
    // No round trip: the token is signed here.
    assert_eq!(
        google.asked(),
        ["secretmanager.googleapis.com GET /v1/projects/imip/secrets/app/versions/latest:access"]
    );
    // As content of a variable, where there are no files; or a path.
    works(google.stranger().env("GOOGLE_CREDENTIALS", &google.key))
        .has("GOOGLE_CREDENTIALS", &google.key);
    let encoded = Base64::encode_string(google.key.as_bytes());
    works(google.stranger().env("GOOGLE_CREDENTIALS", encoded));
    let shim = google.shim();
    let path = shim.folder.join("credentials.json");
    works(
        shim.env("GOOGLE_APPLICATION_CREDENTIALS", "")
            .env("GOOGLE_CREDENTIALS", path),
    );
    // In `.vault` they are settings.
    let shim = google.stranger().file("key.json", &google.key);
    let path = shim.folder.join("key.json");
    let text = format!(
        "A=gcp:app\nGOOGLE_APPLICATION_CREDENTIALS={}\n",
        path.display()
    );
    let loaded = shim.file(".vault", text).environment().quiet();
    loaded.has("A", "v").lacks("GOOGLE_APPLICATION_CREDENTIALS");
    // PKCS#1, as `openssl rsa -traditional` writes it.
    let pem = google.authority.folder.join("key.pem");
    let text = google.key.split("\"private_key\": \"").nth(1).expect("PEM");
    let text = text.split('"').next().expect("PEM").replace("\\n", "\n");
    std::fs::write(&pem, text).expect("a file");
    google
        .authority
        .openssl("rsa -in key.pem -traditional -out rsa.pem");
    let old = String::from_utf8(google.authority.folder.read("rsa.pem")).expect("PEM");
    let file = format!(
        r#"{{"type":"service_account","project_id":"imip","private_key_id":"k1","client_email":"{EMAIL}","private_key":{}}}"#,
        quote(&old)
    );
    works(google.shim_of(&file));
}

#[test]
fn keys_that_are_none() {
    let Some(google) = google() else { return };
    let place = "credentials.json";
    let failing = |file: &str| fails(google.shim_of(file));
    failing("{")
        .says("GOOGLE_APPLICATION_CREDENTIALS: ")
        .says(&format!("{place} is not JSON (line 1, column 2)"));
    failing("{}").says(&format!("{place} is no credential file: it has no `type`"));
    failing(r#"{"type":"gdch_service_account"}"#)
        .says("is of the type `gdch_service_account`, which is not spoken here");
    failing(&key_with(&google, "client_email", "mail"))
        .says(&format!("{place} has no `client_email`"))
        .says("hint: take the file as gcloud or the console wrote it");
    failing(&key_with(&google, "BEGIN PRIVATE", "BEGIN RSA PRIVATE"));
    failing(&key_with(&google, "-----BEGIN", "BEGIN")).says("there is no private key in it");
    // Another key than Google knows, and a clock that is wrong.
    let other = google.authority.folder.join("other.pem");
    google.authority.openssl("genrsa -out other.pem 2048");
    let pem = std::fs::read_to_string(other).expect("PEM");
    let file = format!(
        r#"{{"type":"service_account","client_email":"{EMAIL}","private_key":{}}}"#,
        quote(&pem)
    );
    fails(google.shim_of(&file).env("GCP_PROJECT_ID", "imip"))
        .says("Google does not accept the access token (ACCOUNT_STATE_INVALID)")
        .says("hint: get a new one");
    let missing = google
        .stranger()
        .env("GOOGLE_APPLICATION_CREDENTIALS", "/no/key.json");
    fails(missing).says("GOOGLE_APPLICATION_CREDENTIALS: there is no /no/key.json");
    let odd = google.stranger().env("GOOGLE_CREDENTIALS", "{\"type\":7}");
    fails(odd).says("GOOGLE_CREDENTIALS: it is no credential file");
    // A key that stands where it does not belong is not repeated.
    let encoded = Base64::encode_string(google.key.as_bytes());
    for content in [&google.key, &encoded] {
        let shim = google
            .stranger()
            .env("GOOGLE_APPLICATION_CREDENTIALS", content);
        fails(shim)
            .says("GOOGLE_APPLICATION_CREDENTIALS: holds the content of a credential file, not its path")
            .hides(&content[..40]);
    }
    for content in [&encoded[1..], &google.key[1..], "ya29.c4n4ry"] {
        let shim = google.stranger().env("GOOGLE_CREDENTIALS", content);
        fails(shim)
            .says("GOOGLE_CREDENTIALS: holds neither the content of a credential file nor a path")
            .hides(&content[..10]);
    }
}

#[test]
fn login_of_a_person() {
    let Some(google) = google() else { return };
    let good = user(&format!("1//{CANARY}"));
    works(google.shim_of(&good).env("GOOGLE_CLOUD_PROJECT", "imip"));
    // The login pays by its own project.
    google.call("configure", r#"{"payers": []}"#);
    fails(google.shim_of(&good).env("GCP_PROJECT_ID", "imip"))
        .says("the project imip, which would pay");
    google.call("configure", r#"{"payers": ["imip"]}"#);
    // Where gcloud leaves it, with the project of gcloud.
    let name = ".config/gcloud/application_default_credentials.json";
    let shim = google.stranger().file(name, &good).file(
        ".config/gcloud/configurations/config_default",
        "[core]\nproject = imip\n",
    );
    works(shim);
    let shim = google
        .stranger()
        .file("g/application_default_credentials.json", &good)
        .file("g/active_config", "work\n")
        .file("g/configurations/config_work", "[core]\nproject = imip\n");
    let folder = shim.folder.join("g");
    works(shim.env("CLOUDSDK_CONFIG", folder));
    let old = user("1//expired");
    fails(google.shim_of(&old).env("GCP_PROJECT_ID", "imip"))
        .says("https://oauth2.googleapis.com gives no access token: invalid_grant (status 400)")
        .says("hint: gcloud auth application-default login");
    // A file cannot send a login elsewhere.
    let foreign = good.replacen('{', r#"{"token_uri":"https://evil.example/token","#, 1);
    fails(google.shim_of(&foreign))
        .says("leads to https://evil.example, which is not Google's")
        .says("the `token_uri` of ");
    let clear = good.replacen(
        '{',
        r#"{"token_uri":"http://oauth2.googleapis.com/token","#,
        1,
    );
    fails(google.shim_of(&clear))
        .says("leads to http://oauth2.googleapis.com, which is not Google's");
}

#[test]
fn token_of_somebody_else() {
    let Some(google) = google() else { return };
    let minted = google.call("mint", r#"{"who": "me"}"#);
    let token = minted
        .get("answer")
        .and_then(|t| t.as_str())
        .expect("a token");
    let shim = || google.stranger().env("GCP_PROJECT_ID", "imip");
    works(shim().env("GOOGLE_OAUTH_ACCESS_TOKEN", token));
    works(shim().env("GOOGLE_OAUTH_ACCESS_TOKEN", format!("{token}\n")));
    fails(shim().env("GOOGLE_OAUTH_ACCESS_TOKEN", format!("{token} x")))
        .says("GOOGLE_OAUTH_ACCESS_TOKEN: the token has a blank or a line break in it");
    fails(shim().env("GOOGLE_OAUTH_ACCESS_TOKEN", format!("ya29.{CANARY}.old")))
        .says("Google does not accept the access token (ACCOUNT_STATE_INVALID)");
}

#[test]
fn metadata_server() {
    let Some(google) = google() else { return };
    let shim = || {
        google
            .stranger()
            .env("NO_GCE_CHECK", "")
            .env("GCE_METADATA_HOST", &google.metadata)
    };
    works(shim());
    let asked = google.asked();
    assert!(
        asked
            .iter()
            .any(|line| line.ends_with("/project/project-id")),
        "{asked:?}"
    );
    google.asked();
    works(shim().env("GCP_PROJECT_ID", "imip"));
    assert_eq!(google.asked().len(), 2);
    works(
        google
            .stranger()
            .env("NO_GCE_CHECK", "")
            .env("GCE_METADATA_ROOT", &google.metadata),
    );
    // Who was denied is looked up.
    google.call("configure", r#"{"denied": ["app"]}"#);
    fails(shim()).says(&format!("--member=serviceAccount:{EMAIL}"));
    google.call("configure", r#"{"denied": ["app"], "machine": null}"#);
    fails(shim()).says("metadata server: the machine has no service account");
    // Another cloud's server.
    let other = Server::http(|_| answer(200, "", format!("{{\"access_token\":\"{CANARY}\"}}")));
    let shim = |server: &Server| {
        google
            .stranger()
            .env("NO_GCE_CHECK", "")
            .env("GCE_METADATA_HOST", server.address.to_string())
    };
    fails(shim(&other)).says("metadata server: what answers there is not Google's");
    let flavor = "Metadata-Flavor: Google\r\n";
    let broken = Server::http(move |_| answer(403, flavor, CANARY));
    fails(shim(&broken)).says("metadata server: answers with status 403");
    let odd = Server::http(move |_| answer(200, flavor, "{\"access_token\":5}"));
    fails(shim(&odd)).says("gives no access token in the form of Google");
    // It may come up after us.
    let late = Server::http(move |seen| match seen.number {
        0 | 1 => answer(503, flavor, "not yet"),
        _ => answer(200, flavor, format!("{{\"access_token\":\"{CANARY}\"}}")),
    });
    fails(shim(&late).env("GCP_PROJECT_ID", "imip")).says("ACCESS_TOKEN_TYPE_UNSUPPORTED");
    assert!(late.seen().len() >= 3);
}

#[test]
fn nobody_has_any() {
    let Some(google) = google() else { return };
    let answer = fails(google.stranger());
    let path = answer
        .folder
        .join(".config/gcloud/application_default_credentials.json");
    let path = path.display().to_string();
    answer
        .says(&format!(
            "no Google credentials (GOOGLE_APPLICATION_CREDENTIALS: unset; gcloud: there is no {path}; metadata server: switched off)\n"
        ))
        .says("hint: on a laptop: gcloud auth application-default login; on Google's machines: ");
    let token = google.stranger().env("GOOGLE_OAUTH_ACCESS_TOKEN", "x");
    fails(token)
        .says("no Google project (GCP_PROJECT_ID: unset; GOOGLE_CLOUD_PROJECT: unset; GCLOUD_PROJECT: unset; CLOUDSDK_CORE_PROJECT: unset; gcloud: says none)")
        .says("hint: set GCP_PROJECT_ID, or add ?project=");
}

#[test]
fn project_and_universe() {
    let Some(google) = google() else { return };
    google.put_at("app", "other", r#", "project": "other""#);
    for name in [
        "GCP_PROJECT_ID",
        "GOOGLE_CLOUD_PROJECT",
        "GCLOUD_PROJECT",
        "CLOUDSDK_CORE_PROJECT",
    ] {
        let shim = google.shim().env(name, "other");
        let shim = shim.file(".vault", "A=gcp:app\n");
        shim.environment().quiet().has("A", "other");
    }
    let elsewhere = "https://secretmanager.cloud.example: ";
    let universe = google
        .key
        .replacen('{', r#"{"universe_domain":"cloud.example","#, 1);
    fails(google.shim_of(&universe)).says(elsewhere);
    let shim = google.shim();
    fails(shim.env("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "cloud.example")).says(elsewhere);
    let odd = google.shim().env("GOOGLE_CLOUD_UNIVERSE_DOMAIN", "a b");
    fails(odd).says("GOOGLE_CLOUD_UNIVERSE_DOMAIN: has no usable host name");
}

#[test]
fn a_laptop_does_not_wait_long_for_a_metadata_server() {
    let begun = std::time::Instant::now();
    let shim = Shim::new().file(".vault", "A=gcp:app\n");
    shim.refused()
        .says("no Google credentials (")
        .says("metadata server: ");
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

#[test]
fn impersonation_by_a_file() {
    let Some(google) = google() else { return };
    let file = |account: &str, source: &str| {
        format!(
            r#"{{"type":"impersonated_service_account","delegates":["middle@imip.iam.gserviceaccount.com"],
            "service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{account}:generateAccessToken",
            "source_credentials":{source}}}"#
        )
    };
    let target = "target@imip.iam.gserviceaccount.com";
    let user = user(&format!("1//{CANARY}"));
    for source in [google.key.as_str(), &user] {
        let shim = google.shim_of(&file(target, source));
        works(shim.env("GCP_PROJECT_ID", "imip"));
    }
    fails(google.shim_of(&file("nobody@x.iam.gserviceaccount.com", &google.key)))
        .says("Google gives no token for `nobody@x.iam.gserviceaccount.com` (status 403)")
        .says(&format!("hint: gcloud iam service-accounts add-iam-policy-binding nobody@x.iam.gserviceaccount.com --role=roles/iam.serviceAccountTokenCreator --member=serviceAccount:{EMAIL}"));
    // Who is denied is whom we have become.
    google.call("configure", r#"{"denied": ["app"]}"#);
    fails(google.shim_of(&file(target, &google.key))).says(&format!("for serviceAccount:{target}"));
    let foreign =
        file(target, &google.key).replace("iamcredentials.googleapis.com", "evil.example");
    fails(google.shim_of(&foreign)).says("leads to https://evil.example, which is not Google's");
    let inner = file(target, &file(target, &google.key));
    fails(google.shim_of(&inner))
        .says("of the type `impersonated_service_account`, which is not spoken here");
}
