//! Vault, against a real OpenBao over TLS; what OpenBao lacks, against a fake that is as strict.

pub mod end_to_end;

mod cluster;

mod logins;

mod promises;

mod reading;

mod requests;

mod troubles;

use super::house::openbao::OpenBao;
use super::house::{Answer, Shim};

/// A shim that is root, with this `.vault`.
fn root(bao: &OpenBao, vault: &str) -> Shim {
    bao.shim()
        .env("VAULT_TOKEN", &bao.root)
        .file(".vault", vault)
}

/// Runs it, and looks for the tokens in everything that was said.
#[track_caller]
fn told(bao: &OpenBao, answer: Answer) -> Answer {
    answer.hides(&bao.root).hides("c4n4ry")
}
