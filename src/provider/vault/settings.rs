//! The variables that say where Vault is and who we are: the official client's own names, and for
//! logins the names that tools around it use.

use crate::provider::Setting;

/// Every setting, in the order of the help.
pub(super) const SETTINGS: &[Setting] = &[
    plain(
        "VAULT_ADDR",
        "address of Vault or OpenBao: https://vault.example:8200, or unix:///path of an agent's socket",
    ),
    plain(
        "VAULT_AGENT_ADDR",
        "address of a Vault agent or proxy; wins over VAULT_ADDR",
    ),
    plain(
        "VAULT_NAMESPACE",
        "namespace of all requests, as in team/app",
    ),
    plain(
        "VAULT_MOUNT_POINT",
        "mount of the KV engine that paths without a leading slash are in (default secret)",
    ),
    plain(
        "VAULT_KV_VERSION",
        "1 or 2: the version of that engine (default: found out)",
    ),
    plain(
        "VAULT_SECRET_PATH",
        "secrets or folders whose fields become variables, separated by commas",
    ),
    plain(
        "VAULT_AUTH_METHOD",
        "token, approle, kubernetes, jwt, userpass, ldap, cert, aws or github (default: what is set)",
    ),
    plain(
        "VAULT_AUTH_MOUNT",
        "where the login method is mounted (default: its name)",
    ),
    plain("VAULT_AUTH_PATH", "the same as VAULT_AUTH_MOUNT"),
    secret("VAULT_TOKEN", "a token; without it ~/.vault-token counts"),
    plain("VAULT_TOKEN_FILE", "a file with a token"),
    secret(
        "VAULT_WRAPPED_TOKEN",
        "a wrapping token that holds the token",
    ),
    plain("VAULT_ROLE_ID", "AppRole: the role_id"),
    plain("VAULT_ROLE_ID_FILE", "AppRole: a file with the role_id"),
    secret("VAULT_SECRET_ID", "AppRole: the secret_id"),
    plain("VAULT_SECRET_ID_FILE", "AppRole: a file with the secret_id"),
    secret(
        "VAULT_WRAPPED_SECRET_ID",
        "AppRole: a wrapping token that holds the secret_id",
    ),
    plain(
        "VAULT_WRAPPED_SECRET_ID_FILE",
        "AppRole: a file with such a wrapping token",
    ),
    plain(
        "VAULT_ROLE",
        "Kubernetes, JWT, AWS, certificate: the role to log in as",
    ),
    secret(
        "VAULT_JWT",
        "JWT, Kubernetes: the token of the identity provider",
    ),
    plain(
        "VAULT_JWT_FILE",
        "JWT, Kubernetes: a file with it (Kubernetes: default the service account's)",
    ),
    plain("VAULT_USERNAME", "userpass, LDAP: the user"),
    secret("VAULT_PASSWORD", "userpass, LDAP: the password"),
    plain(
        "VAULT_PASSWORD_FILE",
        "userpass, LDAP: a file with the password",
    ),
    secret("VAULT_GITHUB_TOKEN", "GitHub: a personal access token"),
    secret(
        "VAULT_AUTH_GITHUB_TOKEN",
        "GitHub: the same, by the name that `vault login` reads",
    ),
    plain(
        "VAULT_AWS_IAM_SERVER_ID",
        "AWS: the value of the X-Vault-AWS-IAM-Server-ID header that the server demands",
    ),
    plain(
        "VAULT_AWS_REGION",
        "AWS: the region whose STS the server asks (default: the global one)",
    ),
    plain(
        "VAULT_CACERT",
        "a file with the certificates (PEM) of the authorities that may sign Vault's",
    ),
    plain("VAULT_CACERT_BYTES", "these certificates themselves"),
    plain("VAULT_CAPATH", "a folder with such files"),
    plain(
        "VAULT_CLIENT_CERT",
        "a file with our own certificate (PEM), for a server that wants one or the cert login",
    ),
    plain("VAULT_CLIENT_KEY", "a file with its key"),
    plain(
        "VAULT_TLS_SERVER_NAME",
        "the name that Vault's certificate must have, if not the address's",
    ),
    plain(
        "VAULT_SKIP_VERIFY",
        "1: believe any certificate; never in production",
    ),
    plain(
        "VAULT_CLIENT_TIMEOUT",
        "the most that one attempt may take (default 10s)",
    ),
    plain(
        "VAULT_MAX_RETRIES",
        "how often a request is sent again (default 4)",
    ),
    plain(
        "VAULT_PROXY_ADDR",
        "the proxy to Vault; wins over VAULT_HTTP_PROXY and HTTPS_PROXY",
    ),
    plain("VAULT_HTTP_PROXY", "the proxy to Vault"),
    secret(
        "VAULT_HEADERS",
        "more headers for every request, as JSON: {\"Name\": \"value\"}",
    ),
    plain(
        "VAULT_DISABLE_REDIRECTS",
        "1: follow no redirect, not even within Vault's own address",
    ),
];

const fn plain(name: &'static str, doc: &'static str) -> Setting {
    Setting {
        name,
        doc,
        bootstrap: false,
    }
}

/// It authenticates us, so the program does not get it.
const fn secret(name: &'static str, doc: &'static str) -> Setting {
    Setting {
        name,
        doc,
        bootstrap: true,
    }
}
