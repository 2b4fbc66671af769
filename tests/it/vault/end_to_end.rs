//! From a sealed file to a program: the settings of an AppRole are sealed, the secrets are in Vault.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::super::house::openbao::OpenBao;
use super::super::house::{Answer, Shim, envshim, podman, without};

/// A `.vault` that logs in by AppRole, with the authority's certificate in it.
pub fn settings(bao: &OpenBao) -> String {
    bao.policy("app", "secret/data/site/*", "read");
    let (role, secret) = bao.approle(r#"{"token_policies": ["app"]}"#);
    let pem = String::from_utf8(bao.authority.folder.read("ca.pem")).expect("PEM");
    format!(
        "VAULT_ADDR=https://127.0.0.1:{}\nVAULT_CACERT_BYTES=\"{pem}\"\nVAULT_ROLE_ID={role}\n\
         VAULT_SECRET_ID={secret}\n",
        bao.address.port()
    )
}

/// A root folder with two static programs, a sealed file and its key: no /etc, no /proc, no /tmp.
#[test]
fn in_an_empty_root() {
    if without("podman") {
        return;
    }
    let Some(bao) = OpenBao::start() else { return };
    bao.put(
        "site/production",
        r#"{"django_secret_key": "a$b#c", "debug": false}"#,
    );
    let vault = format!(
        "{}VAULT_SECRET_PATH=site/production\nURL='x://${{vault:site/production#django_secret_key}}@h'\n",
        settings(&bao)
    );
    let shim = Shim::new().sealed(&vault);
    for (name, program) in [("envshim", envshim()), ("busybox", podman::program())] {
        let path = shim.folder.join(name);
        std::fs::copy(program, &path).expect("a copy");
        std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).expect("a mode");
    }
    let (output, asked) = bao.asked_by(|| {
        Command::new("unshare")
            .args(["--user", "--map-root-user", "chroot"])
            .arg(shim.folder.path())
            .args(["/envshim", "--key-file=/vault.key", "--", "/busybox", "env"])
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .output()
            .expect("unshare")
    });
    assert_eq!(
        asked,
        [
            "update auth/approle/login",
            "read secret/data/site/production"
        ]
    );
    let answer = Answer::new(output, shim.folder).ok();
    let mut lines: Vec<&str> = answer
        .out
        .lines()
        .filter(|line| !line.starts_with("PATH="))
        .collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            "URL=x://a$b#c@h",
            "debug=false",
            "django_secret_key=a$b#c",
            "secrets_loaded=1"
        ]
    );
    assert!(answer.err.is_empty(), "{}", answer.err);
}
