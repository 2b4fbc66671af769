//! The AWS login: a signed request to STS that we do not send. Vault sends it, and STS tells it who
//! has signed. (developer.hashicorp.com/vault/docs/auth/aws)

use std::time::SystemTime;

use base64ct::{Base64, Encoding};

use crate::credential::aws::{Endpoints, Service, Session};
use crate::credential::sigv4::{Keys, Request, Scope, sign};
use crate::format::json::Json;
use crate::http::Address;
use crate::provider::Context;
use crate::provider::vault::fault::Fault;
use crate::secret::Secret;

const QUESTION: &str = "Action=GetCallerIdentity&Version=2011-06-15";

const FORM: &str = "application/x-www-form-urlencoded; charset=utf-8";

/// Where Vault asks unless it was told to ask elsewhere, and the region of that place.
const GLOBAL: (&str, &str) = ("https://sts.amazonaws.com/", "us-east-1");

/// What the login shows, from the AWS credentials of this machine.
pub(super) fn body(context: &Context<'_>) -> Result<Vec<(&'static str, Json)>, Fault> {
    let settings = context.settings;
    let look = |name: &str| settings.setting(name);
    let weigh = |address: &Address, variable| context.weigh(address, variable);
    let session = Session::open(&look, context.deadline, &|| context.options(), &weigh);
    let session = session.map_err(Fault::Broken)?;
    let (address, region) = match settings.text("VAULT_AWS_REGION").map(str::trim) {
        Some(region) => {
            let address = Endpoints::default().address(Service::Sts, region);
            (address.map_err(Fault::Broken)?, region)
        }
        None => {
            let (address, region) = GLOBAL;
            let address = Address::parse(address);
            (address.map_err(|_| Fault::OddPath)?, region)
        }
    };
    let server = settings.text("VAULT_AWS_IAM_SERVER_ID").map(str::trim);
    Ok(signed(
        &session.keys,
        &address,
        region,
        server,
        SystemTime::now(),
    ))
}

fn signed(
    keys: &Keys,
    address: &Address,
    region: &str,
    server: Option<&str>,
    at: SystemTime,
) -> Vec<(&'static str, Json)> {
    let mut headers = vec![("Content-Type", FORM)];
    headers.extend(server.map(|id| ("X-Vault-AWS-IAM-Server-ID", id)));
    let host = address.authority();
    let request = Request {
        method: "POST",
        host: &host,
        path: address.path(),
        headers: &headers,
        body: QUESTION.as_bytes(),
    };
    let scope = Scope {
        region,
        service: "sts",
        at,
    };
    let signature = sign(keys, &scope, &request);
    // A header of Go's HTTP library: a name with a list of values.
    let header = |name: &str, value: Secret| (name.to_owned(), Json::List(vec![Json::Text(value)]));
    let plain = |name: &str, value: &str| header(name, Secret::new(value.as_bytes().to_vec()));
    let mut all = vec![
        plain("Host", &host),
        plain("Content-Length", &QUESTION.len().to_string()),
        plain("X-Amz-Date", &signature.date),
        header(
            "Authorization",
            Secret::new(signature.authorization.into_bytes()),
        ),
    ];
    all.extend(headers.iter().map(|(name, value)| plain(name, value)));
    all.extend(
        signature
            .token
            .map(|token| header("X-Amz-Security-Token", token)),
    );
    let base64 = |bytes: &[u8]| {
        let text = Base64::encode_string(bytes);
        Json::Text(Secret::new(text.into_bytes()))
    };
    let url = format!("https://{host}{}", address.path());
    vec![
        (
            "iam_http_request_method",
            Json::Text(Secret::new(b"POST".to_vec())),
        ),
        ("iam_request_url", base64(url.as_bytes())),
        ("iam_request_body", base64(QUESTION.as_bytes())),
        (
            "iam_request_headers",
            base64(Json::Object(all).compact().expose()),
        ),
    ]
}
