//! The program's own status passes unchanged; 126 and 127 say that it could not be started, with the
//! reason and the cure.

use std::os::unix::fs::symlink;
use std::path::Path;

use super::house::probe::{self, Start};
use super::house::{Answer, Shim, set_mode};

/// Nothing to load; `words` behind `--`.
fn shim(words: &[&str]) -> Shim {
    let mut shim = Shim::new().env("secrets_loaded", "1").arg("--");
    for word in words {
        shim = shim.arg(word);
    }
    shim
}

/// Runs a file of the folder with these bytes and this mode.
fn file(content: impl AsRef<[u8]>, mode: u32) -> Answer {
    let shim = shim(&["./app", "one", "two"]).file("app", content);
    set_mode(&shim.folder.join("app"), mode);
    shim.run()
}

#[test]
fn the_status_of_the_program_is_the_status() {
    for code in [0, 1, 7, 125, 126, 127, 128, 255] {
        let answer = shim(&["sh", "-c", &format!("exit {code}")])
            .run()
            .exits(code);
        assert_eq!((answer.out.as_str(), answer.err.as_str()), ("", ""));
    }
    for signal in [1, 9, 13, 15] {
        let answer = shim(&["sh", "-c", &format!("kill -{signal} $$")]).run();
        assert_eq!((answer.code, answer.signal), (None, Some(signal)));
    }
}

#[test]
fn not_found() {
    let answer = shim(&["envshim-no-such-program"]).run().exits(127);
    assert!(
        answer
            .err
            .starts_with("envshim: error: envshim-no-such-program: not found in PATH\n")
    );
    assert_eq!(answer.out, "");
    shim(&["./nothing"])
        .run()
        .exits(127)
        .says("./nothing: does not exist");
    shim(&["/nowhere/at/all"])
        .run()
        .exits(127)
        .says("/nowhere/at/all: does not exist, there is no folder `/nowhere/at`");
    shim(&[""]).run().exits(127).says("its name is empty");
}

#[test]
fn what_was_meant() {
    let names = |name: &str, typed: &str| {
        let shim = shim(&[typed]).file(&format!("bin/{name}"), "");
        set_mode(&shim.folder.join(&format!("bin/{name}")), 0o755);
        let path = shim.folder.join("bin");
        shim.env("PATH", path).run().exits(127)
    };
    names("gunicorn", "gunicron").says("hint: did you mean `gunicorn`?");
    names("gunicorn", "./bin/gunicron").says("hint: did you mean `./bin/gunicorn`?");
    names("gunicorn", "python").says("hint: add its folder to PATH, or write its whole path");

    let shim = shim(&["manage.py"]).file("manage.py", "#!/bin/sh\n");
    set_mode(&shim.folder.join("manage.py"), 0o755);
    shim.run()
        .exits(127)
        .says("hint: it is in this folder; write ./manage.py");
}

#[test]
fn words_for_a_shell() {
    shim(&["cd", "/app"])
        .run()
        .exits(127)
        .says("hint: `cd` is a word of the shell");
    shim(&["psql postgres://u:c4n4ry@db/app"])
        .run()
        .exits(127)
        .says("envshim: error: psql ...: there is no such program\n")
        .says("hint: it is one word; write it without quotes, or let a shell cut it")
        .hides("c4n4ry");
}

#[test]
fn a_folder_and_a_file_without_x() {
    let folder = shim(&["./bin"]).file("bin/x", "").run().exits(126);
    folder.says("./bin: is a folder, not a program");
    file("#!/bin/sh\n", 0o644)
        .exits(126)
        .says("./app: has no execute permission\nenvshim: hint: chmod +x ./app");
    shim(&["/dev/null"])
        .run()
        .exits(126)
        .says("/dev/null: is a device");
}

#[test]
fn a_link_that_leads_nowhere() {
    let shim = shim(&["./app"]);
    symlink("versions/7/app", shim.folder.join("app")).unwrap();
    shim.run()
        .exits(127)
        .says("./app: is a symbolic link to `versions/7/app`, which does not exist");
}

#[test]
fn a_script_without_a_first_line_is_run_by_the_shell() {
    let answer = file("echo \"$0 $*\"; exit 5\n", 0o755).exits(5);
    assert_eq!(answer.out, "./app one two\n");
    file("", 0o755).ok();
    file("#!\nexit 6\n", 0o755).exits(6);
}

#[test]
fn a_missing_interpreter_is_named() {
    file("#!/opt/venv/bin/python3 -u\n", 0o755)
        .exits(126)
        .says("./app: its first line asks for the interpreter `/opt/venv/bin/python3`, which does not exist")
        .says("hint: install `/opt/venv/bin/python3` in this image, or change the first line");
    file("#!/bin/sh\r\necho\r\n", 0o755)
        .exits(126)
        .says("./app: its first line ends in CR LF, and the kernel looks for an interpreter `/bin/sh\\r`")
        .says("hint: sed -i 's/\\r$//' ./app");
    file("#!/etc\n", 0o755)
        .exits(126)
        .says("`/etc`, which it needs: is a folder");
    file("#!/etc/passwd\n", 0o755)
        .exits(126)
        .says("./app: `/etc/passwd`, which it needs: has no execute permission");
}

/// A copy of a dynamic program whose loader has another name.
#[test]
fn a_missing_loader_is_named() {
    let program = std::fs::read("/bin/true").expect("a program");
    let at = program
        .windows(7)
        .position(|w| w == b"/ld-lin")
        .expect("a dynamic /bin/true");
    let mut changed = program.clone();
    changed[at..at + 7].copy_from_slice(b"/ld-mus");
    file(&changed, 0o755)
        .exits(126)
        .says("/ld-musux")
        .says("./app: the program needs the loader `/lib");
}

#[test]
fn a_program_for_another_machine() {
    let mut program = std::fs::read("/bin/true").expect("a program");
    // s390x in this byte order is no machine that anything here emulates.
    program[18..20].copy_from_slice(&22u16.to_le_bytes());
    file(&program, 0o755)
        .exits(126)
        .says("./app: is built for s390x, and this machine is ");
    file(b"MZ\x90\0\x03\0", 0o755)
        .exits(126)
        .says("./app: is neither a program for this kernel nor a script");
}

#[test]
fn an_empty_path_entry_is_the_current_folder() {
    for path in ["", ":/nowhere", "/nowhere:", "/nowhere::/usr/bin", "."] {
        let shim = shim(&["app"]).file("app", "exit 9\n").env("PATH", path);
        set_mode(&shim.folder.join("app"), 0o755);
        shim.run().exits(9);
    }
}

/// What is there and cannot be run is passed over for a later one that can, as `execvp` does.
#[test]
fn the_search_goes_on_to_a_program_that_can_be_run() {
    let shim = shim(&["app"])
        .file("a/app", "#!/bin/sh\nexit 1\n")
        .file("b/app/inside", "")
        .file("c/app", "#!/nowhere/sh\nexit 3\n")
        .file("d/app", "#!/bin/sh\nexit 4\n");
    set_mode(&shim.folder.join("c/app"), 0o755);
    set_mode(&shim.folder.join("d/app"), 0o755);
    symlink("nowhere", shim.folder.join("app")).unwrap();
    shim.env("PATH", "/etc/passwd:.:a:b:c:d").run().exits(4);
}

#[test]
fn without_path_the_system_folders_are_searched() {
    let mut start = Start::new(|| {});
    start.environment = vec![b"secrets_loaded=1".to_vec()];
    let words = [b"-c".to_vec(), b"exit 8".to_vec()];
    let mut child = start.spawn(true, Path::new("sh"), &words);
    assert_eq!(child.wait().unwrap().code(), Some(8));
    let mut child = start.spawn(true, Path::new("no-such-program"), &[]);
    assert_eq!(child.wait().unwrap().code(), Some(127));
    let said = String::from_utf8(start.folder.read("stderr")).unwrap();
    assert!(
        said.contains("not found in /bin:/usr/bin, and there is no PATH"),
        "{said}"
    );
}

/// The program is looked for in the environment that it gets, not in ours.
#[test]
fn the_path_of_the_loaded_environment_counts() {
    let shim = Shim::new()
        .file("tools/app", "#!/bin/sh\nexit 11\n")
        .args("--override -- app");
    set_mode(&shim.folder.join("tools/app"), 0o755);
    let path = format!("PATH={}\n", shim.folder.join("tools").display());
    shim.file(".vault", path).run().exits(11);
}

#[test]
fn another_name_for_the_program() {
    let answer = Shim::new()
        .env("secrets_loaded", "1")
        .args("--arg0 -login -- cat /proc/self/cmdline")
        .run()
        .ok();
    assert_eq!(answer.out, "-login\0/proc/self/cmdline\0");
    let typed = shim(&["cat", "/proc/self/cmdline"]).run().ok();
    assert_eq!(
        typed.out, "cat\0/proc/self/cmdline\0",
        "as typed, not as found"
    );
}

/// All strings together, around the kernel's limit: it starts, or the largest variables are named
/// with their sizes. Never a value, never a bare `E2BIG`.
#[test]
fn more_than_the_kernel_takes() {
    const STACK: usize = 8 << 20;
    for over in [-4096, -600, -400, -100, 0, 1, 4096] {
        let mut start = Start::new(|| {
            let stack = nix::sys::resource::Resource::RLIMIT_STACK;
            nix::sys::resource::setrlimit(stack, STACK as u64, STACK as u64).expect("a limit");
        });
        let path = b"PATH=/usr/bin:/bin".to_vec();
        let mut strings = vec![path.clone(), b"secrets_loaded=1".to_vec(), b"true".to_vec()];
        strings
            .extend((0..19).map(|n| format!("LARGE_{n:02}={}", "x".repeat(100_000)).into_bytes()));
        let counted: usize = strings.iter().map(|string| string.len() + 1 + 8).sum();
        let rest = (STACK / 4 - counted)
            .checked_add_signed(over)
            .expect("room");
        let (half, other) = (rest / 2, rest - rest / 2);
        for (name, size) in [("LARGE_A", half), ("LARGE_B", other)] {
            let value = "x".repeat(size - name.len() - 1 - 1 - 8);
            strings.push(format!("{name}={value}").into_bytes());
        }
        let vault = strings.split_off(3).join(&b'\n');
        start.folder.write(".vault", vault);
        start.environment = vec![path];
        let code = start
            .spawn(true, Path::new("true"), &[])
            .wait()
            .expect("an end")
            .code();
        let said = String::from_utf8(start.folder.read("stderr")).expect("text");
        match code {
            Some(0) => assert_eq!(said, ""),
            Some(125 | 126) => assert!(said.contains("`LARGE_00` ("), "{over}: {said}"),
            code => panic!("{over}: {code:?} {said}"),
        }
        // Between them lies what the kernel takes for itself.
        match over {
            -4096 => assert_eq!(code, Some(0)),
            1.. => assert_ne!(code, Some(0)),
            _ => {}
        }
        assert!(!said.contains("xxxx"));
    }
}

/// One string over the limit.
#[test]
fn a_longer_variable_than_the_kernel_takes() {
    let entry = format!("LARGE={}\n", "x".repeat(131_072));
    let answer = Shim::new().file(".vault", entry).args("-- true").run();
    assert!(
        [Some(125), Some(126)].contains(&answer.code),
        "{:?}",
        answer.code
    );
    answer.says("LARGE").hides("xxxx");
}

/// Our words are not worth a start: a closed or full stderr stops nothing.
#[test]
fn a_broken_stderr_stops_nothing() {
    let full = || {
        std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full")
    };
    let broken = || {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        writer
    };
    let status = |command: &mut std::process::Command| command.status().expect("a start").code();
    let shim = |words: &str| {
        Shim::new()
            .env("secrets_loaded", "1")
            .env("ENVSHIM_LOG", "debug")
            .args(words)
    };
    for (words, code) in [
        ("-- true", 0),
        ("-- no-such-program", 127),
        ("-- /etc", 126),
    ] {
        assert_eq!(
            status(shim(words).command().stderr(full())),
            Some(code),
            "{words}, full"
        );
        assert_eq!(
            status(shim(words).command().stderr(broken())),
            Some(code),
            "{words}, broken"
        );
    }
    let closed = Start::new(|| {
        nix::unistd::close(2).expect("stderr");
    });
    for (program, code) in [(probe::program(), 42), (Path::new("no-such-program"), 127)] {
        let words = [b"report".to_vec()];
        closed.folder.write(".vault", "A=1\n");
        assert_eq!(
            closed.spawn(true, program, &words).wait().unwrap().code(),
            Some(code)
        );
    }
    assert_eq!(closed.folder.read("stderr"), b"");
}
