//! Files that cannot be what they are taken for: each its own clear error, and no program started.

use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::house::program::{is_root, reachable, shell};
use super::house::{Answer, Shim, set_mode};

/// Every place from which a file is read at a start, and what its errors begin with.
const PLACES: [(&str, &str); 5] = [
    (".env.dump", ".env.dump"),
    (".vault", ".vault"),
    (".vault.enc", ".vault.enc"),
    ("s/secret", ".vault:1: A: file:secret: s/secret"),
    ("password", "password"),
];

/// A start that reads this place; the file itself is still to be made.
fn reads(place: &str) -> Shim {
    match place {
        "s/secret" => {
            let shim = Shim::new()
                .file("s/other", "")
                .file(".vault", "A=file:secret");
            shim.env("SECRET_MANAGER_PATH", "s")
        }
        "password" => {
            let shim = Shim::new().env("ENVSHIM_PASSWORD_FILE", "password");
            shim.file(".vault.enc", under_password())
        }
        _ => Shim::new(),
    }
}

/// A file that a password opens; made once, for that takes its time.
fn under_password() -> &'static [u8] {
    static SEALED: OnceLock<Vec<u8>> = OnceLock::new();
    SEALED.get_or_init(|| {
        let shim = Shim::new()
            .file(".vault", "A=1")
            .env("ENVSHIM_PASSWORD", "p");
        shim.args("seal").run().ok().folder.read(".vault.enc")
    })
}

/// A start fails with this error, wherever the bad thing stands.
#[track_caller]
fn everywhere(make: impl Fn(&Path), what: &str, hint: &str) {
    for (place, prefix) in PLACES {
        let shim = reads(place);
        make(&shim.folder.join(place));
        let answer = shim.refused();
        let hint = hint.replace("PATH", place);
        let want = format!("envshim: error: {prefix}: {what}\nenvshim: hint: {hint}\n");
        assert_eq!(answer.err, want, "{place}");
    }
}

#[test]
fn what_is_not_a_file() {
    let look = "look at what is there: ls -ld PATH";
    everywhere(
        |path| std::fs::create_dir(path).expect("a folder"),
        "is a folder, not a file",
        look,
    );
    let socket = |path: &Path| drop(UnixListener::bind(path).expect("a socket"));
    everywhere(socket, "is a socket, not a file", look);
    let device = |path: &Path| symlink("/dev/zero", path).expect("a link");
    everywhere(device, "is a device, not a file", look);
    // A pipe would hang whoever opens it; only a password may come through one.
    for (place, prefix) in &PLACES[..4] {
        let shim = reads(place);
        shell(&shim.folder, &format!("mkfifo {place}"));
        let answer = shim.refused();
        answer.says(&format!(
            "envshim: error: {prefix}: is a named pipe, not a file\n"
        ));
    }
}

#[test]
fn symbolic_links() {
    let nowhere = |path: &Path| symlink("nowhere", path).expect("a link");
    let mend = "mend or remove the link: ls -l PATH";
    everywhere(
        nowhere,
        "is a symbolic link to `nowhere`, which does not exist",
        mend,
    );
    let circle = |path: &Path| symlink(path.file_name().expect("a name"), path).expect("a link");
    everywhere(circle, "is a symbolic link that leads in a circle", mend);
    // A link to a file is as good as the file.
    let shim = Shim::new().file("real/v", "A=1");
    symlink("real/v", shim.folder.join(".vault")).expect("a link");
    shim.environment().has("A", "1").quiet();
}

#[test]
fn links_that_strangers_made_in_a_folder_of_everybody() {
    if !is_root() {
        return;
    }
    let foreign = |path: &Path| {
        let folder = path.parent().expect("a folder");
        std::fs::write(folder.join("theirs"), "A=evil").expect("a file");
        symlink("theirs", path).expect("a link");
        std::os::unix::fs::lchown(path, Some(65534), Some(65534)).expect("chown");
        set_mode(folder, 0o1777);
    };
    everywhere(
        foreign,
        "is a symbolic link that another user made in a folder that everybody can write to",
        "remove it, and keep the file in a folder of your own: ls -l PATH",
    );
    // Our own link there, or theirs in a folder of ours, is none of that.
    let shim = Shim::new().file("real", "A=1");
    symlink("real", shim.folder.join(".vault")).expect("a link");
    set_mode(shim.folder.path(), 0o1777);
    shim.environment().has("A", "1");
    let shim = Shim::new().file("real", "A=1");
    symlink("real", shim.folder.join(".vault")).expect("a link");
    std::os::unix::fs::lchown(shim.folder.join(".vault"), Some(65534), None).expect("chown");
    shim.environment().has("A", "1");
}

#[test]
fn too_large() {
    let sparse = |path: &Path| {
        let file = std::fs::File::create(path).expect("a file");
        file.set_len(100 << 20).expect("a length");
        set_mode(path, 0o600);
    };
    for (place, prefix) in PLACES {
        let shim = reads(place);
        sparse(&shim.folder.join(place));
        let limit = if place == "password" {
            "64 KiB"
        } else {
            "16 MiB"
        };
        let answer = shim.refused();
        let hint = format!("is it the right file? ls -l {place}");
        assert_eq!(
            answer.err,
            format!("envshim: error: {prefix}: is larger than {limit}\nenvshim: hint: {hint}\n")
        );
    }
    // A file that grows while it is read, or says that it is empty.
    let shim = Shim::new().file(".vault", "A=file:/proc/self/status");
    let answer = shim.environment();
    assert!(
        answer
            .variable("A")
            .is_some_and(|text| text.starts_with(b"Name:\tenvshim"))
    );
}

/// Runs a start as a user who is not root and owns the folder.
fn unprivileged(shim: Shim) -> Answer {
    let binary = reachable(&shim.folder);
    std::os::unix::fs::chown(shim.folder.path(), Some(65534), Some(65534)).expect("chown");
    let own = shim.command();
    let mut command = Command::new(binary);
    command
        .env_clear()
        .current_dir(shim.folder.path())
        .uid(65534)
        .gid(65534)
        .args(["--", "touch", "started"]);
    command.envs(
        own.get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    let output = command.output().expect("an end");
    let answer = Answer::new(output, shim.folder).exits(125);
    assert!(!answer.folder.join("started").exists());
    answer
}

#[test]
fn unreadable() {
    if !is_root() {
        return;
    }
    for (place, prefix) in PLACES {
        let shim = reads(place).file(place, "A=1");
        for name in [".vault", ".vault.enc"] {
            let path = shim.folder.join(name);
            if path.exists() && name != place {
                set_mode(&path, 0o644);
            }
        }
        let answer = unprivileged(shim);
        answer
            .says(&format!(
                "envshim: error: {prefix}: cannot be read: permission denied\n"
            ))
            .says(&format!(
                "envshim: hint: envshim runs as user 65534; let that user read it: ls -l {place}\n"
            ));
    }
    // A folder on the way, of files and of an import.
    let shim = Shim::new().file("config/.vault", "A=1");
    set_mode(&shim.folder.join("config"), 0o700);
    unprivileged(shim).says("config/.env.dump: cannot be read: permission denied");
    let shim = Shim::new()
        .file(".vault", "ENVSHIM_IMPORT=file:*")
        .file("s/A", "1")
        .env("SECRET_MANAGER_PATH", "s");
    set_mode(&shim.folder.join("s"), 0o700);
    set_mode(&shim.folder.join(".vault"), 0o644);
    unprivileged(shim)
        .says("error: import file:*: s: cannot be listed")
        .says("hint: envshim runs as user 65534; let that user list it: ls -ld s");
}

#[test]
fn an_empty_file() {
    let empty = |place: &str| reads(place).file(place, "").refused();
    assert_eq!(
        empty(".env.dump").err,
        "envshim: error: .env.dump: is empty\nenvshim: hint: write it anew with envshim dump, or remove it: rm .env.dump\n"
    );
    assert_eq!(
        empty(".vault").err,
        "envshim: error: .vault: is empty\nenvshim: hint: write NAME=value lines into it\n"
    );
    empty(".vault.enc").says("envshim: error: .vault.enc: is empty\n");
    empty("password").says("the password from `password` is empty");
    // A secret may be empty.
    reads("s/secret")
        .file("s/secret", "")
        .environment()
        .has("A", "");
    for text in ["\n\n", "# nothing\n", "\u{feff}", "A\nexport B\n"] {
        let answer = Shim::new().file(".vault", text).refused();
        answer.says("envshim: error: .vault: holds no variable\nenvshim: hint: write NAME=value lines into it\n");
    }
}

#[test]
fn text_that_is_none() {
    let utf16: Vec<u8> = "A=1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let marked = [&[0xff, 0xfe], utf16.as_slice()].concat();
    for name in [".vault", ".env.dump"] {
        for (bytes, what, hint) in [
            (
                utf16.as_slice(),
                ":1:1: the file is UTF-16, not UTF-8",
                "convert it: iconv -f UTF-16 -t UTF-8",
            ),
            (
                &marked,
                ":1:1: the file is UTF-16, not UTF-8",
                "convert it: iconv -f UTF-16 -t UTF-8",
            ),
            (
                b"A=1\nB=caf\xe9\n",
                ":2:6: the byte here is not UTF-8 text",
                "save the file as UTF-8",
            ),
            (
                b"A=1\nB=\0\n",
                ":2:3: a NUL byte, which no environment variable can hold",
                "remove it",
            ),
        ] {
            let answer = Shim::new().file(name, bytes).refused();
            assert_eq!(
                answer.err,
                format!("envshim: error: {name}{what}\nenvshim: hint: {hint}\n")
            );
        }
    }
}

#[test]
fn every_malformed_line() {
    for (line, what, hint) in [
        (
            "A='b",
            ":1:3: the quote opened here is not closed",
            "close it, or write the value on one line",
        ),
        (
            "A=\"b",
            ":1:3: the quote opened here is not closed",
            "close it, or write the value on one line",
        ),
        (
            "'A=b",
            ":1:1: the quote opened here is not closed",
            "close it, or write the value on one line",
        ),
        (
            "A='b' c",
            ":1:7: text follows the closing quote",
            "put a backslash before a quote inside the value, or # before a comment",
        ),
        (
            "A='b\n' c",
            ":2:3: text follows the closing quote; it was opened at 1:3",
            "put a backslash before a quote inside the value, or # before a comment",
        ),
        (
            "A b",
            ":1:3: text follows the name, but no `=`",
            "write NAME=value; quote a value of several lines; begin a comment with #",
        ),
        (
            "A: b",
            ":1:4: text follows the name, but no `=`",
            "write NAME=value, with `=` in place of `:`",
        ),
        (
            "=b",
            ":1:1: there is no name before `=`",
            "write NAME=value",
        ),
        (
            "''=b",
            ":1:1: there is no name before `=`",
            "write NAME=value",
        ),
        (
            "export =b",
            ":1:8: there is no name before `=`",
            "write NAME=value",
        ),
    ] {
        for name in [".vault", ".env.dump"] {
            let answer = Shim::new().file(name, line).refused();
            assert_eq!(
                answer.err,
                format!("envshim: error: {name}{what}\nenvshim: hint: {hint}\n"),
                "{line}"
            );
        }
    }
    let dump = |line: &str| {
        Shim::new().file(
            ".env.dump",
            format!("# envshim dump, format 1: x\n{line}\n"),
        )
    };
    for line in [
        "#envshim:base64 A=?",
        "#envshim:base64 A",
        "#envshim:base64 =?=aGk",
    ] {
        dump(line)
            .refused()
            .says(": this is not base64\nenvshim: hint: write the dump anew: envshim dump\n");
    }
    let later = Shim::new().file(".env.dump", "# envshim dump, format 2: x\nA=1\n");
    later
        .refused()
        .says("envshim: error: .env.dump:1:1: a later envshim wrote this dump\n");
    let many = Shim::new()
        .file(".vault", "A='1' x\nB b\n=c\nD=1\n")
        .refused();
    assert_eq!(
        many.err.matches("envshim: error: .vault:").count(),
        3,
        "{}",
        many.err
    );
}

#[test]
fn names_that_no_environment_can_have() {
    let answer = Shim::new().file(".vault", "'A=B'=1\nC=1\n").refused();
    answer.says("envshim: error: .vault:1: the variable has no valid name\n");
}
