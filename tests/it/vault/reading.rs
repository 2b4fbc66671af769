//! What can be read: both versions of KV, versions, namespaces, dynamic paths, imports.

use super::super::house::openbao::OpenBao;
use super::super::house::postgres::Postgres;
use super::root;

#[test]
fn both_kinds_of_kv_are_found_out() {
    let Some(bao) = OpenBao::start() else { return };
    bao.mount("kv1", 1);
    bao.mount("team/kv", 2);
    bao.put("app", r#"{"user": "two", "odd name": "o", "a.b": "dot"}"#);
    bao.put("deep/er/path", r#"{"user": "deep"}"#);
    bao.put("sp ace/\u{fc}#?%", r#"{"user": "odd"}"#);
    bao.write("kv1/app", r#"{"user": "one"}"#);
    bao.write("team/kv/data/app", r#"{"data": {"user": "team"}}"#);
    let answer = root(
        &bao,
        "A=vault:app#user\n\
         B=vault:/secret/app#user\n\
         C=vault:/secret/data/app#user\n\
         D=vault:secret/data/app#user\n\
         E=vault:/kv1/app#user\n\
         F=vault:/team/kv/app#user\n\
         G=vault:/team/kv/data/app#user\n\
         H=vault:deep/er//path#user\n\
         I='vault:app#odd name'\n\
         J=vault:app#a.b\n\
         K='<${vault:app#user}>'\n\
         L='vault:sp ace/\u{fc}%23%3F%25#user'\n",
    )
    .environment()
    .quiet();
    answer
        .has("A", "two")
        .has("B", "two")
        .has("C", "two")
        .has("D", "two")
        .has("E", "one")
        .has("F", "team")
        .has("G", "team")
        .has("H", "deep")
        .has("I", "o")
        .has("J", "dot")
        .has("K", "<two>")
        .has("L", "odd");
    // The mount of the settings may be of either kind, with slashes in its name or around it.
    for (mount, version, want) in [
        ("kv1", None, "one"),
        ("kv1", Some("1"), "one"),
        ("/team/kv/", None, "team"),
        ("team/kv", Some("2"), "team"),
    ] {
        let mut shim = root(&bao, "A=vault:app#user\n").env("VAULT_MOUNT_POINT", mount);
        if let Some(version) = version {
            shim = shim.env("VAULT_KV_VERSION", version);
        }
        shim.environment().quiet().has("A", want);
    }
}

#[test]
fn values_that_are_not_text() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put(
        "app",
        r#"{"n": 5432, "t": true, "f": false, "z": null, "o": {"b": [1, "x"]}, "e": "", "u": "\u00e9\n"}"#,
    );
    bao.put("one", r#"{"value": "1"}"#);
    bao.put("json", r#"{"value": "{\"a\": \"in text\"}"}"#);
    let answer = root(
        &bao,
        "N=vault:app#n\nT=vault:app#t\nF=vault:app#f\nO=vault:app#o\nP=vault:app#o.b.1\n\
         E=vault:app#e\nU=vault:app#u\nZ=vault:app#z?default=d\nW=vault:app\nV=vault:one\n",
    )
    .environment()
    .quiet();
    answer
        .has("N", "5432")
        .has("T", "true")
        .has("F", "false")
        .has("O", r#"{"b":[1,"x"]}"#)
        .has("P", "x")
        .has("E", "")
        .has("U", "\u{e9}\n")
        .has("Z", "d")
        .has(
            "W",
            r#"{"e":"","f":false,"n":5432,"o":{"b":[1,"x"]},"t":true,"u":"é\n","z":null}"#,
        )
        .has("V", "1");
}

#[test]
fn versions_and_what_became_of_them() {
    let Some(bao) = OpenBao::start() else { return };
    bao.mount("kv1", 1);
    bao.write("kv1/app", r#"{"a": "1"}"#);
    for n in 1..=4 {
        bao.put("app", &format!(r#"{{"a": "{n}"}}"#));
    }
    bao.put("gone", r#"{"a": "1"}"#);
    bao.call(
        "secrets.kv.v2.delete_secret_versions",
        r#"{"path": "app", "versions": [2]}"#,
    );
    bao.call(
        "secrets.kv.v2.destroy_secret_versions",
        r#"{"path": "app", "versions": [3]}"#,
    );
    bao.call(
        "secrets.kv.v2.delete_latest_version_of_secret",
        r#"{"path": "gone"}"#,
    );
    let answer = root(
        &bao,
        "A=vault:app#a\nB=vault:app#a?version=1\nC=vault:/secret/data/app#a?version=1\n",
    );
    let answer = answer.args("check").run().ok();
    for line in ["A  ", "B  ", "C  "] {
        let row = answer.out.lines().find(|row| row.starts_with(line));
        let version = if line == "A  " { "4" } else { "1" };
        let row = row.expect("a row").to_owned();
        assert!(row.contains(&format!("  {version}  ")), "{row}");
    }
    let answer = root(
        &bao,
        "D=vault:app#a?version=2\nE=vault:app#a?version=3\nF=vault:app#a?version=9\n\
         G=vault:gone#a\nH=vault:none#a\nI=vault:/kv1/app#a?version=1\nJ=vault:app#password\n",
    )
    .refused();
    for line in [
        ".vault:1: D: vault:app#a: version 2 of the secret was deleted at 20",
        "hint: bring it back: vault kv undelete -mount=secret -versions=2 app\n",
        ".vault:2: E: vault:app#a: version 3 of the secret was destroyed, it cannot be brought back\n",
        ".vault:3: F: vault:app#a: the secret has no version 9\n",
        ".vault:4: G: vault:gone#a: version 1 of the secret was deleted at 20",
        ".vault:5: H: vault:none#a: there is no secret `none` in the mount `secret`\n",
        ".vault:6: I: vault:/kv1/app#a: the secret has no versions, its engine keeps none\n",
        ".vault:7: J: vault:app#password: the secret has no field `password`\n",
        "hint: it has `a`\n",
    ] {
        assert!(answer.err.contains(line), "{line}\n{}", answer.err);
    }
    // All that is missing, and lets a default speak; an engine without versions is a mistake.
    root(
        &bao,
        "D=vault:app#a?version=2&default=d\nE=vault:app#a?version=3&default=e\n\
         F=vault:app#a?version=9&default=f\nG=vault:gone#a?optional=1\nH=vault:none#a?default=h\n",
    )
    .environment()
    .quiet()
    .has("D", "d")
    .has("E", "e")
    .has("F", "f")
    .lacks("G")
    .has("H", "h");
    root(&bao, "I=vault:/kv1/app#a?version=1&default=d\n").refused();
}

#[test]
fn references_are_read_before_anything_is_asked() {
    let Some(bao) = OpenBao::start() else { return };
    let vault = "A=vault:folder/#a\nB=vault:../x#a\nC=vault:a?version=new\nD=vault:/#a\nE=vault:a?stage=x\n";
    let (answer, asked) = bao.asked_by(|| root(&bao, vault).refused());
    assert!(asked.is_empty(), "{asked:?}");
    answer
        .says(".vault:1: A: vault:folder/#a: names a folder, and one value is wanted\n")
        .says(".vault:2: B: vault:../x#a: is not a path that Vault can have\n")
        .says(".vault:3: C: vault:a: the parameter `version` is not a number\n")
        .says(".vault:4: D: vault:/#a: is not a path that Vault can have\n")
        .says(".vault:5: E: vault:a: there is no parameter `stage`\n");
}

#[test]
fn namespaces() {
    let Some(bao) = OpenBao::start() else { return };
    bao.write("sys/namespaces/ns", "{}");
    bao.call(
        "write_data",
        r#"{"path": "ns/sys/mounts/kv", "data": {"type": "kv", "options": {"version": "2"}}}"#,
    );
    bao.write("ns/kv/data/app", r#"{"data": {"a": "inner"}}"#);
    for namespace in ["ns", "/ns/"] {
        root(&bao, "A=vault:app#a\nB=vault:/kv/app#a\n")
            .env("VAULT_NAMESPACE", namespace)
            .env("VAULT_MOUNT_POINT", "kv")
            .environment()
            .quiet()
            .has("A", "inner")
            .has("B", "inner");
    }
    // The namespace as a part of the path.
    root(&bao, "A=vault:/ns/kv/app#a\n")
        .environment()
        .quiet()
        .has("A", "inner");
    root(&bao, "A=vault:/kv/app#a\n")
        .env("VAULT_NAMESPACE", "other")
        .refused()
        .says("there is nothing at `kv/app`")
        .says("look at VAULT_NAMESPACE");
}

#[test]
fn any_path_that_can_be_read() {
    let Some(bao) = OpenBao::start() else { return };
    bao.write("cubbyhole/mine", r#"{"key": "own"}"#);
    bao.call(
        "sys.enable_secrets_engine",
        r#"{"backend_type": "transit"}"#,
    );
    bao.write("transit/keys/k", "{}");
    let vault = "A=vault:/cubbyhole/mine#key\nB=vault:/auth/token/lookup-self#path\n\
                 C=vault:/transit/keys/k#type\n";
    root(&bao, vault)
        .environment()
        .quiet()
        .has("A", "own")
        .has("B", "auth/token/root")
        .has("C", "aes256-gcm96");
    root(&bao, "A=vault:/sys/health#version\n")
        .refused()
        .says("`sys/health` cannot be read");
}

#[test]
fn credentials_made_for_this_start() {
    let (Some(bao), Some(postgres)) = (OpenBao::start(), Postgres::start()) else {
        return;
    };
    for role in ["reader", "writer"] {
        bao.database(&postgres, role, "60s", "1h");
    }
    // The name and the password of one lease: the server lets them in.
    let vault = format!(
        "PGUSER=vault:/database/creds/reader#username\n\
         PGPASSWORD=vault:/database/creds/reader#password\n\
         OTHER_USER=vault:/database/creds/writer#username\n\
         URL=postgresql://${{vault:/database/creds/reader#username}}@127.0.0.1:{}/postgres\n",
        postgres.port
    );
    let (told, asked) = bao.asked_by(|| {
        let login = "psql --no-psqlrc -Atqc 'select current_user' \"$URL\" && \
                     echo \"$PGUSER $OTHER_USER\"";
        root(&bao, &vault).args("-- sh -c").arg(login).run()
    });
    let told = told.exits(0);
    let said: Vec<&str> = told.out.split_whitespace().collect();
    assert!(said[0].starts_with("v-root-reader-"), "{}", told.out);
    assert_eq!(said[0], said[1], "{}", told.out);
    assert!(said[2].starts_with("v-root-writer-"), "{}", told.out);
    let made = |role: &str| {
        let read = format!("read database/creds/{role}");
        asked.iter().filter(|line| **line == read).count()
    };
    assert_eq!((made("reader"), made("writer")), (1, 1), "{asked:?}");
    // The program that they were made for is running while we are gone: nobody revokes them.
    let roles = postgres.ask("select count(*) from pg_roles where rolname like 'v-root-%'");
    assert_eq!(roles.as_deref(), Some("2"));
    // How long they live is said, and that a dump outlives them.
    let lease = "vault:/database/creds/reader: these credentials end in ";
    let name = "A=vault:/database/creds/reader#username\n";
    let told = root(&bao, name).args("--log info -- true").run().exits(0);
    told.says(&format!("{lease}60 s\n"));
    let dumped = root(&bao, name).args("dump").run().exits(0);
    dumped
        .says(&format!("envshim: warning: {lease}60 s\n"))
        .says("start with --max-age");
    // To be looked at, they come with their lease; a field of them is wanted for itself.
    let get = |reference: &str| {
        let shim = bao.shim().env("VAULT_TOKEN", &bao.root).args("get");
        shim.arg(reference).run().ok().out
    };
    let got = get("vault:/database/creds/reader");
    assert!(got.starts_with("{\"data\":{\"password\":\""), "{got}");
    assert!(
        got.contains("},\"lease_id\":\"database/creds/reader/"),
        "{got}"
    );
    assert!(
        got.ends_with(",\"lease_duration\":60,\"renewable\":true}"),
        "{got}"
    );
    assert!(get("vault:/database/creds/reader#username").starts_with("v-root-reader-"));
    // The token of a login may end first, and they end with it.
    bao.policy("app", "database/creds/reader", "read");
    let (role, secret) = bao.approle(r#"{"token_policies": ["app"], "token_ttl": "20s"}"#);
    bao.shim()
        .env("VAULT_ROLE_ID", role)
        .env("VAULT_SECRET_ID", secret)
        .file(".vault", name)
        .args("--log info -- true")
        .run()
        .exits(0)
        .says(&format!("{lease}20 s, with the token of the login\n"));
    // A role that is not there.
    root(&bao, "A=vault:/database/creds/reeder#username\n")
        .refused()
        .says("reeder");
}

#[test]
fn imports_of_secrets_folders_and_mounts() {
    let Some(bao) = OpenBao::start() else { return };
    bao.put(
        "imip/production",
        r#"{"db_password": "p", "DEBUG": false, "none": null}"#,
    );
    bao.put("common", r#"{"DEBUG": true, "region": "eu"}"#);
    let secret_path = |path: &str| {
        root(&bao, "OWN=1\n")
            .env("VAULT_SECRET_PATH", path)
            .environment()
    };
    for path in ["imip/production", "secret/data/imip/production"] {
        let answer = secret_path(path).quiet();
        answer
            .has("db_password", "p")
            .has("DEBUG", "false")
            .lacks("none")
            .lacks("NONE");
    }
    // Several; the later one wins.
    secret_path("imip/production, common")
        .has("DEBUG", "true")
        .has("region", "eu");

    // The layout of the official migration from HCP: mount = app, path = name, field `value`.
    for version in [1, 2] {
        let mount = format!("app{version}");
        bao.mount(&mount, version);
        let put = |name: &str, fields: &str| match version {
            1 => drop(bao.write(&format!("{mount}/{name}"), fields)),
            _ => drop(bao.write(
                &format!("{mount}/data/{name}"),
                &format!("{{\"data\": {fields}}}"),
            )),
        };
        for n in 0..40 {
            put(&format!("NAME_{n}"), &format!("{{\"value\": \"v{n}\"}}"));
        }
        put("old-name", r#"{"value": "kebab"}"#);
        put("below/it", r#"{"value": "not of this folder"}"#);
        put("below/too", r#"{"only": "one field"}"#);
        let import = |what: &str| {
            root(&bao, "OWN=1\n")
                .env("ENVSHIM_IMPORT", what)
                .environment()
        };
        let answer = import(&format!("vault:/{mount}/")).quiet();
        assert_eq!(
            answer
                .strings()
                .iter()
                .filter(|s| s.starts_with(b"NAME_"))
                .count(),
            40
        );
        answer
            .has("NAME_39", "v39")
            .has("OLD_NAME", "kebab")
            .lacks("IT")
            .has("OWN", "1");
        import(&format!("vault:/{mount}/below"))
            .has("it", "not of this folder")
            .has("too", "one field");
        root(&bao, "OWN=1\n")
            .env("VAULT_MOUNT_POINT", &mount)
            .env("ENVSHIM_IMPORT", "vault:*")
            .environment()
            .has("NAME_0", "v0");
    }
    // A deleted secret stays in the list; it is none.
    bao.call(
        "secrets.kv.v2.delete_latest_version_of_secret",
        r#"{"mount_point": "app2", "path": "NAME_1"}"#,
    );
    let all = root(&bao, "OWN=1\n")
        .env("ENVSHIM_IMPORT", "vault:/app2/")
        .environment();
    all.lacks("NAME_1").has("NAME_2", "v2");

    let import = |what: &str| root(&bao, "OWN=1\n").env("ENVSHIM_IMPORT", what);
    import("vault:imip/")
        .refused()
        .says("import vault:imip/: `production` in the folder is not one variable")
        .says("hint: import it by itself");
    import("vault:none")
        .refused()
        .says("import vault:none: there is no secret `none`");
    import("vault:none/")
        .refused()
        .says("import vault:none/: there is no");
    import("vault:none?optional=1").environment().quiet();
    import("vault:imip/production#db_password")
        .refused()
        .says("not JSON");
    // Nothing says where Vault is: the variable is somebody else's.
    super::super::house::Shim::new()
        .env("VAULT_SECRET_PATH", "x")
        .file(".vault", "A=1\n")
        .environment()
        .quiet();
    super::super::house::Shim::new()
        .file(".vault", "VAULT_SECRET_PATH=x\n")
        .refused()
        .says("the address of Vault is not known");
}
