//! The one helper folder: a fluent way to start the real binary in a folder of its own, and the
//! answer as a user sees it.

pub mod authority;
pub mod aws;
pub mod azure;
pub mod contract;
pub mod google;
pub mod hcp;
pub mod namespace;
pub mod openbao;
pub mod outage;
pub mod podman;
pub mod postgres;
pub mod probe;
pub mod program;
pub mod pty;
pub mod server;
pub mod wire;

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// The binary under test.
pub fn envshim() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_envshim"))
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The Python with the oracles (python-dotenv, cryptography, Django), made by `tests/all`.
pub fn python() -> PathBuf {
    let python = repository().join("target/venv/bin/python");
    assert!(
        python.exists(),
        "{} is missing: run tests/all once, it makes the Python environment",
        python.display()
    );
    python
}

/// Whether the caller of the tests left this part out knowingly (`ENVSHIM_TEST_WITHOUT=a,b`).
pub fn without(part: &str) -> bool {
    std::env::var("ENVSHIM_TEST_WITHOUT").is_ok_and(|list| list.split(',').any(|p| p == part))
}

/// A folder of its own, removed with its owner.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let n = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("envshim-{}-{n}", std::process::id()));
        std::fs::create_dir(&path).expect("a new folder");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file with mode 0600, making its folders.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.join(name);
        std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
        std::fs::write(&path, content).expect("a file");
        set_mode(&path, 0o600);
        path
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

pub fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("chmod");
}

/// A start of envshim: an empty environment but PATH, a folder of its own, no terminal.
pub struct Shim {
    pub folder: Folder,
    args: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    stdin: Vec<u8>,
}

impl Shim {
    pub fn new() -> Shim {
        Shim {
            folder: Folder::new(),
            args: Vec::new(),
            variables: vec![("PATH".into(), "/usr/local/bin:/usr/bin:/bin".into())],
            stdin: Vec::new(),
        }
    }

    pub fn file(self, name: &str, content: impl AsRef<[u8]>) -> Shim {
        self.folder.write(name, content);
        self
    }

    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Shim {
        self.variables
            .push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// Words separated by blanks; use [`Shim::arg`] for words that hold blanks.
    pub fn args(mut self, words: &str) -> Shim {
        self.args
            .extend(words.split_whitespace().map(OsString::from));
        self
    }

    pub fn arg(mut self, word: impl AsRef<OsStr>) -> Shim {
        self.args.push(word.as_ref().to_owned());
        self
    }

    pub fn stdin(mut self, bytes: impl AsRef<[u8]>) -> Shim {
        self.stdin = bytes.as_ref().to_owned();
        self
    }

    /// The command, for tests that need a say in how it is started.
    pub fn command(&self) -> Command {
        let mut command = Command::new(envshim());
        command
            .args(&self.args)
            .env_clear()
            .envs(self.variables.iter().cloned())
            .current_dir(self.folder.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    pub fn spawn(&self) -> Child {
        self.command().spawn().expect("envshim starts")
    }

    /// Runs it to its end. The folder lives on in the answer.
    pub fn run(self) -> Answer {
        let mut child = self.spawn();
        let mut stdin = child.stdin.take().expect("stdin");
        // A program that reads no stdin closes it; that is no failure.
        drop(stdin.write_all(&self.stdin));
        drop(stdin);
        let output = child.wait_with_output().expect("an end");
        Answer::new(output, self.folder)
    }
}

/// What a user sees of one run.
pub struct Answer {
    pub code: Option<i32>,
    pub signal: Option<i32>,
    pub out: String,
    pub bytes: Vec<u8>,
    pub err: String,
    pub folder: Folder,
}

impl Answer {
    pub fn new(output: Output, folder: Folder) -> Answer {
        Answer {
            code: output.status.code(),
            signal: output.status.signal(),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            bytes: output.stdout,
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
            folder,
        }
    }

    /// It ended well; the whole of stderr is in the message if not.
    #[track_caller]
    pub fn ok(self) -> Answer {
        self.exits(0)
    }

    #[track_caller]
    pub fn exits(self, code: i32) -> Answer {
        assert_eq!(
            self.code,
            Some(code),
            "signal {:?}\nstdout: {}\nstderr: {}",
            self.signal,
            self.out,
            self.err
        );
        self
    }

    /// stderr holds this text.
    #[track_caller]
    pub fn says(self, text: &str) -> Answer {
        assert!(
            self.err.contains(text),
            "not said: {text}\nstderr: {}",
            self.err
        );
        self
    }

    /// Neither stream holds this text.
    #[track_caller]
    pub fn hides(self, text: &str) -> Answer {
        assert!(
            !self.err.contains(text) && !self.out.contains(text),
            "leaked: {text}\nstdout: {}\nstderr: {}",
            self.out,
            self.err
        );
        self
    }
}

/// Waits for a condition, ten seconds at most.
#[track_caller]
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < end, "waited ten seconds in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A process and everything below it.
pub fn below(pid: i32) -> Vec<i32> {
    let mut all = vec![pid];
    let mut at = 0;
    while let Some(pid) = all.get(at) {
        let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let children = children.unwrap_or_default();
        all.extend(
            children
                .split_whitespace()
                .filter_map(|pid| pid.parse::<i32>().ok()),
        );
        at += 1;
    }
    all
}

/// What a process is called.
pub fn name(pid: i32) -> String {
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    name.trim().to_owned()
}
