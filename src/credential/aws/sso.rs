//! IAM Identity Center: keys for the login that `aws sso login` left in its cache.

use std::path::PathBuf;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::clock::{moment, timestamp};
use crate::credential::sigv4::{Keys, encoded};
use crate::failure::Failure;
use crate::files::{self, Accept};
use crate::format::json::{self, Json, quote};
use crate::http::{Method, Request, Value};
use crate::secret::{Secret, SecretBuffer};

use super::endpoint::{Service, is_region};
use super::fault::Fault;
use super::{Setup, fresh};

/// A login that ends sooner than this is renewed where it can be.
const SOON: Duration = Duration::from_secs(15 * 60);

/// More than a login has.
const MOST: usize = 256 << 10;

/// The keys of a profile that logs in through the browser.
pub(super) fn of_profile(setup: &Setup<'_>, profile: &str) -> Result<Option<Keys>, Failure> {
    let text = |key| setup.profiles.text(profile, key);
    let (account, role) = (text("sso_account_id"), text("sso_role_name"));
    if account.is_none() && role.is_none() {
        return Ok(None);
    }
    let lacks = |key| Failure::from(Fault::Lacks(profile.to_owned(), key));
    let account = account.ok_or_else(|| lacks("sso_account_id"))?;
    let role = role.ok_or_else(|| lacks("sso_role_name"))?;
    let sso = |key| setup.profiles.sso(profile, key).ok_or_else(|| lacks(key));
    let (start, region) = (sso("sso_start_url")?, sso("sso_region")?);
    if !is_region(region) {
        return Err(Fault::BadRegion(region.to_owned()).into());
    }
    let login = Login {
        profile,
        region,
        start,
        path: path(setup, text("sso_session").unwrap_or(start), profile)?,
        renewable: text("sso_session").is_some(),
    };
    let token = login.token(setup)?;
    let query = format!(
        "/federation/credentials?role_name={}&account_id={}",
        encoded(role, b""),
        encoded(account, b"")
    );
    let address = address(setup, Service::Sso, region, &query)?;
    let request = Request::get(address).header("x-amz-sso_bearer_token", Value::Secret(token));
    let answer = setup.client.send(&request)?;
    match answer.status {
        200 => {}
        401 => return Err(Fault::Login(profile.to_owned(), true).into()),
        status => {
            return Err(Fault::Portal(account.to_owned(), role.to_owned(), status).into());
        }
    }
    let malformed = || Failure::from(Fault::Malformed("SSO".to_owned()));
    let json = json::parse(answer.body.expose()).map_err(|_| malformed())?;
    let found = json.get("roleCredentials").ok_or_else(malformed)?;
    let secret = |name| found.get(name).and_then(Json::text).map(Secret::duplicate);
    let keys = Keys {
        id: found
            .get("accessKeyId")
            .and_then(Json::as_str)
            .ok_or_else(malformed)?
            .to_owned(),
        secret: secret("secretAccessKey").ok_or_else(malformed)?,
        token: secret("sessionToken"),
    };
    let until = found.get("expiration").and_then(Json::whole);
    let until = until.map(|millis| UNIX_EPOCH + Duration::from_millis(millis));
    fresh(keys, until, "SSO").map(Some)
}

/// The same origin with another path.
fn address(
    setup: &Setup<'_>,
    service: Service,
    region: &str,
    path: &str,
) -> Result<crate::http::Address, Failure> {
    let base = setup.endpoints.address(service, region)?;
    base.with_path(path)
        .map_err(|_| Fault::Malformed("SSO".to_owned()).into())
}

/// The file is named after the session, or in the older form after the address.
fn path(setup: &Setup<'_>, name: &str, profile: &str) -> Result<PathBuf, Failure> {
    let home = setup.profiles.home();
    let home = home.ok_or_else(|| Fault::Login(profile.to_owned(), false))?;
    let digest = ring::digest::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, name.as_bytes());
    let hex: String = digest.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    Ok(home.join(".aws/sso/cache").join(format!("{hex}.json")))
}

/// A login and the file it is kept in.
struct Login<'a> {
    profile: &'a str,
    region: &'a str,
    start: &'a str,
    path: PathBuf,
    renewable: bool,
}

impl Login<'_> {
    fn fault(&self, expired: bool) -> Failure {
        Fault::Login(self.profile.to_owned(), expired).into()
    }

    /// The token of the login, renewed where its time is nearly over.
    fn token(&self, setup: &Setup<'_>) -> Result<Secret, Failure> {
        let file = files::read(&self.path, MOST, Accept::Regular)?;
        let file = file.ok_or_else(|| self.fault(false))?;
        let json = json::parse(file.bytes.expose()).map_err(|_| self.fault(false))?;
        let token = json.get("accessToken").and_then(Json::text);
        let token = token.ok_or_else(|| self.fault(false))?;
        let until = json
            .get("expiresAt")
            .and_then(Json::as_str)
            .and_then(moment);
        let until = until.ok_or_else(|| self.fault(false))?;
        let now = SystemTime::now();
        if until > now + SOON {
            return Ok(token.duplicate());
        }
        let renewed = if self.renewable {
            self.renew(setup, &json)
        } else {
            None
        };
        match renewed {
            Some(renewed) => Ok(renewed),
            None if until > now => Ok(token.duplicate()),
            None => Err(self.fault(true)),
        }
    }

    /// A new token for the old one's second key, kept for the other tools as they keep it. None where
    /// that is refused: the user logs in again.
    fn renew(&self, setup: &Setup<'_>, old: &Json) -> Option<Secret> {
        let part = |name| old.get(name).and_then(Json::text);
        let registered = old.get("registrationExpiresAt").and_then(Json::as_str);
        if registered.and_then(moment)? <= SystemTime::now() {
            return None;
        }
        let body = object(&[
            ("grantType", b"refresh_token"),
            ("clientId", part("clientId")?.expose()),
            ("clientSecret", part("clientSecret")?.expose()),
            ("refreshToken", part("refreshToken")?.expose()),
        ]);
        let address = address(setup, Service::SsoOidc, self.region, "/token").ok()?;
        let request = Request::send(Method::Post, address, body)
            .header("content-type", Value::Plain("application/json".into()));
        let answer = setup.client.send(&request).ok()?;
        let json = json::parse(answer.body.expose()).ok()?;
        let token = json.get("accessToken").and_then(Json::text)?;
        let lives = Duration::from_secs(json.get("expiresIn").and_then(Json::whole)?);
        let until = timestamp(SystemTime::now() + lives);
        let refresh = json.get("refreshToken").and_then(Json::text);
        let kept = object(&[
            ("startUrl", self.start.as_bytes()),
            ("region", self.region.as_bytes()),
            ("accessToken", token.expose()),
            ("expiresAt", until.as_bytes()),
            ("clientId", part("clientId")?.expose()),
            ("clientSecret", part("clientSecret")?.expose()),
            (
                "registrationExpiresAt",
                part("registrationExpiresAt")?.expose(),
            ),
            (
                "refreshToken",
                refresh.or_else(|| part("refreshToken"))?.expose(),
            ),
        ]);
        // A folder that cannot be written to is no reason to fail: this start has its token.
        files::replace(&self.path, kept.expose(), 0o600).ok();
        Some(token.duplicate())
    }
}

/// A JSON object of texts.
fn object(pairs: &[(&str, &[u8])]) -> Secret {
    let mut out = SecretBuffer::default();
    for (at, (name, value)) in pairs.iter().enumerate() {
        out.push(if at == 0 { b"{" } else { b"," });
        let text = zeroize::Zeroizing::new(quote(std::str::from_utf8(value).unwrap_or_default()));
        out.push(quote(name).as_bytes());
        out.push(b":");
        out.push(text.as_bytes());
    }
    out.push(b"}");
    out.finish()
}
