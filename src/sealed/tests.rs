use std::path::PathBuf;

use super::*;
use crate::failure::Explain;

/// Key slots only, except where a password is the point: one stretch is slow in a debug build.
fn secret(text: &str) -> Secret {
    Secret::new(text.as_bytes().to_vec())
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("envshim-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join(".vault.enc")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[allow(
    clippy::disallowed_methods,
    reason = "the house list is for the program"
)]
fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap()
}

#[allow(
    clippy::disallowed_methods,
    reason = "the house list is for the program"
)]
fn write(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).unwrap();
}

fn key(text: &Secret) -> Credentials {
    Credentials {
        key: Some(text.duplicate()),
        ..Credentials::default()
    }
}

fn password(text: &str) -> Credentials {
    Credentials {
        password: Some(secret(text)),
        ..Credentials::default()
    }
}

fn what<T>(result: Result<T, Failure>) -> String {
    result.err().expect("a failure").what
}

#[test]
fn slots_are_kept_added_and_replaced() {
    let folder = Folder::new("slots");
    let path = folder.file();
    let (one, one_id) = keygen().unwrap();
    let (two, two_id) = keygen().unwrap();
    let sealed = seal(&path, &secret("A=1\n"), None, &key(&one), false).unwrap();
    assert_eq!(sealed.opens, [Kind::Key(one_id)]);
    assert_eq!(sealed.added, sealed.opens);

    // A stranger's key opens nothing, and the file stays as it is.
    let before = read(&path);
    let stranger = seal(&path, &secret("B=2\n"), Some(&before), &key(&two), false);
    let text = what(stranger);
    assert!(
        text.contains("the file that is there does not open") && text.contains(&one_id.to_string()),
        "{text}"
    );
    assert_eq!(read(&path), before);

    // Sealing the same again changes nothing.
    let again = seal(&path, &secret("A=1\n"), Some(&before), &key(&one), false).unwrap();
    assert!(again.unchanged && again.added.is_empty());
    assert_eq!(read(&path), before);

    // A password beside the key becomes a slot, and then either is enough.
    let both = Credentials {
        password: Some(secret("team\n")),
        ..key(&one)
    };
    let sealed = seal(&path, &secret("A=2\n"), Some(&before), &both, false).unwrap();
    assert_eq!((sealed.opens.len(), sealed.added.len()), (2, 1));
    let text = read(&path);
    let opened = open(&path, &text, &password("team")).unwrap();
    assert_eq!(opened.plain.expose(), b"A=2\n");
    assert_eq!(opened.how, "a password from `ENVSHIM_PASSWORD`");
    reseal(&path, &secret("A=3\n"), &opened.lock.unwrap()).unwrap();
    let text = read(&path);
    let opened = open(&path, &text, &key(&one)).unwrap();
    assert_eq!(opened.plain.expose(), b"A=3\n");
    assert_eq!(opened.how, format!("key {one_id} from `ENVSHIM_KEY`"));

    // The password decides where it comes first, and it is the one that the message names.
    let wrong = Credentials {
        password: Some(secret("tema")),
        ..key(&one)
    };
    let failure = open(&path, &text, &wrong).err().unwrap();
    assert!(failure.what.ends_with(
        ".vault.enc: wrong password, or the file was changed (from `ENVSHIM_PASSWORD`)"
    ));
    let text = what(seal(&path, &secret("A=4\n"), Some(&text), &wrong, false));
    assert!(text.contains("none of those that open it"), "{text}");

    // Anew: the old key no longer opens it.
    let before = read(&path);
    let sealed = seal(&path, &secret("A=5\n"), Some(&before), &key(&two), true).unwrap();
    assert_eq!(sealed.opens, [Kind::Key(two_id)]);
    assert!(open(&path, &read(&path), &key(&one)).is_err());
}

#[test]
fn the_order_of_sources() {
    let folder = Folder::new("order");
    let path = folder.file();
    let (one, _) = keygen().unwrap();
    let (two, _) = keygen().unwrap();
    seal(&path, &secret("A=1\n"), None, &key(&one), false).unwrap();
    let text = read(&path);
    let at = |name: &str, content: &[u8]| {
        let path = folder.0.join(name);
        write(&path, content);
        path
    };
    let good = at("good", one.expose());
    let bad = at("bad", two.expose());
    at("envshim_key", one.expose());
    at("envshim_password", b"unfit\n");

    let opens =
        |credentials: &Credentials| open(&path, &text, credentials).map(|opened| opened.how);
    let found = Credentials {
        credentials_directory: Some(folder.0.clone()),
        ..Credentials::default()
    };
    assert!(opens(&found).unwrap().ends_with("/envshim_key`"));
    let variable = Credentials {
        key: Some(one.duplicate()),
        ..found
    };
    assert!(opens(&variable).unwrap().ends_with("`ENVSHIM_KEY`"));
    let file = Credentials {
        key_file: Some(good.clone()),
        ..variable
    };
    assert!(opens(&file).unwrap().ends_with("/good`"));
    // A password is of no use here, so it is passed over; a key that is wrong is not.
    let unfit = Credentials {
        password_file: Some(folder.0.join("absent")),
        ..file
    };
    assert!(opens(&unfit).unwrap().ends_with("/good`"));
    let wrong = Credentials {
        key_file: Some(bad),
        ..unfit
    };
    assert!(what(opens(&wrong)).contains("/bad`"));
    let absent = Credentials {
        key_file: Some(folder.0.join("absent")),
        ..wrong
    };
    assert!(what(opens(&absent)).ends_with("/absent: no such key file"));

    let nothing = open(&path, &text, &password("x")).err().unwrap();
    assert!(
        nothing
            .what
            .contains("`ENVSHIM_PASSWORD` is not of the kind")
    );
    let hint = nothing.hint.unwrap();
    for way in [
        "--password-file",
        "ENVSHIM_KEY_FILE",
        "/run/secrets",
        "$CREDENTIALS_DIRECTORY",
        "terminal",
    ] {
        assert!(hint.contains(way), "{way}");
    }

    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(&good, std::fs::Permissions::from_mode(0o644)).unwrap();
    let exposed = Credentials {
        key_file: Some(good.clone()),
        ..Credentials::default()
    };
    let notes = open(&path, &text, &exposed).unwrap().notes;
    assert_eq!(notes, [Note::Exposed(good)]);
    assert!(notes[0].hint().unwrap().starts_with("chmod 600 "));
}

#[test]
fn mistakes_are_named() {
    let folder = Folder::new("mistakes");
    let path = folder.file();
    let (one, _) = keygen().unwrap();
    let sealing =
        |credentials: &Credentials| what(seal(&path, &secret("A=1\n"), None, credentials, false));
    assert!(sealing(&password("")).ends_with("the password from `ENVSHIM_PASSWORD` is empty"));
    assert!(sealing(&password("\n")).ends_with("is empty"));
    let as_password = Credentials {
        password: Some(one.duplicate()),
        ..Credentials::default()
    };
    assert!(sealing(&as_password).ends_with("`ENVSHIM_PASSWORD` holds a key, not a password"));
    assert!(sealing(&key(&secret("hunter2"))).ends_with("`ENVSHIM_KEY`: this is not a key"));
    assert!(!sealing(&key(&secret("hunter2"))).contains("hunter2"));
    assert!(sealing(&Credentials::default()).ends_with("there is no password or key for it"));
    assert!(!path.exists());

    for not_sealed in [&b"A=1\n"[..], b""] {
        let refused = seal(&path, &secret("A=1\n"), Some(not_sealed), &key(&one), false);
        assert!(what(refused).contains("this is not a sealed file"));
    }
}

#[test]
fn an_old_file_opens_with_its_own_variable_and_is_sealed_anew() {
    let token = b"gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bdgWliK7KH-Sje9YETPTLSNpWnohPKf52NYjQD5rQtOeQ==";
    let salted = b"gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODzoLy5aJEhPbe8W_b-LS6qXt-2jLW00zYFUtjosjLuulLBO6l4dnYlZktQxZoY5xPg==";
    let folder = Folder::new("old");
    let path = folder.file();
    let (one, _) = keygen().unwrap();
    let both = Credentials {
        password: Some(secret("new")),
        encryption_key: Some(secret("pw")),
        ..key(&one)
    };
    let opened = open(&path, token, &both).unwrap();
    assert_eq!(opened.plain.expose(), b"A=1\n");
    assert_eq!(opened.notes, [Note::Old(fernet::Weakness::NoKey)]);
    assert!(opened.how.ends_with("`ENCRYPTION_KEY`") && opened.lock.is_none());

    let anew = seal(&path, &opened.plain, Some(token), &key(&one), false).unwrap();
    assert_eq!(anew.opens.len(), 1);
    assert!(open(&path, &read(&path), &key(&one)).is_ok());

    let empty = Credentials {
        encryption_key: Some(secret("")),
        ..password("pw\n")
    };
    assert!(
        open(&path, token, &empty)
            .unwrap()
            .how
            .ends_with("`ENVSHIM_PASSWORD`")
    );
    assert!(
        what(open(&path, token, &password("wrong")))
            .contains("wrong password, or the file was changed")
    );

    let salt = folder.0.join("salt");
    let with_salt = Credentials {
        salt_file: Some(salt.clone()),
        ..password("correct horse")
    };
    assert!(what(open(&path, salted, &with_salt)).ends_with("salt: no salt there"));
    write(&salt, &std::array::from_fn::<u8, 16, _>(|n| 0x10 + n as u8));
    let opened = open(&path, salted, &with_salt).unwrap();
    assert_eq!(opened.notes, [Note::Old(fernet::Weakness::Old)]);
}
