//! What Vault, or its settings, can be at fault with (`words` has the sentences).

use std::path::PathBuf;

use crate::credential::Tried;
use crate::failure::Failure;
use crate::files;
use crate::http;
use crate::provider::Trouble;

/// One reason why there is no answer.
#[derive(Clone)]
pub(super) enum Fault {
    /// Neither `VAULT_ADDR` nor `VAULT_AGENT_ADDR`.
    NoAddress,
    /// An address that cannot be read.
    Address(&'static str, http::AddressFault),
    /// A value that is not of the setting's form.
    Setting(&'static str, &'static str),
    /// One of a pair of settings without the other.
    Alone(&'static str, &'static str),
    /// A header that is not the user's to set.
    OwnHeader(String),
    /// `VAULT_SKIP_VERIFY` under `--strict`.
    Unverified,
    /// A path that Vault cannot have.
    OddPath,
    /// Vault does not make this last longer.
    NotRenewed(String),
    /// What was lent is not taken back, with this status.
    NotRevoked(u16),
    /// A loan that is not as we wrote it.
    OddLoan,
    /// A folder where one value is wanted.
    Folder,
    /// `?version=` is no number.
    BadVersion,
    /// A file with a credential.
    File(&'static str, files::Fault),
    /// It is not there.
    NoFile(&'static str, PathBuf),
    /// A credential that is empty, or holds what none can hold.
    OddCredential(String),
    /// No way to log in: what was looked at, and why it did not serve.
    NoCredentials(Tried),
    /// Credentials that were found, and cannot be used.
    Broken(Failure),
    /// A login method lacks a setting.
    Needs(&'static str, &'static str),
    /// There is no such login method.
    UnknownMethod,
    /// The login was refused.
    Refused {
        method: &'static str,
        mount: String,
        status: u16,
    },
    /// There is no such login.
    NoLogin { method: &'static str, mount: String },
    /// A second factor is asked for.
    SecondFactor(&'static str),
    /// A wrapping token that opens nothing.
    Wrapping(&'static str),
    /// A wrapping token that was made for something else.
    ForeignWrapping(&'static str),
    /// Neither a token was sent nor did an agent add one.
    NoToken,
    /// The token is not valid; where it came from.
    Token(String),
    /// The policies do not allow it.
    Denied { path: String, list: bool },
    /// There is nothing at that path.
    Nothing {
        path: String,
        mount: Option<String>,
        kv: bool,
    },
    /// No such version.
    NoVersion(u32),
    /// The version was deleted; when.
    Deleted {
        version: String,
        when: String,
        mount: String,
        path: String,
    },
    /// The version was destroyed.
    Destroyed(String),
    /// `?version=` for an engine that has none.
    Unversioned,
    /// The path cannot be read.
    NotReadable(String),
    /// In a folder, a secret that is not one variable.
    NotOneVariable(String),
    /// More names than a folder of variables can sensibly have.
    TooMany(usize),
    /// The policies do not allow writing there.
    MayNotWrite(String),
    /// Nor changing what is kept beside it.
    MayNotPatch(String),
    /// Not the path of a KV engine, which alone keeps what is written.
    NotKv(String),
    /// Whether the engine is of version 1 or 2 is not told to this login.
    UnknownEngine(String),
    /// Metadata for an engine that keeps none.
    NoMetadata(String),
    /// Vault's own reason for refusing what was written.
    Unwritten { path: String, status: u16 },
    /// A status that says what state the server is in.
    Status { status: u16, at: String, own: bool },
    /// The answer is not one of Vault.
    NotVault { status: u16, at: String },
    /// No answer.
    Http(http::Fault),
}

impl Fault {
    /// Whether the store has answered that there is no such thing.
    pub(super) fn missing(&self) -> bool {
        matches!(
            self,
            Fault::Nothing { .. }
                | Fault::NoVersion(_)
                | Fault::Deleted { .. }
                | Fault::Destroyed(_)
        )
    }

    pub(super) fn trouble(&self) -> Trouble {
        let failure = Failure::from(self.clone());
        if self.missing() {
            Trouble::Missing(failure)
        } else {
            Trouble::Failed(failure)
        }
    }
}
