//! A cluster of two nodes: reads and logins at a standby, and a leader that dies.

use super::super::house::openbao::OpenBao;

#[test]
fn a_standby_and_the_death_of_the_leader() {
    let Some(bao) = OpenBao::start_cluster() else {
        return;
    };
    let node = bao.another_node();
    bao.put("app", r#"{"a": "c4n4ry"}"#);
    bao.policy("app", "secret/data/app", "read");
    let (role, secret) = bao.approle(r#"{"token_policies": ["app"], "token_ttl": "1h"}"#);
    let by_role = || {
        bao.shim_at(&node.url())
            .env("VAULT_ROLE_ID", &role)
            .env("VAULT_SECRET_ID", &secret)
            .file(".vault", "A=vault:app#a\n")
    };
    // The standby hands the login to the leader, and then reads by itself with a token that it may
    // not have heard of yet.
    for _ in 0..20 {
        by_role().environment().quiet().has("A", "c4n4ry");
    }
    let token = bao.token(r#"{"policies": ["app"]}"#);
    let by_token = || {
        bao.shim_at(&node.url())
            .env("VAULT_TOKEN", &token)
            .file(".vault", "A=vault:app#a\n")
    };
    by_token().environment().quiet().has("A", "c4n4ry");
    bao.crash();
    // Without a majority nobody leads; the standby names the node that did, if it answers at all.
    for shim in [by_token(), by_role()] {
        shim.args("--timeout 2s")
            .refused()
            .says("envshim: error: .vault:1: A: vault:app#a: ")
            .says("envshim: hint: ")
            .hides(&secret)
            .hides(&token);
    }
}
