//! Names, loaders and clashes.

use proptest::prelude::*;

use super::{Clash, Policy, Unnameable, clash, is_loader, is_valid, obeyed_by, variable};
use crate::failure::Explain;

fn upper(name: &str) -> String {
    variable(name, Policy::Upper, "").unwrap()
}

#[test]
fn valid_names_stay_and_others_become_upper_snake_case() {
    for (name, default, keep) in [
        ("DB_URL", "DB_URL", "DB_URL"),
        (
            "django_secret_key",
            "django_secret_key",
            "django_secret_key",
        ),
        ("dbPassword", "dbPassword", "dbPassword"),
        ("_private", "_private", "_private"),
        (
            "django-secret-key",
            "DJANGO_SECRET_KEY",
            "django_secret_key",
        ),
        (
            "spring.datasource.password",
            "SPRING_DATASOURCE_PASSWORD",
            "spring_datasource_password",
        ),
        (
            "ConnectionStrings--Default",
            "CONNECTION_STRINGS__DEFAULT",
            "ConnectionStrings__Default",
        ),
        ("/prod/db/password", "PROD_DB_PASSWORD", "prod_db_password"),
        ("db - password (old)", "DB_PASSWORD_OLD", "db_password_old"),
        ("a---b", "A_B", "a_b"),
        ("--a--", "A", "a"),
        ("2fa-key", "_2FA_KEY", "_2fa_key"),
        ("7", "_7", "_7"),
    ] {
        assert_eq!(variable(name, Policy::Default, "").as_deref(), Ok(default));
        assert_eq!(variable(name, Policy::Keep, "").as_deref(), Ok(keep));
    }
}

#[test]
fn upper_snake_case_parts_words_where_people_do() {
    for (name, want) in [
        ("DB_URL", "DB_URL"),
        ("django_secret_key", "DJANGO_SECRET_KEY"),
        ("dbPassword", "DB_PASSWORD"),
        ("DbPassword", "DB_PASSWORD"),
        ("Db_Password", "DB_PASSWORD"),
        ("dbInstanceIdentifier", "DB_INSTANCE_IDENTIFIER"),
        ("dbname", "DBNAME"),
        ("APIKey", "API_KEY"),
        ("myAPIKey", "MY_API_KEY"),
        ("apiKeyID", "API_KEY_ID"),
        ("OAuthToken", "OAUTH_TOKEN"),
        ("OAuth2Token", "OAUTH2_TOKEN"),
        ("oauth2Token", "OAUTH2_TOKEN"),
        ("s3Key", "S3_KEY"),
        ("K8S", "K8S"),
        ("K8SToken", "K8S_TOKEN"),
        ("sha256sum", "SHA256SUM"),
        ("_private", "_PRIVATE"),
        ("app/dbPassword", "APP_DB_PASSWORD"),
    ] {
        assert_eq!(upper(name), want, "{name}");
    }
}

#[test]
fn a_prefix_is_put_in_front_as_it_is() {
    let prefixed = |name| variable(name, Policy::Default, "APP_");
    assert_eq!(prefixed("DB_URL").as_deref(), Ok("APP_DB_URL"));
    assert_eq!(prefixed("db-url").as_deref(), Ok("APP_DB_URL"));
    assert_eq!(prefixed("2fa-key").as_deref(), Ok("APP_2FA_KEY"));
    assert_eq!(variable("A", Policy::Keep, "my").as_deref(), Ok("myA"));
    for prefix in ["APP-", "1_", " ", "\u{e9}"] {
        let error = variable("A", Policy::Default, prefix).unwrap_err();
        assert_eq!(error, Unnameable::Prefix(prefix.to_owned()));
    }
}

#[test]
fn what_cannot_be_named_is_told() {
    let told = |name| variable(name, Policy::Default, "").unwrap_err().what();
    assert_eq!(
        told("contrase\u{f1}a"),
        "no variable can be named after `contrase\u{f1}a`: it has `\u{f1}`"
    );
    assert_eq!(
        told("a\nb"),
        "no variable can be named after `a\u{fffd}b`: it has the control character U+000A"
    );
    for name in ["", "-", " / "] {
        assert_eq!(
            told(name),
            format!("the name `{name}` has no letter for a variable name")
        );
    }
}

#[test]
fn loader_variables_are_known_by_who_obeys_them() {
    for (name, who) in [
        ("LD_PRELOAD", Some("the dynamic loader")),
        ("DYLD_INSERT_LIBRARIES", Some("the dynamic loader")),
        ("GCONV_PATH", Some("the C library")),
        ("PATH", Some("the search for programs")),
        ("BASH_ENV", Some("the shell")),
        ("PYTHONPATH", Some("Python")),
        ("NODE_OPTIONS", Some("Node.js")),
        ("_JAVA_OPTIONS", Some("Java")),
        ("LUA_INIT_5_4", Some("Lua")),
        ("OPENSSL_CONF", Some("OpenSSL")),
        // Common fields and plain tuning.
        ("ENV", None),
        ("MALLOC_ARENA_MAX", None),
        ("PYTHONUNBUFFERED", None),
        ("NODE_ENV", None),
        ("JAVA_OPTS", None),
        ("LDAP_PASSWORD", None),
        ("APP_LD_PRELOAD", None),
        ("MY_PATH", None),
        ("PATHS", None),
        ("LD", None),
    ] {
        assert_eq!(obeyed_by(name), who, "{name}");
        assert_eq!(is_loader(name), who.is_some());
    }
    // An innocent name that ends as a loader's: the final name is what counts.
    assert!(is_loader(&upper("ld-preload")));
}

#[test]
fn clashes_name_both() {
    let pairs = [
        ("db-password", "DB_PASSWORD"),
        ("api", "API"),
        ("db_password", "DB_PASSWORD"),
        ("API", "API"),
        ("db.password", "DB_PASSWORD"),
        ("other", "OTHER"),
    ];
    let found = clash(&pairs);
    let names: Vec<(&str, &str)> = found
        .iter()
        .map(|Clash { first, second, .. }| (first.as_str(), second.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("db-password", "db_password"),
            ("api", "API"),
            ("db-password", "db.password")
        ]
    );
    assert_eq!(
        found[0].what(),
        "`db-password` and `db_password` both become `DB_PASSWORD`"
    );
    assert!(
        found[0]
            .hint()
            .unwrap()
            .starts_with("rename one in the store")
    );
    assert!(
        found[1]
            .hint()
            .unwrap()
            .starts_with("set ENVSHIM_NAMES=keep")
    );
    assert!(clash(&pairs[..2]).is_empty() && clash(&[]).is_empty());
}

#[test]
fn policies_are_read_by_name() {
    assert_eq!(Policy::parse("upper"), Some(Policy::Upper));
    assert_eq!(Policy::parse("keep"), Some(Policy::Keep));
    assert_eq!(Policy::parse("Upper"), None);
}

proptest! {
    #[test]
    fn a_variable_is_a_valid_name_and_stays(
        name in prop_oneof![any::<String>(), "[a-zA-Z0-9_./ -]{0,24}"],
        policy in prop::sample::select(vec![Policy::Default, Policy::Upper, Policy::Keep]),
    ) {
        if let Ok(named) = variable(&name, policy, "") {
            prop_assert!(is_valid(&named), "{named}");
            prop_assert_eq!(variable(&named, policy, ""), Ok(named.clone()));
            if policy == Policy::Upper {
                prop_assert!(!named.bytes().any(|b| b.is_ascii_lowercase()));
            }
            let prefixed = variable(&name, policy, "APP_").map_err(|e| TestCaseError::fail(e.what()))?;
            prop_assert!(is_valid(&prefixed) && prefixed.starts_with("APP_"));
        } else {
            prop_assert!(!is_valid(&name));
        }
    }
}
