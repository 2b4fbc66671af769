//! Starts a program in an exactly described state, with or without envshim in front, as PID 1 or
//! not, and reads what the program says that it was given.
#![allow(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "the start is a raw execve in the child"
)]

use std::convert::Infallible;
use std::ffi::{CString, OsStr};
use std::fs::{File, OpenOptions};
use std::io::{Seek, SeekFrom};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::{Arc, OnceLock};

use nix::fcntl::{Flock, FlockArg};

use super::{Folder, envshim, namespace, repository};

/// The probe, compiled when it changed. Tests may be processes of their own: one of them compiles, and
/// nobody replaces a probe that another one is running.
pub fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    compiled(&PROGRAM, "probe")
}

/// The program that says which signals it gets, compiled in the same way.
pub fn listener() -> &'static Path {
    static LISTENER: OnceLock<PathBuf> = OnceLock::new();
    compiled(&LISTENER, "listener")
}

fn compiled(known: &'static OnceLock<PathBuf>, name: &str) -> &'static Path {
    known.get_or_init(|| {
        let source = format!("tests/it/house/{name}_program.rs");
        let source = repository().join(source);
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        let lock = File::create(path.with_extension("lock")).expect("a lock");
        let lock = Flock::lock(lock, FlockArg::LockExclusive).expect("a lock");
        let made = |path: &Path| std::fs::metadata(path).and_then(|m| m.modified()).ok();
        if made(&path) < made(&source) {
            compile(&source, &path);
        }
        drop(lock);
        path
    })
}

fn compile(source: &Path, path: &Path) {
    let part = path.with_extension("part");
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args(["--edition=2024", "-Cpanic=abort", "-o"])
        .arg(&part)
        .arg(source)
        .output()
        .expect("rustc starts");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::rename(part, path).expect("the probe in its place");
}

/// What runs in the child before `execve`.
pub type Setup = Arc<dyn Fn() + Send + Sync>;

/// One start, described down to the bytes.
pub struct Start {
    pub folder: Folder,
    /// argv of the program, behind the program itself.
    pub words: Vec<Vec<u8>>,
    /// The environment, as raw strings.
    pub environment: Vec<Vec<u8>>,
    /// Options of envshim.
    pub options: Vec<String>,
    /// As PID 1 of a new namespace.
    pub first: bool,
    pub setup: Setup,
}

impl Start {
    pub fn new(setup: impl Fn() + Send + Sync + 'static) -> Start {
        Start {
            folder: Folder::new(),
            words: Vec::new(),
            environment: vec![b"PATH=/usr/local/bin:/usr/bin:/bin".to_vec()],
            options: Vec::new(),
            first: false,
            setup: Arc::new(setup),
        }
    }

    /// Starts `program`, behind `envshim --` or not, with files on 0, 1 and 2. `@PID@` in the
    /// environment becomes the process id.
    pub fn spawn(&self, shim: bool, program: &Path, words: &[Vec<u8>]) -> Child {
        let mut all = if self.first {
            namespace::words()
        } else {
            Vec::new()
        };
        if shim {
            all.push(c_string(envshim().as_os_str()));
            all.extend(self.options.iter().map(|o| c_string(OsStr::new(o))));
            all.push(c"--".to_owned());
        }
        all.push(c_string(program.as_os_str()));
        all.extend(words.iter().map(|w| c_string(OsStr::from_bytes(w))));
        let environment = self.environment.clone();
        let setup = self.setup.clone();
        let start = move || -> std::io::Result<()> {
            let pid = std::process::id().to_string();
            let environment: Vec<CString> = environment
                .iter()
                .map(|v| c_string(OsStr::from_bytes(&replace(v, b"@PID@", pid.as_bytes()))))
                .collect();
            setup();
            let Err(errno): Result<Infallible, _> =
                nix::unistd::execve(&all[0], &all, &environment);
            Err(errno.into())
        };
        let mut command = Command::new("/bin/false");
        command
            .current_dir(self.folder.path())
            .stdin(self.stdin())
            .stdout(self.stream("stdout"))
            .stderr(self.stream("stderr"));
        // SAFETY: glibc makes its allocator usable in the child of a process with threads, and
        // nothing else that threads share is used before the exec.
        unsafe { command.pre_exec(start) };
        command.spawn().expect("the program starts")
    }

    fn stdin(&self) -> File {
        let path = self.folder.write("stdin", "0123456789");
        let mut file = File::open(path).expect("stdin");
        file.seek(SeekFrom::Start(5)).expect("an offset");
        file
    }

    fn stream(&self, name: &str) -> File {
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        options.open(self.folder.join(name)).expect("a stream")
    }

    /// Runs the probe to its end and returns its report, line by line.
    #[track_caller]
    pub fn report(&self, shim: bool) -> Report {
        let path = self.folder.join("report");
        drop(std::fs::remove_file(&path));
        let mut words = vec![path.as_os_str().as_bytes().to_vec()];
        words.extend(self.words.iter().cloned());
        let mut child = self.spawn(shim, program(), &words);
        let pid = child.id();
        let status = child.wait().expect("an end");
        let said = String::from_utf8_lossy(&self.folder.read("stderr")).into_owned();
        assert_eq!(
            status.code(),
            Some(42),
            "{status}, first {}, shim {shim}\n{said}",
            self.first
        );
        let text = std::fs::read_to_string(&path).expect("a report");
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        // The same process, whatever stood in front: pid 1 where it is the first one.
        let own = if self.first { 1 } else { pid };
        assert_eq!(lines.pop(), Some(format!("pid: {own}")));
        Report { lines, said, pid }
    }
}

/// What the probe was given.
pub struct Report {
    pub lines: Vec<String>,
    /// What stood on stderr so far, of all runs in this folder.
    pub said: String,
    pub pid: u32,
}

impl Report {
    /// The values of all lines of this name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        let start = format!("{name}:");
        let values = self.lines.iter().filter_map(|l| l.strip_prefix(&start));
        values.map(str::trim).collect()
    }
}

fn c_string(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).expect("no NUL")
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    match bytes.windows(from.len()).position(|w| w == from) {
        Some(at) => [&bytes[..at], to, &bytes[at + from.len()..]].concat(),
        None => bytes.to_vec(),
    }
}
