//! Sealed files as users meet them: seal, open, start; other programs' files; old files; damage.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::house::{Answer, Folder, Shim, python, repository, set_mode};

const PLAIN: &str = "GREETING=hello\nTOKEN='s3cr3t-c4nary'\n";
const CANARY: &str = "s3cr3t-c4nary";

/// The six vectors of the old tool: password, salted, token.
const OLD: [(&str, bool, &str); 6] = [
    (
        "pw",
        false,
        "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bdgWliK7KH-Sje9YETPTLSNpWnohPKf52NYjQD5rQtOeQ==",
    ),
    (
        "0123456789abcdef",
        false,
        "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bc1O7tnG6X7eXb8dtWGmbfZokG15ix_K8FwEAX8pX5QBA==",
    ),
    (
        "пароль-ключ",
        false,
        "gAAAAABnc8PAAAECAwQFBgcICQoLDA0OD4IPjxNmm9HwGFaYUQxeER_AXXWtRaK6M-eJKFQXM5WxdGtFzslqRmgeEeG0sewTBw==",
    ),
    (
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
        false,
        "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODxd673l0uVLi3ThxLp7rsEI9hqzonwX9WNggAawnkE6RbVzBBatWp2FUEiCXWdp8CQ==",
    ),
    (
        "",
        false,
        "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODwgpot8GD7a1yP-E0tv74bdZWJXQjaCksXKoM9lBTvWH38cakDgeFlFz00Yl5cFb7Q==",
    ),
    (
        "correct horse",
        true,
        "gAAAAABnc8PAAAECAwQFBgcICQoLDA0ODzoLy5aJEhPbe8W_b-LS6qXt-2jLW00zYFUtjosjLuulLBO6l4dnYlZktQxZoY5xPg==",
    ),
];

pub fn keygen() -> String {
    let made = Shim::new().args("keygen").run().ok();
    assert!(!made.err.contains("envshim-key-1:"), "{}", made.err);
    made.out
}

/// A folder with a sealed file for this key, and the key in `vault.key`.
fn sealed_for_key() -> Folder {
    let key = keygen();
    let sealed = Shim::new().file(".vault", PLAIN).file("vault.key", &key);
    sealed
        .args("seal --key-file vault.key --remove-plain")
        .run()
        .ok()
        .folder
}

/// The same folder again: envshim with these words.
fn again(folder: Folder, words: &str) -> Shim {
    let mut shim = Shim::new().args(words);
    shim.folder = folder;
    shim
}

#[test]
fn a_password_can_be_piped_in() {
    let folder = Shim::new()
        .file(".vault", PLAIN)
        .args("seal --password-file /dev/stdin --remove-plain")
        .stdin("open sesame\n")
        .run()
        .ok()
        .folder;
    let open = |folder, password: &str| {
        again(folder, "open --password-file /dev/stdin")
            .stdin(password)
            .run()
    };
    let opened = open(folder, "open sesame").ok();
    assert_eq!(opened.out, PLAIN);
    open(opened.folder, "open barley").exits(125).hides(CANARY);
}

fn names(folder: &Folder) -> Vec<String> {
    let entries = std::fs::read_dir(folder.path()).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .into_string()
                .expect("a name")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_key_is_one_line_and_never_the_same() {
    let (one, two) = (keygen(), keygen());
    assert!(one.starts_with("envshim-key-1:") && one.ends_with('\n') && one.len() == 63);
    assert_ne!(one, two);
}

#[test]
fn seal_open_and_start_without_plain_text_on_the_disk() {
    let folder = sealed_for_key();
    assert_eq!(names(&folder), [".vault.enc", "vault.key"]);
    let text = String::from_utf8(folder.read(".vault.enc")).expect("text");
    assert!(text.starts_with("envshim sealed file, format 1\n# safe to commit"));
    assert!(text.lines().all(|line| line.len() <= 140) && text.ends_with('\n'));
    let metadata = std::fs::metadata(folder.join(".vault.enc")).expect("a file");
    let mode = std::os::unix::fs::PermissionsExt::mode(&metadata.permissions());
    assert_eq!(mode & 0o777, 0o644);

    let opened = again(folder, "open --key-file vault.key").run().ok();
    assert_eq!(opened.out, PLAIN);
    assert_eq!(opened.err, "");

    let started = again(opened.folder, "--key-file vault.key -- sh -c")
        .arg("printf '%s %s' \"$GREETING\" \"$TOKEN\"")
        .run()
        .ok();
    assert_eq!(started.out, format!("hello {CANARY}"));
    assert_eq!(names(&started.folder), [".vault.enc", "vault.key"]);
}

#[test]
fn the_plain_file_stays_unless_its_removal_is_asked_for() {
    let sealed = Shim::new()
        .file(".vault", PLAIN)
        .env("ENVSHIM_KEY", keygen())
        .args("seal")
        .run()
        .ok();
    assert_eq!(sealed.folder.read(".vault"), PLAIN.as_bytes());
    assert_eq!(sealed.out, "");
    // Refused: nothing is removed.
    let refused = again(sealed.folder, "seal --remove-plain")
        .env("ENVSHIM_KEY", keygen())
        .run();
    let refused = refused
        .exits(125)
        .says("the file that is there does not open")
        .says("--fresh");
    assert_eq!(refused.folder.read(".vault"), PLAIN.as_bytes());
}

#[test]
fn everybody_s_slot_is_kept_when_one_of_them_seals_again() {
    let key = keygen();
    let both = Shim::new()
        .file(".vault", PLAIN)
        .file("team", "correct horse\n")
        .file("key", &key)
        .args("seal --password-file team --key-file key")
        .run()
        .ok();
    let folder = both.folder;
    folder.write(".vault", "GREETING=again\n");
    let folder = again(folder, "seal")
        .env("ENVSHIM_KEY", &key)
        .run()
        .ok()
        .folder;
    // CRLF in a password file, as an editor on Windows leaves it.
    folder.write("team", "correct horse\r\n");
    let opened = again(folder, "open")
        .env("ENVSHIM_PASSWORD_FILE", "team")
        .run()
        .ok();
    assert_eq!(opened.out, "GREETING=again\n");
    let opened = again(opened.folder, "open --key-file key").run().ok();
    assert_eq!(opened.out, "GREETING=again\n");
    // The first source of a fitting kind decides, and is named.
    again(opened.folder, "open --key-file key")
        .env("ENVSHIM_PASSWORD", "incorrect horse")
        .run()
        .exits(125)
        .says(".vault.enc: wrong password, or the file was changed (from `ENVSHIM_PASSWORD`)")
        .hides("incorrect horse");
}

#[test]
fn without_any_password_every_way_to_give_one_is_named() {
    let folder = sealed_for_key();
    let refused = again(folder, "-- true").run().exits(125);
    for way in [
        "--password-file",
        "ENVSHIM_PASSWORD_FILE",
        "ENVSHIM_PASSWORD",
        "--key-file",
        "ENVSHIM_KEY_FILE",
        "ENVSHIM_KEY",
        "/run/secrets/envshim_password",
        "envshim_key",
        "$CREDENTIALS_DIRECTORY",
        "terminal",
    ] {
        assert!(refused.err.contains(way), "{way}\n{}", refused.err);
    }
    // systemd's folder, and a key that Docker or systemd put there readable for all.
    let folder = refused.folder;
    let key = String::from_utf8(folder.read("vault.key")).expect("a key");
    set_mode(&folder.write("given/envshim_key", &key), 0o444);
    let opened = again(folder, "open")
        .env("CREDENTIALS_DIRECTORY", "given")
        .run()
        .ok();
    assert_eq!((opened.out.as_str(), opened.err.as_str()), (PLAIN, ""));
}

#[test]
fn a_password_or_key_in_place_of_its_file_is_not_repeated() {
    let key =
        String::from_utf8(Shim::new().args("keygen").run().exits(0).out.into()).expect("a key");
    for (variable, secret, hint) in [
        ("ENVSHIM_PASSWORD_FILE", "c4n4ry", "ENVSHIM_PASSWORD"),
        ("ENVSHIM_PASSWORD_FILE", "a c4n4ry/x", "ENVSHIM_PASSWORD"),
        ("ENVSHIM_KEY_FILE", key.trim(), "ENVSHIM_KEY"),
    ] {
        Shim::new()
            .file(".vault", "A=1\n")
            .env(variable, secret)
            .args("seal")
            .run()
            .exits(125)
            .says("of the name that was given")
            .says(&format!("itself goes into `{hint}`"))
            .hides(secret);
    }
}

#[test]
fn a_key_file_that_everybody_can_read_is_a_warning_or_an_error() {
    let folder = sealed_for_key();
    set_mode(&folder.join("vault.key"), 0o644);
    let warned = again(folder, "open --key-file vault.key").run().ok();
    let warned = warned
        .says("warning: vault.key: everybody on this machine can read it")
        .says("chmod 600 vault.key");
    again(warned.folder, "open --strict --key-file vault.key")
        .run()
        .exits(125)
        .hides(CANARY);
}

#[test]
fn damage_is_told_and_starts_nothing() {
    let folder = sealed_for_key();
    let text = String::from_utf8(folder.read(".vault.enc")).expect("text");
    let last = text.trim_end().len() - 6;
    let swapped = format!(
        "{}{}{}",
        &text[..last],
        if &text[last..=last] == "A" { "B" } else { "A" },
        &text[last + 1..]
    );
    let crlf = text.replace('\n', "\r\n");
    let key = String::from_utf8(folder.read("vault.key")).expect("a key");
    let cases = [
        (swapped, "wrong key, or the file was changed"),
        (
            text.replacen("# safe", "# Safe", 1),
            "wrong key, or the file was changed",
        ),
        (text[..text.len() - 1].to_owned(), "the file was cut"),
        (text.replacen("format 1", "format 2", 1), "it has format 2"),
        (
            text.replacen("slot", "<<<<<<< HEAD\nslot", 1),
            "merge conflict",
        ),
        ("A=1\n".to_owned(), "not a sealed file"),
        (String::new(), ".vault.enc"),
    ];
    for (damaged, message) in cases {
        Shim::new()
            .file(".vault.enc", damaged)
            .env("ENVSHIM_KEY", &key)
            .args("-- echo started")
            .run()
            .exits(125)
            .says(message)
            .hides("started")
            .hides(key.trim())
            .hides(CANARY);
    }
    // What git makes of it on Windows is no damage.
    let opened = Shim::new()
        .file(".vault.enc", crlf)
        .env("ENVSHIM_KEY", &key)
        .args("open")
        .run()
        .ok();
    assert_eq!(opened.out, PLAIN);
}

#[test]
fn a_hostile_file_stalls_nothing() {
    let slot = format!(
        "slot password pbkdf2-sha256 4000000000 {}== {}\n",
        "A".repeat(22),
        "A".repeat(80)
    );
    let check = format!(
        "content aes-256-gcm-siv {}=\n{}\n",
        "A".repeat(43),
        "A".repeat(40)
    );
    let hostile = format!("envshim sealed file, format 1\n{slot}{check}");
    let begin = Instant::now();
    Shim::new()
        .file(".vault.enc", hostile)
        .env("ENVSHIM_PASSWORD", "x")
        .args("-- true")
        .run()
        .exits(125)
        .says("takes more than 10000000 rounds");
    assert!(begin.elapsed() < Duration::from_secs(5));
}

#[test]
fn old_files_open_in_both_modes_with_a_warning() {
    let salt: Vec<u8> = (0x10..0x20).collect();
    for (password, salted, token) in OLD {
        if password.is_empty() {
            continue; // Only a person at a terminal gives an empty one: chapter prompts.
        }
        let shim = Shim::new()
            .file(".vault.enc", token)
            .file("salt", &salt)
            .env("ENCRYPTION_KEY", password)
            .args(if salted {
                "open --salt-file salt"
            } else {
                "open"
            });
        let opened = shim
            .run()
            .ok()
            .says("warning: old format")
            .says("envshim seal");
        assert_eq!(opened.out, "A=1\n", "{password}");
        let short = password.len() <= 16 && !salted;
        assert_eq!(
            opened
                .err
                .contains("anybody can read it without the password"),
            short
        );
        opened.hides(password);
    }
    let (_, _, salted) = OLD[5];
    let wrong = Shim::new()
        .file(".vault.enc", salted)
        .env("ENCRYPTION_KEY", "correct horse")
        .args("open");
    wrong
        .run()
        .exits(125)
        .says("wrong password, or the file was changed")
        .says("--salt-file");
}

#[test]
fn an_old_file_is_replaced_by_a_new_one() {
    let old = Shim::new()
        .file(".vault.enc", OLD[0].2)
        .file("key", keygen())
        .env("ENCRYPTION_KEY", "pw")
        .args("open")
        .run()
        .ok();
    old.folder.write(".vault", &old.out);
    let sealed = again(old.folder, "seal --key-file key --remove-plain")
        .run()
        .ok();
    let opened = again(sealed.folder, "open --key-file key").run().ok();
    assert_eq!((opened.out.as_str(), opened.err.as_str()), ("A=1\n", ""));
    assert!(
        opened
            .folder
            .read(".vault.enc")
            .starts_with(b"envshim sealed file")
    );
}

/// Runs the independent reader and writer.
fn oracle(folder: &Path, words: &[&str], stdin: &str) -> Vec<u8> {
    let mut child = Command::new(python())
        .arg(repository().join("tests/it/oracle/sealed.py"))
        .args(words)
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python");
    let mut pipe = child.stdin.take().expect("stdin");
    std::io::Write::write_all(&mut pipe, stdin.as_bytes()).expect("writing");
    drop(pipe);
    let output = child.wait_with_output().expect("an end");
    assert!(output.status.success(), "{words:?}");
    output.stdout
}

#[test]
fn another_program_opens_what_we_seal() {
    let (key, long) = (keygen(), format!("{PLAIN}LONG='{}'\n", "ä".repeat(1000)));
    let sealed = Shim::new()
        .file(".vault", &long)
        .file("key", &key)
        .file("team", "пароль\n");
    let folder = sealed
        .args("seal --password-file team --key-file key")
        .run()
        .ok()
        .folder;
    let by_password = oracle(
        folder.path(),
        &["open", ".vault.enc", "password", "пароль"],
        "",
    );
    assert_eq!(by_password, long.as_bytes());
    let by_key = oracle(folder.path(), &["open", ".vault.enc", "key", "key"], "");
    assert_eq!(by_key, long.as_bytes());
}

/// The lines that `docs/format.md` prints are run as they stand there.
#[test]
fn the_documented_reader_opens_what_we_seal() {
    let page = std::fs::read_to_string(repository().join("docs/format.md")).expect("the page");
    let (_, chapter) = page.split_once("### Twenty lines").expect("the chapter");
    let lines: Vec<&str> = chapter
        .lines()
        .skip(2)
        .take_while(|line| line.is_empty() || line.starts_with("    "))
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    let key = "key = base64.urlsafe_b64decode(open('key').read().strip().split(':')[1])[:32]";
    let run = "text = open('.vault.enc', 'rb').read()\n\
               for way in [dict(key=key), dict(password=b'team')]:\n    \
               sys.stdout.buffer.write(open_sealed(text, **way))\n";
    let program = format!("{}\n{key}\n{run}", lines.join("\n"));
    let sealed = Shim::new()
        .file(".vault", PLAIN)
        .file("key", keygen())
        .file("reader.py", program);
    let sealed = sealed
        .env("ENVSHIM_PASSWORD", "team")
        .args("seal --key-file key")
        .run()
        .ok();
    let output = Command::new(python())
        .arg("reader.py")
        .current_dir(sealed.folder.path())
        .output()
        .expect("python");
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.stdout, PLAIN.repeat(2).as_bytes(), "{told}");
}

#[test]
fn we_open_what_another_program_seals() {
    let folder = Shim::new()
        .file("key", keygen())
        .file("other", keygen())
        .args("version")
        .run()
        .ok()
        .folder;
    let words = [
        "seal",
        ".vault.enc",
        "password",
        "team",
        "key",
        "other",
        "key",
        "key",
    ];
    oracle(folder.path(), &words, PLAIN);
    let open = |answer: Answer| {
        assert_eq!(answer.out, PLAIN);
        answer.folder
    };
    let folder = open(again(folder, "open --key-file key").run().ok());
    let folder = open(
        again(folder, "open")
            .env("ENVSHIM_PASSWORD", "team")
            .run()
            .ok(),
    );
    // Its slots, its rounds and its comment outlive a sealing of ours.
    folder.write(".vault", PLAIN);
    let folder = again(folder, "seal --key-file other").run().ok().folder;
    let by_key = oracle(folder.path(), &["open", ".vault.enc", "key", "key"], "");
    assert_eq!(by_key, PLAIN.as_bytes());

    let salt = PathBuf::from("salt");
    folder.write("salt", "0123456789abcdef");
    oracle(
        folder.path(),
        &["fernet", ".vault.enc", "a password of some length"],
        PLAIN,
    );
    let folder = open(
        again(folder, "open")
            .env("ENCRYPTION_KEY", "a password of some length")
            .run()
            .ok(),
    );
    oracle(
        folder.path(),
        &["fernet", ".vault.enc", "short", "salt"],
        PLAIN,
    );
    let opened = again(folder, "open")
        .env("ENVSHIM_PASSWORD", "short")
        .env("ENVSHIM_SALT_FILE", salt);
    open(opened.run().ok());
}
