//! Workload identity federation: a word of another platform, exchanged for a token of Google's.

use crate::credential::sigv4::encoded;
use crate::failure::Failure;
use crate::format::json::quote;

use super::document::Document;
use super::fault::Login;
use super::token::{Basic, granted};
use super::{Found, SCOPE, Setup, Who, impersonation, subject};

pub(super) fn of_file(setup: &Setup<'_>, document: &Document<'_>) -> Result<Found, Failure> {
    let audience = document.need("audience")?;
    let kind = document.need("subject_token_type")?;
    let address = document.address(setup, "token_url", None)?;
    let basic = match document.text("client_id") {
        Some(id) => Some(Basic {
            id,
            secret: document.secret("client_secret")?,
        }),
        None => None,
    };
    let subject = subject::of_file(setup, document, audience, kind)?;
    let mut fields: Vec<(&str, &[u8])> = vec![
        (
            "grant_type",
            b"urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("audience", audience.as_bytes()),
        ("scope", SCOPE.as_bytes()),
        (
            "requested_token_type",
            b"urn:ietf:params:oauth:token-type:access_token",
        ),
        ("subject_token", subject.expose()),
        ("subject_token_type", kind.as_bytes()),
    ];
    // Who pays for the identities of a company, unless an application says so itself.
    let payer = document.text("workforce_pool_user_project");
    let options = payer.map(|project| {
        let options = format!("{{\"userProject\":{}}}", quote(project));
        encoded(&options, b"")
    });
    if let (Some(options), None) = (&options, &basic) {
        fields.push(("options", options.as_bytes()));
    }
    let login = Login::Federation(audience.to_owned());
    let token = granted(&setup.client, address, &fields, basic.as_ref(), login)?;
    let found = Found {
        universe: document.owned("universe_domain"),
        ..Found::of(token, pool(audience))
    };
    impersonation::after(setup, document, found)
}

/// Everybody of the pool that `//iam.googleapis.com/POOL/providers/NAME` is of.
fn pool(audience: &str) -> Who {
    let pool = audience.strip_prefix("//").and_then(|rest| {
        let (pool, _) = rest.split_once("/providers/")?;
        pool.starts_with("iam.googleapis.com/").then_some(pool)
    });
    match pool {
        Some(pool) => Who::Pool(format!("principalSet://{pool}/*")),
        None => Who::Somebody,
    }
}

#[cfg(test)]
mod tests {
    use super::{Who, pool};

    #[test]
    fn pools() {
        let audience =
            "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/x";
        let want = "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/*";
        assert!(matches!(pool(audience), Who::Pool(set) if set == want));
        assert!(matches!(pool("//elsewhere/providers/x"), Who::Somebody));
    }
}
