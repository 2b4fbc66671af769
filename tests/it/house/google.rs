//! Google: a strict double under Google's own host names, reached through a proxy, whose tokens and
//! checksums Google's libraries judge; and drongo, an emulator that others wrote.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::Mutex;

use base64ct::{Base64, Encoding};
use envshim::format::json::{self, Json, quote};

use super::authority::{Authority, NOW};
use super::aws::program;
use super::wire::Proxy;
use super::{Folder, Shim, repository, wait_until, without};

/// Stands in every token and every body of an error: it must not be shown.
pub const CANARY: &str = "c4n4ry";
pub const EMAIL: &str = "app@imip.iam.gserviceaccount.com";

const HOSTS: &str = "DNS:secretmanager.googleapis.com,\
    DNS:secretmanager.europe-west3.rep.googleapis.com,DNS:oauth2.googleapis.com,\
    DNS:sts.googleapis.com,DNS:iamcredentials.googleapis.com";

/// The double.
pub struct Google {
    process: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub authority: Authority,
    pub proxy: Proxy,
    /// `127.0.0.1:port`.
    pub metadata: String,
    /// The key file of a service account.
    pub key: String,
}

impl Drop for Google {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Google {
    /// None where the caller of the tests left it out knowingly.
    pub fn start() -> Option<Google> {
        if without("drongo") {
            return None;
        }
        let authority = Authority::new();
        let (certificate, key) = authority.sign("google", HOSTS, NOW);
        let mut process = program("drongo", "python")
            .arg(repository().join("tests/it/oracle/google_cloud.py"))
            .args([certificate, key])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python");
        let input = process.stdin.take().expect("stdin");
        let mut output = BufReader::new(process.stdout.take().expect("stdout"));
        let begun = line(&mut output);
        let port = |name| begun.get(name).and_then(Json::whole).expect("a port");
        let tls = u16::try_from(port("tls")).expect("a port");
        Some(Google {
            process,
            pipes: Mutex::new((input, output)),
            authority,
            proxy: Proxy::new(SocketAddr::from(([127, 0, 0, 1], tls)), |_| None),
            metadata: format!("127.0.0.1:{}", port("metadata")),
            key: begun
                .get("file")
                .and_then(Json::as_str)
                .expect("a key")
                .to_owned(),
        })
    }

    /// Calls a method of the double; `arguments` is a JSON object.
    #[track_caller]
    pub fn call(&self, method: &str, arguments: &str) -> Json {
        let mut pipes = self.pipes.lock().expect("the double");
        let arguments = arguments.replace('\n', " ");
        writeln!(pipes.0, "[{}, {arguments}]", quote(method)).expect("the double");
        line(&mut pipes.1)
    }

    /// A new version of a secret of the project `imip`.
    pub fn put(&self, name: &str, value: impl AsRef<[u8]>) {
        self.put_at(name, value, "");
    }

    /// The same with more arguments: `, "location": "x"`.
    pub fn put_at(&self, name: &str, value: impl AsRef<[u8]>, more: &str) {
        let value = Base64::encode_string(value.as_ref());
        let arguments = format!(
            "{{\"name\": {}, \"value\": \"{value}\"{more}}}",
            quote(name)
        );
        self.call("put", &arguments);
    }

    /// What was asked since the last time: `HOST METHOD PATH`.
    pub fn asked(&self) -> Vec<String> {
        let log = self.call("log", "{}");
        let lines = log.get("answer").and_then(Json::list).expect("a list");
        let text = |line: &Json| line.as_str().expect("text").to_owned();
        lines.iter().map(text).collect()
    }

    /// Runs a Python program with Google's own client as `client`, and `parent` as its project.
    pub fn client(&self, program_text: &str) -> String {
        let folder = Folder::new();
        std::fs::write(folder.join("key.json"), &self.key).expect("a file");
        let begin = "from google.cloud import secretmanager_v1 as sm\n\
             client = sm.SecretManagerServiceClient(transport='rest')\n\
             parent = 'projects/imip'\n";
        let output = program("drongo", "python")
            .arg("-c")
            .arg(format!("{begin}{program_text}"))
            .env("GOOGLE_APPLICATION_CREDENTIALS", folder.join("key.json"))
            .env("HTTPS_PROXY", self.proxy.server.url())
            .env("REQUESTS_CA_BUNDLE", self.authority.root())
            .output()
            .expect("python");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// A shim that reaches the double, and has no credentials.
    pub fn stranger(&self) -> Shim {
        let shim = Shim::new()
            .env("HTTPS_PROXY", self.proxy.server.url())
            .env("SSL_CERT_FILE", self.authority.root())
            .env("NO_GCE_CHECK", "true");
        let home = shim.folder.path().to_owned();
        shim.env("HOME", home)
    }

    /// The same with a credential file.
    pub fn shim_of(&self, file: &str) -> Shim {
        let shim = self.stranger().file("credentials.json", file);
        let path = shim.folder.join("credentials.json");
        shim.env("GOOGLE_APPLICATION_CREDENTIALS", path)
    }

    /// The same with the key of a service account that may read everything.
    pub fn shim(&self) -> Shim {
        self.shim_of(&self.key)
    }
}

fn line(output: &mut BufReader<ChildStdout>) -> Json {
    let mut line = String::new();
    output.read_line(&mut line).expect("the double");
    let Ok(json) = json::parse(line.as_bytes()) else {
        panic!("the double says: {line}")
    };
    json
}

/// A running drongo.
pub struct Drongo {
    process: Child,
    pub address: SocketAddr,
    _folder: Folder,
}

impl Drop for Drongo {
    fn drop(&mut self) {
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Drongo {
    /// None where the caller of the tests left it out knowingly.
    pub fn start() -> Option<Drongo> {
        (!without("drongo")).then(|| {
            (0..5)
                .find_map(|_| Drongo::listen())
                .expect("drongo listens")
        })
    }

    fn listen() -> Option<Drongo> {
        let folder = Folder::new();
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("an address");
        drop(free);
        let log = std::fs::File::create(folder.join("log")).expect("a log");
        let mut process = program("drongo", "drongo")
            .args(["server", "--host", "127.0.0.1", "-p"])
            .arg(address.port().to_string())
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("python");
        let mut ended = false;
        wait_until("drongo listens", || {
            ended = process.try_wait().expect("a child").is_some();
            ended || TcpStream::connect(address).is_ok()
        });
        (!ended).then_some(Drongo {
            process,
            address,
            _folder: folder,
        })
    }

    /// Runs a Python program with Google's own client as `client`, and `parent` as its project.
    pub fn client(&self, program_text: &str) -> String {
        let begin = format!(
            "from google.auth.credentials import AnonymousCredentials\n\
             from google.cloud import secretmanager_v1 as sm\n\
             client = sm.SecretManagerServiceClient(credentials=AnonymousCredentials(), transport='rest',\n\
             \x20   client_options={{'api_endpoint': 'http://{}'}})\n\
             parent = 'projects/imip'\n\
             def put(name, *values):\n\
             \x20   client.create_secret(parent=parent, secret_id=name, secret={{'replication': {{'automatic': {{}}}}}})\n\
             \x20   for value in values:\n\
             \x20       client.add_secret_version(parent=f'{{parent}}/secrets/{{name}}', payload={{'data': value}})\n",
            self.address
        );
        let output = program("drongo", "python")
            .arg("-c")
            .arg(format!("{begin}{program_text}"))
            .output()
            .expect("python");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).expect("text")
    }

    /// A shim that reaches it.
    pub fn shim(&self) -> Shim {
        Shim::new()
            .env("SECRET_MANAGER_EMULATOR_HOST", self.address.to_string())
            .env("GCP_PROJECT_ID", "imip")
    }
}
