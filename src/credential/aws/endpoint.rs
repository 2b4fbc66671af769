//! Where AWS answers: a region and a service become an address.

use crate::failure::Failure;
use crate::http::Address;

use super::fault::Fault;

/// A group of regions with its own domains: what their names begin with, domain, domain of the
/// dual stack, and the name in an ARN.
const PARTITIONS: &[(&str, &str, &str, &str)] = &[
    (
        "cn-",
        "amazonaws.com.cn",
        "api.amazonwebservices.com.cn",
        "aws-cn",
    ),
    ("us-gov-", "amazonaws.com", "api.aws", "aws-us-gov"),
    ("us-isob-", "sc2s.sgov.gov", "api.aws.scloud", "aws-iso-b"),
    (
        "us-isof-",
        "csp.hci.ic.gov",
        "api.aws.hci.ic.gov",
        "aws-iso-f",
    ),
    ("us-iso-", "c2s.ic.gov", "api.aws.ic.gov", "aws-iso"),
    (
        "eu-isoe-",
        "cloud.adc-e.uk",
        "api.cloud-aws.adc-e.uk",
        "aws-iso-e",
    ),
    (
        "eusc-",
        "amazonaws.eu",
        "api.amazonwebservices.eu",
        "aws-eusc",
    ),
    ("", "amazonaws.com", "api.aws", "aws"),
];

/// What a user set about endpoints.
#[derive(Default, Clone)]
pub struct Endpoints {
    /// `AWS_USE_FIPS_ENDPOINT`.
    pub fips: bool,
    /// `AWS_USE_DUALSTACK_ENDPOINT`.
    pub dual_stack: bool,
    /// Services with an address of their own, what set it, and the address.
    pub own: Vec<(Service, &'static str, Address)>,
}

/// A service of AWS that is asked here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Service {
    /// Secrets Manager.
    SecretsManager,
    /// Parameter Store.
    Ssm,
    /// Roles.
    Sts,
    /// Credentials of a login through the browser.
    Sso,
    /// The renewal of such a login.
    SsoOidc,
}

impl Service {
    /// All of them.
    pub const ALL: [Service; 5] = [
        Service::SecretsManager,
        Service::Ssm,
        Service::Sts,
        Service::Sso,
        Service::SsoOidc,
    ];

    /// Its name in a signature and in ARNs.
    pub fn name(self) -> &'static str {
        match self {
            Service::SecretsManager => "secretsmanager",
            Service::Ssm => "ssm",
            Service::Sts => "sts",
            Service::Sso | Service::SsoOidc => "awsssoportal",
        }
    }

    /// The first part of its host name.
    fn host(self) -> &'static str {
        match self {
            Service::Sso => "portal.sso",
            Service::SsoOidc => "oidc",
            other => other.name(),
        }
    }

    /// The variable that sets its address.
    pub fn variable(self) -> &'static str {
        match self {
            Service::SecretsManager => "AWS_ENDPOINT_URL_SECRETS_MANAGER",
            Service::Ssm => "AWS_ENDPOINT_URL_SSM",
            Service::Sts => "AWS_ENDPOINT_URL_STS",
            Service::Sso => "AWS_ENDPOINT_URL_SSO",
            Service::SsoOidc => "AWS_ENDPOINT_URL_SSO_OIDC",
        }
    }

    /// The key below which a profile's `services` section sets its address.
    pub fn key(self) -> &'static str {
        match self {
            Service::SecretsManager => "secrets_manager.endpoint_url",
            Service::Ssm => "ssm.endpoint_url",
            Service::Sts => "sts.endpoint_url",
            Service::Sso => "sso.endpoint_url",
            Service::SsoOidc => "sso_oidc.endpoint_url",
        }
    }
}

fn partition_of(region: &str) -> &'static (&'static str, &'static str, &'static str, &'static str) {
    let found = PARTITIONS
        .iter()
        .find(|(begin, ..)| region.starts_with(begin));
    // The last one begins with nothing, so it fits all.
    found.unwrap_or(&("", "amazonaws.com", "api.aws", "aws"))
}

/// `aws`, `aws-cn`, ...: the second part of the ARNs of a region.
pub fn partition(region: &str) -> &'static str {
    partition_of(region).3
}

/// A region's name goes into host names, so it must be fit for them.
pub fn is_region(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let edges = text.starts_with('-') || text.ends_with('-');
    (1..=63).contains(&text.len()) && text.bytes().all(fits) && !edges
}

impl Endpoints {
    /// The address of a service in a region.
    pub fn address(&self, service: Service, region: &str) -> Result<Address, Failure> {
        if let Some((.., own)) = self.own.iter().find(|(known, ..)| *known == service) {
            return Ok(own.clone());
        }
        let host = self.host(service, region);
        Address::parse(&format!("https://{host}/"))
            .map_err(|_| Fault::BadRegion(region.to_owned()).into())
    }

    fn host(&self, service: Service, region: &str) -> String {
        let (_, domain, dual, name) = partition_of(region);
        let manager = service == Service::SecretsManager;
        // The usual names of Secrets Manager have both stacks in the partitions that are open to all.
        let both = matches!(*name, "aws" | "aws-us-gov") || (*name == "aws-cn" && !self.fips);
        let dual_stack = self.dual_stack && !(manager && both);
        // In the government's regions the usual endpoints of the others are the FIPS ones.
        let usual = *name == "aws-us-gov" && !manager && !dual_stack;
        let fips = if self.fips && !usual { "-fips" } else { "" };
        let domain = if dual_stack { dual } else { domain };
        format!("{}{fips}.{region}.{domain}", service.host())
    }
}

#[cfg(test)]
mod tests {
    use super::{Endpoints, Service, is_region, partition};

    #[test]
    fn addresses() {
        for (service, region, fips, dual_stack, want) in [
            (
                Service::SecretsManager,
                "us-east-1",
                false,
                false,
                "secretsmanager.us-east-1.amazonaws.com",
            ),
            (
                Service::Ssm,
                "cn-north-1",
                false,
                false,
                "ssm.cn-north-1.amazonaws.com.cn",
            ),
            (
                Service::Sts,
                "eu-central-1",
                true,
                false,
                "sts-fips.eu-central-1.amazonaws.com",
            ),
            (
                Service::SecretsManager,
                "us-gov-west-1",
                true,
                true,
                "secretsmanager-fips.us-gov-west-1.amazonaws.com",
            ),
            (
                Service::Ssm,
                "eu-west-1",
                true,
                true,
                "ssm-fips.eu-west-1.api.aws",
            ),
            (
                Service::Ssm,
                "us-gov-west-1",
                true,
                false,
                "ssm.us-gov-west-1.amazonaws.com",
            ),
            (
                Service::Sts,
                "us-isob-east-1",
                false,
                false,
                "sts.us-isob-east-1.sc2s.sgov.gov",
            ),
            (
                Service::Sso,
                "eu-west-1",
                false,
                false,
                "portal.sso.eu-west-1.amazonaws.com",
            ),
            (
                Service::Ssm,
                "eusc-de-east-1",
                false,
                false,
                "ssm.eusc-de-east-1.amazonaws.eu",
            ),
        ] {
            let endpoints = Endpoints {
                fips,
                dual_stack,
                ..Endpoints::default()
            };
            let Ok(address) = endpoints.address(service, region) else {
                panic!("{want}")
            };
            assert_eq!(address.host(), want);
        }
    }

    #[test]
    fn regions() {
        assert_eq!(
            (partition("us-east-1"), partition("us-gov-east-1")),
            ("aws", "aws-us-gov")
        );
        assert!(is_region("mx-central-1") && is_region("local"));
        for bad in ["", "us.east", "US-EAST-1", "us-east-1/", "-a", "a@b"] {
            assert!(!is_region(bad), "{bad}");
        }
    }
}
