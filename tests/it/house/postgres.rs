//! A PostgreSQL of its own. It lives as long as its owner, and no longer than the test's thread.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::{Folder, wait_until, without};

/// A running server with the superuser `admin`, password `admin`.
pub struct Postgres {
    server: Child,
    folder: Folder,
    pub port: u16,
}

impl Drop for Postgres {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl Postgres {
    /// None where the caller of the tests left it out knowingly.
    pub fn start() -> Option<Postgres> {
        if without("postgres") {
            return None;
        }
        let folder = Folder::new();
        folder.write("password", "admin");
        let owned = own(folder.path()) && own(&folder.join("password"));
        assert!(owned, "the folder of the server");
        let path = |name: &str| folder.join(name).display().to_string();
        let made = program("initdb")
            .args(["--username=admin", "--auth=scram-sha-256", "--no-sync"])
            .args(["--pgdata", &path("data"), "--pwfile", &path("password")])
            .output()
            .expect("initdb");
        assert!(made.status.success(), "{made:?}");
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let server = program("postgres")
            .args(["-D", &path("data"), "-p", &port.to_string()])
            .args(["-k", &path(""), "-h", "127.0.0.1", "-F"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("postgres");
        let postgres = Postgres {
            server,
            folder,
            port,
        };
        wait_until("PostgreSQL answers", || {
            postgres.ask("select 1").as_deref() == Some("1")
        });
        Some(postgres)
    }

    /// What psql prints for a statement of `admin`.
    pub fn ask(&self, statement: &str) -> Option<String> {
        let out = Command::new("psql")
            .args(["--no-psqlrc", "-Atqc", statement])
            .arg(format!(
                "postgresql://admin:admin@127.0.0.1:{}/postgres",
                self.port
            ))
            .current_dir(self.folder.path())
            .output()
            .expect("psql");
        let text = String::from_utf8(out.stdout).expect("text");
        out.status.success().then(|| text.trim().to_owned())
    }
}

/// The server refuses to run as root, and Debian made a user for it.
fn program(name: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if is_root() {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg("--").arg(newest().join(name));
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command.current_dir("/");
    command
}

fn own(path: &Path) -> bool {
    let chown = || Command::new("chown").arg("postgres:").arg(path).status();
    !is_root() || chown().is_ok_and(|status| status.success())
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// Debian has one folder for each version.
fn newest() -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib/postgresql").expect("run tests/all: it installs it");
    let number = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.parse::<u32>().ok())
    };
    let folders = versions.flatten().map(|entry| entry.path());
    let newest = folders
        .filter(|path| number(path).is_some())
        .max_by_key(number);
    newest.expect("a version of PostgreSQL").join("bin")
}
