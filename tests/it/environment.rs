//! The environment that the program gets: who wins, what is taken out, what the kernel would refuse.

use std::os::unix::process::CommandExt;

use super::house::program::{is_root, reachable};
use super::house::{Answer, Shim};

fn vault(text: &str) -> Shim {
    Shim::new().file(".vault", text)
}

#[test]
fn inherited_values_win_and_differing_ones_are_named() {
    let shim = || {
        let shim = vault("A=loaded\nB=loaded\nSAME=same\nNEW=new\nEMPTY=loaded");
        shim.env("A", "mine")
            .env("B", "mine")
            .env("SAME", "same")
            .env("EMPTY", "")
    };
    let answer = shim().environment();
    assert_eq!(
        answer.err,
        "envshim: warning: already set to another value, which stays: A, B, EMPTY\n\
         envshim: hint: unset them, or start with --override to let the loaded values win\n"
    );
    answer
        .has("A", "mine")
        .has("B", "mine")
        .has("SAME", "same")
        .has("NEW", "new")
        .has("EMPTY", "");
    let answer = shim().args("--override").environment().quiet();
    answer
        .has("A", "loaded")
        .has("B", "loaded")
        .has("SAME", "same")
        .has("EMPTY", "loaded");
    // From a dump and from a store alike.
    let dump = shim().file(".env.dump", "A=loaded");
    dump.environment().has("A", "mine").says("which stays: A\n");
    let shim = vault("ENVSHIM_IMPORT=file:*")
        .file("s/A", "loaded")
        .env("SECRET_MANAGER_PATH", "s")
        .env("A", "mine");
    shim.environment().has("A", "mine").says("which stays: A\n");
}

#[test]
fn what_authenticates_envshim_stays_with_it() {
    let ours: Vec<&str> = (envshim::provider::PROVIDERS
        .iter()
        .flat_map(|row| row.settings))
    .filter(|setting| setting.bootstrap)
    .map(|setting| setting.name)
    .chain(["ENVSHIM_PASSWORD", "ENVSHIM_KEY", "ENCRYPTION_KEY"])
    .collect();
    for name in ours {
        let shim = || Shim::new().args("--optional").env(name, "x");
        shim().environment().lacks(name).quiet();
        shim().args("--pass").arg(name).environment().has(name, "x");
        shim()
            .env("ENVSHIM_PASS", format!("OTHER, {name}"))
            .environment()
            .has(name, "x");
    }
    // Also where nothing is loaded, and out of the file's own list.
    let shim = Shim::new()
        .env("secrets_loaded", "1")
        .env("ENVSHIM_PASSWORD", "x");
    shim.environment().lacks("ENVSHIM_PASSWORD");
    vault("A=1\nENVSHIM_PASS=ENVSHIM_KEY")
        .env("ENVSHIM_KEY", "x")
        .environment()
        .has("ENVSHIM_KEY", "x");
    // What SDKs inside the program read stays, and so do the settings of a nested envshim.
    let answer = vault("A=1")
        .env("AWS_SECRET_ACCESS_KEY", "x")
        .env("ENVSHIM_LOG", "warn")
        .environment();
    answer
        .has("AWS_SECRET_ACCESS_KEY", "x")
        .has("ENVSHIM_LOG", "warn");
    // The program's own, by the same name.
    vault("ENCRYPTION_KEY=app")
        .env("ENCRYPTION_KEY", "old")
        .environment()
        .has("ENCRYPTION_KEY", "app");
}

#[test]
fn scrubbed_and_pristine() {
    let shim = || {
        vault("A=1")
            .env("B", "b")
            .env("C", "c")
            .env("HOME", "/h")
            .env("LC_ALL", "C")
            .env("TERM", "dumb")
    };
    shim()
        .args("--scrub B,NONE")
        .environment()
        .lacks("B")
        .has("C", "c")
        .quiet();
    // Scrubbing wins over passing, and takes nothing out of what was loaded.
    shim().args("--scrub B --pass B").environment().lacks("B");
    shim()
        .args("--scrub A")
        .env("A", "mine")
        .environment()
        .has("A", "1")
        .quiet();
    let answer = shim().args("--pristine --pass C").environment();
    let answer = answer
        .lacks("B")
        .has("C", "c")
        .has("HOME", "/h")
        .has("LC_ALL", "C")
        .has("TERM", "dumb")
        .has("A", "1");
    assert_eq!(answer.strings().len(), 7, "{}", answer.out);
    for name in envshim::environment::USUAL {
        let shim = vault("A=1").args("--pristine").env(name, "/usr/bin:/bin");
        shim.environment().has(name, "/usr/bin:/bin");
    }
}

#[test]
fn odd_strings_pass_as_they_are() {
    // Bytes that are not text, names that are none, a name that is there twice.
    let shim = vault("A=1").args("-- env -0");
    let launcher = r#"
        import os, sys
        env = [b"PATH=/usr/bin:/bin", b"N\xff=\xfe\x01\n", b"noequals", b"=x", b"TWICE=1", b"TWICE=2"]
        import ctypes
        libc = ctypes.CDLL(None, use_errno=True)
        argv = [a.encode() for a in sys.argv[1:]]
        arr = (ctypes.c_char_p * (len(argv) + 1))(*argv, None)
        envp = (ctypes.c_char_p * (len(env) + 1))(*env, None)
        libc.execve(argv[0], arr, envp)
    "#;
    let script: String = launcher
        .lines()
        .map(|line| line.strip_prefix("        ").unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n");
    let mut command = std::process::Command::new("python3");
    command
        .arg("-c")
        .arg(script.trim_start())
        .arg(super::house::envshim())
        .args(["--", "env", "-0"]);
    let output = command
        .current_dir(shim.folder.path())
        .output()
        .expect("an end");
    let answer = Answer::new(output, shim.folder).ok();
    let want: [&[u8]; 8] = [
        b"PATH=/usr/bin:/bin",
        b"N\xff=\xfe\x01\n",
        b"noequals",
        b"=x",
        b"TWICE=1",
        b"TWICE=2",
        b"A=1",
        b"secrets_loaded=1",
    ];
    assert_eq!(answer.strings(), want);
}

#[test]
fn values_are_bytes() {
    let odd: Vec<u8> = (1..=255).collect();
    let shim = vault("A=file:odd")
        .file("odd", &odd)
        .env("SECRET_MANAGER_PATH", ".");
    shim.environment().has("A", &odd);
    let dump = "# envshim dump, format 1: values are literal\n#envshim:base64 A=//4\n";
    Shim::new()
        .file(".env.dump", dump)
        .environment()
        .has("A", b"\xff\xfe");
}

#[test]
fn a_nul_byte_is_refused_by_name() {
    let shim = vault("OK=1\nA=file:nul\nB=x${file:nul}")
        .file("nul", "a\0b")
        .env("SECRET_MANAGER_PATH", ".");
    assert_eq!(
        shim.refused().err,
        "envshim: error: .vault:2: A: the value holds a NUL byte, which no environment can carry\n\
         envshim: hint: hand it over as a file: NAME=scheme:...?as=file\n\
         envshim: error: .vault:3: B: the value holds a NUL byte, which no environment can carry\n\
         envshim: hint: hand it over as a file: NAME=scheme:...?as=file\n"
    );
}

#[test]
fn a_string_over_the_kernels_limit_is_refused_by_name() {
    // `A=`, the value and the final NUL: 131,072 bytes.
    let fits = "x".repeat((128 << 10) - 3);
    let shim = vault("A=file:long")
        .file("long", &fits)
        .env("SECRET_MANAGER_PATH", ".");
    shim.environment().has("A", &fits);
    let shim = vault("A=file:long")
        .file("long", fits + "y")
        .env("SECRET_MANAGER_PATH", ".");
    let answer = shim.refused().hides("xxxx");
    assert_eq!(
        answer.err,
        "envshim: error: .vault:1: A: the value has 131070 bytes; the kernel takes 131072 for one variable with its name\n\
         envshim: hint: hand it over as a file: NAME=scheme:...?as=file\n"
    );
}

#[test]
fn a_total_over_the_kernels_limit_is_refused_with_names() {
    let many = |count: usize| {
        let lines: Vec<String> = (0..count)
            .map(|n| format!("A{n:02}={}\n", "x".repeat(100_000 + n)))
            .collect();
        vault(&lines.concat())
    };
    many(15).environment().has("A00", "x".repeat(100_000));
    let answer = many(30).refused().hides("xxxx");
    let mut lines = answer.err.lines();
    let what = lines.next().expect("an error");
    assert!(
        what.starts_with(
            "envshim: error: the environment of 32 variables and the arguments have 30"
        ),
        "{what}"
    );
    assert!(what.ends_with("bytes; the kernel takes 2097152"), "{what}");
    assert_eq!(
        lines.next(),
        Some(
            "envshim: hint: the largest are `A29` (97 KiB), `A28` (97 KiB), `A27` (97 KiB); \
              hand them over with ?as=file, or raise the limit: ulimit -s"
        )
    );
    // The arguments count too; what was inherited is named as well.
    let mut shim = many(12)
        .env("BIG", "y".repeat(120_000))
        .arg("--")
        .arg("true");
    for _ in 0..8 {
        shim = shim.arg("z".repeat(100_000));
    }
    let answer = shim.run().exits(125).hides("zzzz").hides("yyyy");
    answer.says("the largest are `BIG` (117 KiB), `A11`");
}

/// A `.vault` whose program is this shell script.
fn script(text: &str, script: &str) -> Shim {
    let shim = vault(text)
        .file("s/key", "-----KEY\nx\0\n")
        .file("s/b", "b\n")
        .env("SECRET_MANAGER_PATH", "s");
    shim.arg("--").arg("sh").arg("-ec").arg(script)
}

#[test]
fn memory_files() {
    // The path, the content (twice, by two processes), the mode.
    let answer = script(
        "A=file:key?as=file\nB=file:b?as=file",
        "echo $A; cat $A $A; cat <$A; cat $B; stat -Lc %a%F $A; readlink $A",
    )
    .run()
    .ok();
    let lines: Vec<&str> = answer.out.split('\n').collect();
    let number: u32 = lines[0]
        .strip_prefix("/proc/self/fd/")
        .expect("a path")
        .parse()
        .expect("a number");
    assert!(number > 2);
    assert_eq!(
        &answer.out[lines[0].len()..],
        "\n-----KEY\nx\0-----KEY\nx\0-----KEY\nx\0b400regular file\n/memfd:A (deleted)\n"
    );
    // Nobody changes it, and nobody can lift that.
    let python = "import fcntl, os\nfd = int(os.environ['A'].rsplit('/')[-1])\nprint(fcntl.fcntl(fd, 1034))\nfor what in (lambda: os.write(fd, b'x'), lambda: os.ftruncate(fd, 0), lambda: os.ftruncate(fd, 99), lambda: fcntl.fcntl(fd, 1033, 1)):\n    try: what(); print('changed')\n    except OSError as e: print(e.errno)\n";
    let shim = vault("A=file:key?as=file")
        .file("s/key", "k")
        .env("SECRET_MANAGER_PATH", "s");
    let answer = shim.args("-- python3 -c").arg(python).run().ok();
    let seals: u32 = answer
        .out
        .lines()
        .next()
        .expect("seals")
        .parse()
        .expect("a number");
    // Seal, shrink, grow, write.
    assert_eq!(seals & 0xf, 0xf);
    assert_eq!(
        answer.out.lines().skip(1).collect::<Vec<_>>(),
        ["1", "1", "1", "1"]
    );
    // An empty one, one of a default, one beyond what a variable can hold.
    let answer = script(
        "A=file:none?default=&as=file\nB=file:none?default=x&as=file\nC=file:big?as=file",
        "wc -c <$A; cat $B; wc -c <$C",
    )
    .file("s/big", vec![b'x'; 3_000_000])
    .run()
    .ok();
    assert_eq!(answer.out, "0\nx3000000\n");
    let answer = script("A=file:none?optional=1&as=file", "echo ${A-unset}")
        .run()
        .ok();
    assert_eq!(answer.out, "unset\n");
}

#[test]
fn nothing_but_memory_files_is_inherited() {
    let list = "ls -l /proc/self/fd | sed -n 's/.* \\([0-9]*\\) -> /\\1 /p'";
    let bare = script("A=1", list).run().ok().out;
    let with = script("A=1\nF=file:key?as=file\nG=file:b?as=file", list)
        .run()
        .ok()
        .out;
    let numbers = |text: &str| text.lines().filter(|line| line.contains("memfd:")).count();
    assert_eq!((numbers(&bare), numbers(&with)), (0, 2), "{with}");
    assert_eq!(
        bare.lines().count() + 2,
        with.lines().count(),
        "{bare}\n{with}"
    );
    // Helpers do not see them.
    let helper = "A=file:key?as=file\nB=exec:sh -c 'ls -l /proc/self/fd | grep -c memfd || true'";
    assert_eq!(script(helper, "echo $B").run().ok().out, "0\n");
    // A value that is not used is not made.
    let shim = script("A=file:key?as=file", list).env("A", "mine");
    assert_eq!(numbers(&shim.run().ok().out), 0);
}

#[test]
fn memory_files_for_another_user() {
    if !is_root() {
        return;
    }
    let drop = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let answer = script("A=file:b?as=file", &format!("{drop} cat $A")).run();
    assert_ne!(answer.code, Some(0), "only its owner reads it");
    for owner in ["65534", "65534:65534"] {
        let shim = script(
            "A=file:b?as=file\nENVSHIM_FILE_OWNER=1",
            &format!("{drop} cat $A; stat -Lc %u $A"),
        );
        let answer = shim.env("ENVSHIM_FILE_OWNER", owner).run().ok();
        assert_eq!(answer.out, "b65534\n");
    }
    // Only root can give files away.
    let shim = Shim::new()
        .file("s/b", "b")
        .file(".vault", "A=file:b?as=file")
        .env("SECRET_MANAGER_PATH", "s");
    let shim = shim.args("--file-owner 0 -- true");
    let binary = reachable(&shim.folder);
    for name in [".vault", "s/b"] {
        std::os::unix::fs::chown(shim.folder.join(name), Some(65534), None).expect("chown");
    }
    let mut command = std::process::Command::new(binary);
    command
        .args(["--file-owner", "0", "--", "true"])
        .env_clear()
        .env("SECRET_MANAGER_PATH", "s");
    let output = command
        .current_dir(shim.folder.path())
        .uid(65534)
        .gid(65534)
        .output()
        .expect("an end");
    Answer::new(output, shim.folder)
        .exits(125)
        .says("envshim: error: A: the memory file cannot be made: operation not permitted\n")
        .says("envshim: hint: only root can give it to another user; leave --file-owner out\n");
}

#[test]
fn references_in_inherited_variables() {
    let shim = || {
        let shim = vault("A=1")
            .file("s/one", "found\n")
            .env("SECRET_MANAGER_PATH", "s")
            .env("OTHER", "o");
        shim.env("B", "file:one")
            .env("C", "x${file:one}y ${OTHER} $OTHER")
            .env("D", "https://example.com")
    };
    // Not unless asked for: a variable may hold text that a stranger wrote.
    shim().environment().has("B", "file:one").quiet();
    let answer = shim().args("--resolve-env").environment().quiet();
    answer
        .has("B", "found")
        .has("C", "xfoundy ${OTHER} $OTHER")
        .has("D", "https://example.com")
        .has("A", "1");
    // It is a source by itself, and what it gives counts as set by the user.
    let alone = Shim::new()
        .args("--resolve-env")
        .file("s/one", "found")
        .env("SECRET_MANAGER_PATH", "s");
    alone
        .env("B", "file:one")
        .environment()
        .has("B", "found")
        .has("secrets_loaded", "1");
    let answer = shim()
        .file(".vault", "B=loaded")
        .args("--resolve-env")
        .environment();
    answer.has("B", "found").says("which stays: B\n");
    // Never a program: a stranger's text must not run one.
    let exec = || {
        shim()
            .env("E", "exec:touch ran")
            .env("F", "x${exec:touch ran}")
            .args("--resolve-env")
    };
    let answer = exec()
        .environment()
        .has("E", "exec:touch ran")
        .has("F", "x${exec:touch ran}");
    assert!(!answer.folder.join("ran").exists());
    // Mistakes have the variable's name.
    let answer = shim()
        .env("B", "file:none")
        .env("G", "file:%")
        .args("--resolve-env")
        .refused();
    answer.says("environment: G: a `%` in a reference");
    let answer = shim().env("B", "file:none").args("--resolve-env").refused();
    answer.says("envshim: error: environment: B: file:none: there is no `s/none`\n");
    // What may be missing and is, is not set; least of all to its own reference.
    shim()
        .env("B", "file:none?optional=1")
        .args("--resolve-env")
        .environment()
        .lacks("B");
    shim()
        .env("B", "file:none?default=d")
        .args("--resolve-env")
        .environment()
        .has("B", "d");
    let shim = shim()
        .env("B", "file:one?as=file")
        .args("--resolve-env")
        .arg("--");
    let answer = shim.arg("sh").arg("-c").arg("cat $B").run().ok();
    assert_eq!(answer.out, "found");
}

#[test]
fn variables_from_files_as_dockers_images_do() {
    let shim = || vault("A=1").file("s/pg", "p4ss\n").file("s/two", "2\n\n");
    let path = |shim: &Shim, name: &str| shim.folder.join(name).display().to_string();
    let set = |args: &str| {
        let shim = shim().args(args);
        let (pg, two) = (path(&shim, "s/pg"), path(&shim, "s/two"));
        shim.env("PG_FILE", pg)
            .env("TWO_FILE", two)
            .env("LOG_FILE", "/none/such.log")
            .env("OUT_FILE", "rel/x")
    };
    set("").environment().lacks("PG");
    let answer = set("--file-env PG,TWO").environment().quiet();
    answer
        .has("PG", "p4ss")
        .lacks("PG_FILE")
        .has("TWO", "2\n")
        .lacks("TWO_FILE")
        .has("LOG_FILE", "/none/such.log");
    let answer = set("--file-env *").environment().quiet();
    answer
        .has("PG", "p4ss")
        .has("TWO", "2\n")
        .lacks("PG_FILE")
        .has("LOG_FILE", "/none/such.log")
        .has("OUT_FILE", "rel/x");
    // It is a source by itself, and its values can be used in the file.
    let alone = Shim::new().args("--file-env PG").file("pg", "p");
    let pg = path(&alone, "pg");
    alone
        .env("PG_FILE", pg)
        .environment()
        .has("PG", "p")
        .has("secrets_loaded", "1");
    set("--file-env PG")
        .file(".vault", "URL=x:${PG}@y")
        .environment()
        .has("URL", "x:p4ss@y");
    // The variable itself will do; both are a mistake, for nobody knows which is meant.
    shim()
        .args("--file-env PG")
        .env("PG", "own")
        .environment()
        .has("PG", "own")
        .quiet();
    let answer = set("--file-env PG")
        .env("PG", "own")
        .refused()
        .hides("p4ss");
    answer
        .says("error: PG and PG_FILE are both set\n")
        .says("hint: unset one of them: env -u PG\n");
    set("--file-env *")
        .env("PG", "own")
        .environment()
        .has("PG", "own")
        .quiet();
    let answer = set("--file-env PG,LOG,NONE").refused();
    answer
        .says("error: LOG_FILE: /none/such.log: there is no such file\n")
        .says("error: --file-env NONE: NONE_FILE is not set\n");
    let shim = shim().args("--file-env DIR").env("DIR_FILE", "s");
    shim.refused()
        .says("error: DIR_FILE: s: is a folder, not a file");
    // Ours are none of it.
    let shim = set("--file-env *");
    let key = shim.folder.write("key", "x");
    shim.env("ENVSHIM_KEY_FILE", key)
        .environment()
        .lacks("ENVSHIM_KEY");
}

#[test]
fn the_command_line_is_the_programs_alone() {
    let shim = vault("A=s3cr3t")
        .arg("--")
        .arg("cat")
        .arg("/proc/self/cmdline");
    assert_eq!(shim.run().ok().out, "cat\0/proc/self/cmdline\0");
}
