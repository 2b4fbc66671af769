//! `.env.dump`: written whole or not at all, for its owner only, and read back byte for byte.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::{MetadataExt, symlink};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};

use proptest::collection::{btree_map, vec};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use proptest::test_runner::FileFailurePersistence;

use super::house::program::{is_root, shell};
use super::house::{Answer, Shim, envshim, wait_until};

/// Goes on in the folder of an earlier answer.
fn after(answer: Answer) -> Shim {
    let mut shim = Shim::new();
    shim.folder = answer.folder;
    shim
}

/// Only the dump can speak: what it was made of is gone.
fn from_the_dump(answer: Answer) -> Shim {
    for name in [".vault", ".vault.enc"] {
        std::fs::remove_file(answer.folder.join(name)).ok();
    }
    after(answer)
}

#[test]
fn the_command_and_the_option_write_the_same() {
    let vault = "A=1\nB=${file:b}x\nENVSHIM_NAMES=keep\nSECRET_MANAGER_PATH=.\nC=it's $5\nNONE=file:none?optional=1\n";
    let shim = || Shim::new().file(".vault", vault).file("b", "two");
    let want = "# envshim dump, format 1: values are literal, nothing in them is expanded\n\
                A='1'\nB='twox'\nC=\"it's ${ENVSHIM_UNSET:-$}5\"\n";
    let dumped = shim().args("dump").run().ok().quiet();
    assert_eq!(dumped.out, "");
    assert_eq!(dumped.folder.read(".env.dump"), want.as_bytes());
    let metadata = dumped.folder.join(".env.dump").metadata().expect("a file");
    assert_eq!(
        (metadata.mode() & 0o7777, metadata.uid()),
        (0o600, nix::unistd::geteuid().as_raw())
    );
    let started = shim().args("--dump").environment().has("A", "1").quiet();
    assert_eq!(started.folder.read(".env.dump"), want.as_bytes());
    let in_file = shim()
        .file(".vault", format!("{vault}ENVSHIM_DUMP=yes"))
        .environment();
    assert_eq!(in_file.folder.read(".env.dump"), want.as_bytes());
    // Nothing is left behind beside it.
    let names = std::fs::read_dir(dumped.folder.path())
        .expect("a folder")
        .count();
    assert_eq!(names, 3);
    // It speaks from now on.
    from_the_dump(dumped)
        .environment()
        .has("A", "1")
        .has("B", "twox")
        .has("C", "it's $5")
        .lacks("NONE")
        .quiet();
    shim()
        .args("--log info dump")
        .run()
        .ok()
        .says("envshim: wrote `.env.dump`\n");
}

#[test]
fn a_dump_is_made_of_the_source_never_of_a_dump() {
    let shim = || {
        Shim::new()
            .file(".vault", "A=new")
            .file(".env.dump", "A=old")
            .file("env.dump", "A=older")
    };
    let answer = shim().args("dump").run().ok();
    from_the_dump(answer).environment().has("A", "new");
    shim().env("secrets_loaded", "1").args("dump").run().ok();
    // A start from a dump writes none.
    let answer = shim().args("--dump").environment().has("A", "old");
    assert_eq!(answer.folder.read(".env.dump"), b"A=old");
    // What the environment says of its own does not get into it.
    let answer = shim()
        .env("A", "mine")
        .env("B", "b")
        .args("dump")
        .run()
        .ok();
    assert!(answer.folder.read(".env.dump").ends_with(b"\nA='new'\n"));
    // Out of every source.
    let answer = Shim::new().sealed("A=sealed").args("dump").run().ok();
    from_the_dump(answer).environment().has("A", "sealed");
    let store = Shim::new()
        .file("app.json", r#"{"A":"store"}"#)
        .env("SECRET_MANAGER_PATH", ".");
    let answer = store
        .env("ENVSHIM_IMPORT", "file:app.json")
        .args("dump")
        .run()
        .ok();
    from_the_dump(answer).environment().has("A", "store");
    let answer = Shim::new()
        .file("config/.vault", "A=1")
        .args("dump")
        .run()
        .ok();
    assert!(answer.folder.join("config/.env.dump").exists());
    let answer = Shim::new()
        .file("here/.vault", "A=1")
        .args("dump --dir here")
        .run()
        .ok();
    assert!(answer.folder.join("here/.env.dump").exists());
}

#[test]
fn what_fails_leaves_the_old_dump() {
    let shim = |vault: &str| Shim::new().file(".vault", vault).file(".env.dump", "A=old");
    for vault in ["A=file:/none", "A='", "ENVSHIM_NAMES=keep", ""] {
        let answer = shim(vault).args("dump").run().exits(125);
        assert_eq!(answer.folder.read(".env.dump"), b"A=old", "{vault}");
    }
    Shim::new()
        .args("dump")
        .run()
        .exits(125)
        .says("there is no `.vault`, `.vault.enc`");
    let answer = Shim::new()
        .file(".vault", "SECRET_MANAGER_PATH=.")
        .args("dump")
        .run()
        .exits(125);
    answer.says("error: .vault: gives no variable to dump");
    Shim::new()
        .args("--optional dump")
        .run()
        .exits(125)
        .says("there is nothing to dump: there is no source");

    // A link, a folder in its place; a folder that cannot be written to.
    let linked = Shim::new().file(".vault", "A=1").file("target", "x");
    symlink("target", linked.folder.join(".env.dump")).expect("a link");
    let answer = linked.args("dump").run().exits(125);
    assert_eq!(answer.folder.read("target"), b"x");
    answer.says(".env.dump: is a symbolic link, and envshim replaces files");
    let folder = Shim::new().file(".vault", "A=1").file(".env.dump/x", "");
    folder
        .args("dump")
        .run()
        .exits(125)
        .says(".env.dump: is a folder, not a file");
}

#[test]
fn a_full_disk_keeps_the_old_dump() {
    if !is_root() {
        return;
    }
    let big = "x".repeat(100_000);
    let shim = Shim::new()
        .file(".vault", format!("A={big}\n"))
        .file("s/.gitkeep", "");
    // A mount of its own, which ends with this shell.
    let script = "mount -t tmpfs -o size=64k none s && printf 'A=old\\n' > s/.env.dump && chmod 600 s/.env.dump && \
                  printf 'A=file:big\\n' > s/.vault && chmod 600 s/.vault; \"$0\" dump --dir s; echo $?; ls -A s | sort; cat s/.env.dump";
    shim.folder.write("big", &big);
    let mut command = std::process::Command::new("unshare");
    command.args(["--mount", "sh", "-c", script]).arg(envshim());
    command
        .current_dir(shim.folder.path())
        .env("SECRET_MANAGER_PATH", ".");
    let answer = Answer::new(command.output().expect("an end"), shim.folder).ok();
    assert_eq!(
        answer.out, "125\n.env.dump\n.vault\nA=old\n",
        "{}",
        answer.err
    );
    assert_eq!(
        answer.err,
        "envshim: error: s/.env.dump: cannot be written: no space left on device\n\
         envshim: hint: make room on the disk; the old file is as it was\n"
    );
}

#[test]
fn a_reader_never_sees_half_a_file() {
    let value = |n: usize| format!("{n}").repeat(40_000);
    let shim = Shim::new().file(".vault", format!("A={}\n", value(1)));
    shim.folder
        .write("other/.vault", format!("A={}\n", value(2)));
    let path = shim.folder.join(".env.dump");
    let done = AtomicBool::new(false);
    let read = std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut count = 0;
            while !done.load(Ordering::Relaxed) {
                let Ok(mut file) = File::open(&path) else {
                    continue;
                };
                let mut text = String::new();
                file.read_to_string(&mut text).expect("text");
                let line = text.lines().nth(1).expect("a whole header");
                let whole = [1, 2].map(|n| format!("A='{}'", value(n)));
                assert!(
                    whole.iter().any(|whole| whole == line),
                    "{} bytes",
                    text.len()
                );
                assert!(text.ends_with("'\n"));
                count += 1;
            }
            count
        });
        for n in 0..30 {
            let vault = format!("A={}\n", value(1 + n % 2));
            shim.folder.write(".vault", vault);
            let status = shim.command().arg("dump").status().expect("envshim");
            assert!(status.success());
        }
        done.store(true, Ordering::Relaxed);
        reader.join().expect("no half file")
    });
    assert!(read > 0);
}

#[test]
fn ended_in_the_middle_it_leaves_no_plain_text() {
    // The helper holds the load up; the signal comes, and nothing was written.
    let shim = Shim::new()
        .file(".vault", "A=exec:sh -c 'touch running; exec sleep 30'")
        .args("dump");
    let mut child = shim
        .command()
        .stdin(Stdio::null())
        .spawn()
        .expect("envshim");
    wait_until("the helper runs", || shim.folder.join("running").exists());
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).expect("a pid"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).expect("a signal");
    child.wait().expect("an end");
    let mut names: Vec<_> = std::fs::read_dir(shim.folder.path())
        .expect("a folder")
        .flatten()
        .map(|e| e.file_name())
        .collect();
    names.sort();
    assert_eq!(names, [".vault", "running"]);
}

#[test]
fn memory_files_survive_a_dump() {
    let shim = Shim::new()
        .file(".vault", "KEY=file:key?as=file\nA=1")
        .file("key", b"k\0\xff\n\n")
        .env("SECRET_MANAGER_PATH", ".");
    let answer = shim.args("dump").run().ok();
    let answer = answer.says("envshim: warning: .env.dump: `KEY`: skipped by python-dotenv, Docker Compose, sh (a memory file)\n");
    let text = String::from_utf8(answer.folder.read(".env.dump")).expect("text");
    assert!(
        text.ends_with("\n#envshim:file KEY=awD/Cg\nA='1'\n"),
        "{text}"
    );
    let shim = from_the_dump(answer)
        .args("-- sh -c")
        .arg("echo $KEY; cat $KEY; stat -Lc %a $KEY");
    let answer = shim.run().ok();
    let (path, content) = answer.bytes.split_at(
        answer
            .bytes
            .iter()
            .position(|b| *b == b'\n')
            .expect("a line"),
    );
    assert!(path.starts_with(b"/proc/self/fd/"));
    assert_eq!(content, b"\nk\0\xff\n400\n");
    let answer = after(answer).args("check").run().ok();
    assert!(
        answer
            .out
            .contains("KEY       .env.dump:2  text      -        memory file\n"),
        "{}",
        answer.out
    );
    // Written by hand it is a comment.
    let answer = Shim::new()
        .file(".env.dump", "#envshim:file KEY=awD/Cg\nA=1")
        .environment();
    answer.lacks("KEY").has("A", "1");
}

#[test]
fn names_that_others_would_misread_are_told() {
    let vault = "a.b=1\nA=1\nTICK=\"it's `id`\"\n";
    let answer = Shim::new().file(".vault", vault).args("dump").run().ok();
    assert_eq!(
        answer.err,
        "envshim: warning: .env.dump: `a.b`: skipped by sh (not a name there)\n\
         envshim: warning: .env.dump: `TICK`: skipped by sh (a backtick beside quotes)\n"
    );
    from_the_dump(answer)
        .environment()
        .has("a.b", "1")
        .has("TICK", "it's `id`");
}

#[test]
fn dumps_of_other_tools_are_read_with_their_rules() {
    let shim = || {
        Shim::new().file(
            "env.dump",
            "A=\"x\\ty\"\nB=${A}${HOME}\nC=vault:app#key\nD=$A\nAWS_REGION=eu\nENVSHIM_NAMES=x\n",
        )
    };
    let answer = shim().env("HOME", "/h").environment().quiet();
    let answer = answer
        .has("A", "x\ty")
        .has("B", "x\ty/h")
        .has("C", "vault:app#key")
        .has("D", "$A");
    // Nothing in a dump is a setting.
    answer.has("AWS_REGION", "eu").has("ENVSHIM_NAMES", "x");
    // Its imports are done.
    let shim = Shim::new()
        .file(".env.dump", "A=1")
        .env("ENVSHIM_IMPORT", "file:/none");
    shim.environment().has("A", "1");
    // `sh` and we read one file alike.
    let answer = Shim::new()
        .file(".vault", "A=\"it's $HOME\\n`x`\"\nB='${HOME}'")
        .env("HOME", "/h")
        .args("dump")
        .run()
        .ok();
    shell(&answer.folder, ". ./.env.dump && test \"$B\" = /h");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 40,
        failure_persistence: Some(Box::new(FileFailurePersistence::Off)),
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_was_loaded_is_what_the_dump_gives(values in btree_map("[A-Z]{2,4}[a-z.]{0,2}", vec(any::<u8>(), 0..60), 1..8)) {
        // A NUL has no way out, and one final line end is dropped.
        let mut vault = String::from("SECRET_MANAGER_PATH=s\n");
        let mut shim = Shim::new();
        for (name, value) in &values {
            vault.push_str(&format!("V{name}=file:{name}\n"));
            let value: Vec<u8> = value.iter().map(|byte| (*byte).max(1)).chain(*b".").collect();
            shim = shim.file(&format!("s/{name}"), value);
        }
        let loaded = shim.file(".vault", vault).args("--dump").environment();
        let before: Vec<Vec<u8>> = loaded.strings().iter().map(|string| string.to_vec()).collect();
        prop_assert_eq!(before.len(), values.len() + 2);
        let dumped = from_the_dump(loaded).environment().quiet();
        let mut after: Vec<Vec<u8>> = dumped.strings().iter().map(|string| string.to_vec()).collect();
        let mut before = before;
        before.sort();
        after.sort();
        prop_assert_eq!(before, after);
    }
}
