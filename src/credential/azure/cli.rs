//! The login of the Azure CLI, for people at their machines.

use crate::credential::Pass;
use crate::failure::{Explain, Failure};
use crate::format::json;
use crate::helper::{Fault as NotHelped, Helper};
use crate::secret::Secret;

use super::fault::Fault;
use super::{Setup, token_in};

pub(super) fn ask(setup: &Setup<'_>) -> Result<Secret, Pass> {
    let mut command = format!(
        "az account get-access-token --output json --resource {}",
        setup.want.resource
    );
    let tenant = setup.text("AZURE_TENANT_ID");
    if let Some(tenant) = tenant.or(setup.want.tenant.as_deref()) {
        // Words are split at blanks; a tenant has none.
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if !tenant.chars().all(fits) || tenant.starts_with('-') {
            return Err(Pass::Broken(Fault::BadTenant.into()));
        }
        command.push_str(&format!(" --tenant {tenant}"));
    }
    let output = Helper::start(&command, setup.deadline).and_then(Helper::output);
    let output = output.map_err(|fault| match fault {
        // It is not there, or nobody has logged in: its own message says so.
        NotHelped::NotStarted(..) | NotHelped::Failed(..) => Pass::Silent(fault.what()),
        fault => Pass::Broken(fault.into()),
    })?;
    let token = json::parse(output.expose())
        .ok()
        .and_then(|json| token_in(&json, "accessToken"));
    token.ok_or_else(|| Pass::Broken(Failure::from(Fault::Malformed("`az`"))))
}
