//! A real OpenBao over TLS, filled through hvac. It lives as long as its owner, and no longer than
//! the thread of the test.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use envshim::format::json::{self, Json};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::authority::{Authority, NOW};
use super::aws::program;
use super::postgres::Postgres;
use super::{Folder, Shim, repository, wait_until, without};

pub struct OpenBao {
    server: Child,
    seeder: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub authority: Authority,
    folder: Folder,
    pub address: SocketAddr,
    pub root: String,
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        for child in [&mut self.seeder, &mut self.server] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Another node of a cluster.
pub struct Node {
    server: Child,
    address: SocketAddr,
    _folder: Folder,
}

impl Node {
    /// `https://localhost:port`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.server.kill());
        drop(self.server.wait());
    }
}

impl OpenBao {
    /// A program of the server's Python environment.
    pub fn program(name: &str) -> Command {
        program("openbao", name)
    }

    /// A new one. None where the caller of the tests left it out knowingly.
    pub fn start() -> Option<OpenBao> {
        OpenBao::with("inmem")
    }

    /// One that keeps its data in a Raft cluster, of itself so far.
    pub fn start_cluster() -> Option<OpenBao> {
        OpenBao::with("raft")
    }

    /// A second node of the cluster: a standby.
    pub fn another_node(&self) -> Node {
        let folder = Folder::new();
        let (server, address) = serve(&self.authority, &folder, "raft");
        let node = Node {
            server,
            address,
            _folder: folder,
        };
        self.call("join", &format!("{{\"url\": \"{}\"}}", node.url()));
        node
    }

    /// Sends the server a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.server.id().cast_signed()), signal).expect("it lives");
    }

    /// Ends the server as a crash would.
    pub fn crash(&self) {
        self.signal(Signal::SIGKILL);
        wait_until("nobody listens", || {
            TcpStream::connect(self.address).is_err()
        });
    }

    fn with(storage: &str) -> Option<OpenBao> {
        if without("openbao") {
            return None;
        }
        let authority = Authority::new();
        authority.sign("server", "DNS:localhost,IP:127.0.0.1", NOW);
        let folder = Folder::new();
        let (server, address) = serve(&authority, &folder, storage);
        let mut seeder = OpenBao::program("python")
            .arg(repository().join("tests/it/oracle/openbao.py"))
            .arg(format!("https://localhost:{}", address.port()))
            .arg(authority.root())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python");
        let input = seeder.stdin.take().expect("stdin");
        let mut output = BufReader::new(seeder.stdout.take().expect("stdout"));
        let first = line(&mut output);
        let token = first.get("token").and_then(Json::as_str);
        Some(OpenBao {
            root: token.expect("a root token").to_owned(),
            server,
            seeder,
            pipes: Mutex::new((input, output)),
            authority,
            folder,
            address,
        })
    }

    /// Calls a method of hvac's client; `arguments` is a JSON object.
    #[track_caller]
    pub fn call(&self, method: &str, arguments: &str) -> Json {
        let answer = self.attempt(method, arguments);
        let error = answer.get("error").and_then(Json::as_str);
        assert!(error.is_none(), "{}", error.unwrap_or_default());
        answer
    }

    /// The same, where an error is an answer too.
    pub fn attempt(&self, method: &str, arguments: &str) -> Json {
        let mut pipes = self.pipes.lock().expect("the seeder");
        let arguments = arguments.replace('\n', " ");
        writeln!(pipes.0, "[{}, {arguments}]", json::quote(method)).expect("the seeder");
        line(&mut pipes.1)
    }

    /// Writes to any path.
    #[track_caller]
    pub fn write(&self, path: &str, data: &str) -> Json {
        let path = json::quote(path);
        self.call(
            "write_data",
            &format!("{{\"path\": {path}, \"data\": {data}}}"),
        )
    }

    /// Writes a secret of KV v2 in `secret/`.
    #[track_caller]
    pub fn put(&self, path: &str, fields: &str) {
        let path = json::quote(path);
        let arguments = format!("{{\"path\": {path}, \"secret\": {fields}}}");
        self.call("secrets.kv.v2.create_or_update_secret", &arguments);
    }

    /// A KV engine.
    #[track_caller]
    pub fn mount(&self, path: &str, version: u8) {
        let arguments = format!(
            "{{\"backend_type\": \"kv\", \"path\": \"{path}\", \"options\": {{\"version\": \"{version}\"}}}}"
        );
        self.call("sys.enable_secrets_engine", &arguments);
        if version == 2 {
            self.call("ready", &format!("{{\"path\": \"{path}\"}}"));
        }
    }

    /// A policy with one rule.
    #[track_caller]
    pub fn policy(&self, name: &str, path: &str, capability: &str) {
        let rule = format!("path \"{path}\" {{ capabilities = [\"{capability}\"] }}");
        let rule = json::quote(&rule);
        let arguments = format!("{{\"name\": \"{name}\", \"policy\": {rule}}}");
        self.call("sys.create_or_update_policy", &arguments);
    }

    /// A role at `database/` whose users live for `ttl`, renewed for `most` in all.
    #[track_caller]
    pub fn database(&self, postgres: &Postgres, role: &str, ttl: &str, most: &str) {
        let engine = r#"{"backend_type": "database"}"#;
        self.attempt("sys.enable_secrets_engine", engine);
        let address = format!("127.0.0.1:{}/postgres?sslmode=disable", postgres.port);
        self.write(
            "database/config/app",
            &format!(
                r#"{{"plugin_name": "postgresql-database-plugin", "allowed_roles": "*",
                    "connection_url": "postgresql://{{{{username}}}}:{{{{password}}}}@{address}",
                    "username": "admin", "password": "admin"}}"#
            ),
        );
        let sql =
            "CREATE ROLE \"{{name}}\" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'";
        let sql = json::quote(sql);
        self.write(
            &format!("database/roles/{role}"),
            &format!(
                r#"{{"db_name": "app", "default_ttl": "{ttl}", "max_ttl": "{most}", "creation_statements": {sql}}}"#
            ),
        );
    }

    /// A token; `arguments` are those of `auth.token.create`.
    #[track_caller]
    pub fn token(&self, arguments: &str) -> String {
        let made = self.call("auth.token.create", arguments);
        text(&made, "auth.client_token")
    }

    /// An AppRole `app` with these settings: its `role_id` and a `secret_id`.
    #[track_caller]
    pub fn approle(&self, settings: &str) -> (String, String) {
        self.attempt("sys.enable_auth_method", r#"{"method_type": "approle"}"#);
        self.write("auth/approle/role/app", settings);
        let role = self.call("auth.approle.read_role_id", r#"{"role_name": "app"}"#);
        let id = self.call("auth.approle.generate_secret_id", r#"{"role_name": "app"}"#);
        (text(&role, "data.role_id"), text(&id, "data.secret_id"))
    }

    /// `https://localhost:port`.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// A shim that knows the server and its authority, and has no credentials.
    pub fn shim(&self) -> Shim {
        self.shim_at(&self.url())
    }

    /// The same by another address.
    pub fn shim_at(&self, url: &str) -> Shim {
        Shim::new()
            .env("VAULT_ADDR", url)
            .env("VAULT_CACERT", self.authority.root())
    }

    /// What was asked of it so far, as its audit log has it: `read secret/data/app`.
    pub fn asked(&self) -> Vec<String> {
        let log = String::from_utf8(self.folder.read("audit.log")).expect("text");
        let entry = |line: &str| {
            let Ok(json) = json::parse(line.as_bytes()) else {
                panic!("{line}")
            };
            (text(&json, "type") == "request").then(|| {
                let (what, path) = ("request.operation", "request.path");
                format!("{} {}", text(&json, what), text(&json, path))
            })
        };
        log.lines().filter_map(entry).collect()
    }

    /// What `ask` asks of it.
    pub fn asked_by<T>(&self, ask: impl FnOnce() -> T) -> (T, Vec<String>) {
        let before = self.asked().len();
        let answer = ask();
        (answer, self.asked().split_off(before))
    }
}

/// Somebody may take the port between here and there; then there is another one.
fn serve(authority: &Authority, folder: &Folder, storage: &str) -> (Child, SocketAddr) {
    (0..5)
        .find_map(|_| listen(authority, folder, storage))
        .unwrap_or_else(|| panic!("it does not start: {}", said(folder)))
}

fn listen(authority: &Authority, folder: &Folder, storage: &str) -> Option<(Child, SocketAddr)> {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let path = |name: &str| authority.folder.join(name).display().to_string();
    // A node of a cluster listens for the others at the next port.
    let cluster = SocketAddr::new(address.ip(), address.port().checked_add(1)?);
    let storage = match storage {
        "raft" => format!(
            "storage \"raft\" {{\n  path = \"{}\"\n  node_id = \"{address}\"\n}}\n\
             cluster_addr = \"https://{cluster}\"",
            folder.path().display()
        ),
        other => format!("storage \"{other}\" {{}}"),
    };
    let config = format!(
        "{storage}\n\
         listener \"tcp\" {{\n  address = \"{address}\"\n  tls_cert_file = \"{}\"\n  tls_key_file = \"{}\"\n}}\n\
         audit \"file\" \"log\" {{\n  options = {{ file_path = \"{}\" }}\n}}\n\
         api_addr = \"https://{address}\"\n",
        path("server.pem"),
        path("server.key"),
        folder.join("audit.log").display(),
    );
    let config = folder.write("config.hcl", config);
    let log = std::fs::File::create(folder.join("log")).expect("a log");
    let mut server = OpenBao::program("bao")
        .arg("server")
        .arg(format!("-config={}", config.display()))
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("bao");
    let mut ended = false;
    wait_until("OpenBao listens", || {
        ended = server.try_wait().expect("a status").is_some();
        ended || TcpStream::connect(address).is_ok()
    });
    (!ended).then_some((server, address))
}

fn said(folder: &Folder) -> String {
    String::from_utf8_lossy(&folder.read("log")).into_owned()
}

fn line(from: &mut impl BufRead) -> Json {
    let mut line = String::new();
    from.read_line(&mut line).expect("a line of the seeder");
    match json::parse(line.as_bytes()) {
        Ok(json) => json,
        Err(_) => panic!("the seeder says {line:?}"),
    }
}

/// The text that a dotted path leads to.
#[track_caller]
pub fn text(json: &Json, path: &str) -> String {
    let found = json.pointer(path).and_then(Json::as_str);
    found
        .unwrap_or_else(|| panic!("there is no {path}"))
        .to_owned()
}
