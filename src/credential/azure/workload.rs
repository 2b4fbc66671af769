//! Workload identity: the token that Kubernetes gives a pod stands for an application of Entra.

use crate::credential::Pass;
use crate::secret::Secret;

use super::authority::Proof;
use super::environment::principal;
use super::{Setup, token_file};

/// What AKS sets for a pod.
const FILE: &str = "AZURE_FEDERATED_TOKEN_FILE";

pub(super) fn ask(setup: &Setup<'_>) -> Result<Secret, Pass> {
    let Some(path) = setup.text(FILE) else {
        return Err(Pass::Silent("unset".to_owned()));
    };
    let exchange = || {
        let (client, authority) = principal(setup, FILE)?;
        // Read anew at each use: it is renewed there.
        let token = token_file(FILE, path)?;
        authority.token(setup, client, Proof::Assertion(token))
    };
    exchange().map_err(Pass::Broken)
}
