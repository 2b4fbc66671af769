//! The word of another platform for a workload: a token in a file, behind an address, printed by a
//! program, or a signed request that only somebody with these AWS credentials can make.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::Deadline;
use crate::credential::aws;
use crate::credential::sigv4::{self, Scope, encoded};
use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::format::json::{self, Json, quote};
use crate::helper::Helper;
use crate::http::{Address, Client, Proxies, Request, Value};
use crate::secret::{Secret, SecretBuffer};

use super::Setup;
use super::document::Document;
use super::fault::Fault;

/// A token is a few kilobytes.
const MOST: usize = 1 << 20;

/// The subject token of an external account.
pub(super) fn of_file(
    setup: &Setup<'_>,
    document: &Document<'_>,
    audience: &str,
    kind: &str,
) -> Result<Secret, Failure> {
    let source = document.need_part("credential_source")?;
    if let Some(id) = source.text("environment_id") {
        if id != "aws1" {
            return Err(Fault::Source(source.place.to_owned(), "environment_id").into());
        }
        return of_aws(setup, &source, audience);
    }
    if let Some(path) = source.text("file") {
        let path = PathBuf::from(path);
        let found = files::read(&path, MOST, Accept::Pipe).map_err(Fault::File)?;
        let found = found.ok_or_else(|| Fault::NoSubject(path.clone()))?;
        return form(&source, &path.display().to_string(), found.bytes);
    }
    if source.text("url").is_some() {
        return of_url(setup, &source);
    }
    if let Some(executable) = source.part("executable") {
        return of_program(setup, document, &executable, audience, kind);
    }
    let other = ["certificate"].into_iter();
    let other = other
        .into_iter()
        .find(|name| source.json.get(name).is_some());
    Err(Fault::Source(
        source.place.to_owned(),
        other.unwrap_or("credential_source"),
    )
    .into())
}

/// A token as it is, or a text in a JSON document.
fn form(source: &Document<'_>, at: &str, bytes: Secret) -> Result<Secret, Failure> {
    let none = || Failure::from(Fault::NoToken(at.to_owned()));
    let format = source.part("format");
    let kind = format.as_ref().and_then(|format| format.text("type"));
    let token = match (kind, format) {
        (None | Some("text"), _) => Secret::new(bytes.expose().trim_ascii().to_vec()),
        (Some("json"), Some(format)) => {
            let field = format.need("subject_token_field_name")?;
            let json = json::parse(bytes.expose()).map_err(|_| none())?;
            let token = json.get(field).and_then(Json::text).map(Secret::duplicate);
            token.ok_or_else(none)?
        }
        _ => return Err(Fault::Source(source.place.to_owned(), "format").into()),
    };
    if token.expose().is_empty() {
        return Err(none());
    }
    Ok(token)
}

/// The address of a service of the platform, on this machine as a rule (Azure's, GitHub's).
fn of_url(setup: &Setup<'_>, source: &Document<'_>) -> Result<Secret, Failure> {
    let bad = |fault| Failure::from(Fault::BadUrl(source.place.to_owned(), "url", fault));
    let address = Address::parse(source.need("url")?).map_err(bad)?;
    (setup.weigh)(&address, "credential_source.url")?;
    let mut options = (setup.options)()?;
    if !address.https() {
        options.proxies = Proxies::none().into();
    }
    let mut request = Request::get(address);
    if let Some(Json::Object(headers)) = source.json.get("headers") {
        for (name, value) in headers {
            let value = value.text().ok_or_else(|| source.lacks("headers"))?;
            request = request.header(name.clone(), Value::Secret(value.duplicate()));
        }
    }
    let origin = request.address.origin();
    let answer = Client::new(options).send(&request)?;
    if answer.status != 200 {
        return Err(Fault::Platform(origin, answer.status).into());
    }
    form(source, &origin, answer.body)
}

/// A program prints the token. A file may come from anywhere, so programs have to be allowed.
fn of_program(
    setup: &Setup<'_>,
    document: &Document<'_>,
    executable: &Document<'_>,
    audience: &str,
    kind: &str,
) -> Result<Secret, Failure> {
    if !setup.flag("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES") {
        return Err(Fault::ProgramsForbidden(document.place.to_owned()).into());
    }
    let limit = executable.json.get("timeout_millis").and_then(Json::whole);
    let limit = Duration::from_millis(limit.unwrap_or(30_000)).min(setup.deadline.left());
    let mut variables = vec![
        ("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", audience),
        ("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", kind),
        ("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0"),
    ];
    if let Some(file) = executable.text("output_file") {
        variables.push(("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", file));
    }
    let url = document.text("service_account_impersonation_url");
    let account = url.and_then(|url| url.rsplit('/').next()?.split(':').next());
    if let Some(account) = account {
        variables.push(("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", account));
    }
    let command = executable.need("command")?;
    let output = Helper::told(command, &variables, &[], Deadline::after(limit))?.output()?;
    printed(&output).map_err(Failure::from)
}

/// What such a program prints.
fn printed(output: &Secret) -> Result<Secret, Fault> {
    let json = json::parse(output.expose()).map_err(|_| Fault::Printed("is not JSON"))?;
    if !matches!(json.get("success"), Some(Json::Bool(true))) {
        return Err(Fault::Printed("tells of a failure"));
    }
    let until = json.get("expiration_time").and_then(Json::whole);
    let until = until.map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
    if until.is_some_and(|until| until <= SystemTime::now()) {
        return Err(Fault::Printed("holds a token that has expired"));
    }
    let name = match json.get("token_type").and_then(Json::as_str) {
        Some("urn:ietf:params:oauth:token-type:saml2") => "saml_response",
        _ => "id_token",
    };
    let token = json.get(name).and_then(Json::text);
    let token = token.filter(|token| !token.expose().is_empty());
    token
        .map(Secret::duplicate)
        .ok_or(Fault::Printed("holds no token"))
}

/// A signed `GetCallerIdentity`, which Google sends to AWS to see who we are. The keys come from
/// wherever the AWS SDKs would have them, ECS and EKS included.
fn of_aws(setup: &Setup<'_>, source: &Document<'_>, audience: &str) -> Result<Secret, Failure> {
    const URL: &str = "regional_cred_verification_url";
    let session = aws::Session::open(setup.look, setup.deadline, setup.options, setup.weigh)?;
    let region = session.region()?;
    let url = source.need(URL)?.replace("{region}", region);
    let bad = |fault| Failure::from(Fault::BadUrl(source.place.to_owned(), URL, fault));
    let address = Address::parse(&url).map_err(bad)?;
    let target = [("x-goog-cloud-target-resource", audience)];
    let authority = address.authority();
    let signature = sigv4::sign(
        &session.keys,
        &Scope {
            region,
            service: "sts",
            at: SystemTime::now(),
        },
        &sigv4::Request {
            method: "POST",
            host: &authority,
            path: address.path(),
            headers: &target,
            body: b"",
        },
    );
    let mut out = SecretBuffer::with_capacity(4096);
    out.push(b"{\"url\":");
    out.push(quote(&url).as_bytes());
    out.push(b",\"method\":\"POST\",\"headers\":[");
    let token = signature.token.as_ref().map(Secret::expose);
    let headers: [(&str, Option<&[u8]>); 5] = [
        ("Authorization", Some(signature.authorization.as_bytes())),
        ("host", Some(authority.as_bytes())),
        ("x-amz-date", Some(signature.date.as_bytes())),
        ("x-amz-security-token", token),
        ("x-goog-cloud-target-resource", Some(audience.as_bytes())),
    ];
    let mut first = true;
    for (name, value) in headers {
        let Some(value) = value else { continue };
        let value = zeroize::Zeroizing::new(quote(&String::from_utf8_lossy(value)));
        out.push(if first { b"" } else { b"," });
        out.push(b"{\"key\":");
        out.push(quote(name).as_bytes());
        out.push(b",\"value\":");
        out.push(value.as_bytes());
        out.push(b"}");
        first = false;
    }
    out.push(b"]}");
    let text = out.finish();
    let text = std::str::from_utf8(text.expose()).unwrap_or_default();
    Ok(Secret::new(encoded(text, b"").into_bytes()))
}

/// The usual place of a service account's token in Kubernetes, for the hint.
pub(super) fn of_kubernetes(path: &Path) -> bool {
    path.starts_with("/var/run/secrets") || path.starts_with("/run/secrets")
}

#[cfg(test)]
mod tests {
    use super::printed;
    use crate::secret::Secret;

    #[test]
    fn what_programs_print() {
        let got = |text: &str| printed(&Secret::new(text.as_bytes().to_vec()));
        let of = |text: &str| got(text).ok().map(|token| token.expose().to_vec());
        let id = r#"{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:id_token","id_token":"a","expiration_time":4102444800}"#;
        assert_eq!(of(id), Some(b"a".to_vec()));
        let saml = r#"{"success":true,"token_type":"urn:ietf:params:oauth:token-type:saml2","saml_response":"b"}"#;
        assert_eq!(of(saml), Some(b"b".to_vec()));
        for bad in [
            "",
            "{}",
            r#"{"success":false,"code":"1","message":"m"}"#,
            r#"{"success":true,"id_token":"a","expiration_time":5}"#,
            r#"{"success":true,"id_token":""}"#,
        ] {
            assert!(got(bad).is_err(), "{bad}");
        }
    }
}
