//! AWS, as two independent emulators have it: ministack checks signatures and policies, moto has
//! more of the services. They live as long as their owner, and no longer than the test's thread.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

use envshim::format::json::{self, Json};

use super::authority::{Authority, NOW};
use super::{Folder, Shim, repository, wait_until, without};

/// A running emulator, and boto3 to fill it.
pub struct Aws {
    server: Child,
    boto: Child,
    pipes: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    pub address: SocketAddr,
    /// Keys of a user who may do everything: id and secret.
    pub keys: (String, String),
    /// Who signed its certificate, where it speaks TLS.
    pub authority: Option<Authority>,
    _folder: Folder,
}

impl Drop for Aws {
    fn drop(&mut self) {
        for child in [&mut self.boto, &mut self.server] {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A program of an emulator's Python environment; it dies with the thread that started it.
pub fn program(server: &str, name: &str) -> Command {
    let bin = repository().join("target/servers").join(server).join("bin");
    let path = bin.join(name);
    assert!(
        path.exists(),
        "{} is missing: run tests/all once, it installs the servers",
        path.display()
    );
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(path);
    command.env_clear().env("PATH", "/usr/bin:/bin");
    command
}

impl Aws {
    /// ministack, which verifies signatures and applies policies. None where the caller of the
    /// tests left it out knowingly.
    pub fn ministack() -> Option<Aws> {
        Aws::ministack_with(true)
    }

    /// The same without these checks: it does not know the credentials that it gives to instances.
    pub fn ministack_with(checks: bool) -> Option<Aws> {
        (!without("ministack")).then(|| {
            Aws::start("ministack", None, |port, folder| {
                let mut command = program("ministack", "ministack");
                command
                    .env("AUTH", if checks { "true" } else { "false" })
                    .env("MINISTACK_IMDS_V2_REQUIRED", "1")
                    .env("GATEWAY_PORT", port.to_string())
                    .env("HOME", folder.path());
                command
            })
        })
    }

    /// moto, over TLS.
    pub fn moto() -> Option<Aws> {
        (!without("moto")).then(|| {
            let authority = Authority::new();
            let (certificate, key) = authority.sign("server", "DNS:localhost,IP:127.0.0.1", NOW);
            Aws::start("moto", Some(authority), |port, _| {
                let mut command = program("moto", "moto_server");
                command.args(["-H", "127.0.0.1", "-p", &port.to_string(), "-s", "-c"]);
                command.arg(&certificate).arg("-k").arg(&key);
                command
            })
        })
    }

    fn start(
        name: &str,
        authority: Option<Authority>,
        command: impl Fn(u16, &Folder) -> Command,
    ) -> Aws {
        let folder = Folder::new();
        let (server, address) = (0..5)
            .find_map(|_| listen(&command, &folder))
            .unwrap_or_else(|| panic!("{name}: {}", String::from_utf8_lossy(&folder.read("log"))));
        let scheme = if authority.is_some() { "https" } else { "http" };
        let mut boto = program(name, "python");
        boto.arg(repository().join("tests/it/oracle/aws.py"))
            .arg(format!("{scheme}://localhost:{}", address.port()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        if let Some(authority) = &authority {
            boto.env("AWS_CA_BUNDLE", authority.root());
        }
        let mut boto = boto.spawn().expect("python");
        let input = boto.stdin.take().expect("stdin");
        let output = BufReader::new(boto.stdout.take().expect("stdout"));
        let mut aws = Aws {
            server,
            boto,
            pipes: Mutex::new((input, output)),
            address,
            keys: Default::default(),
            authority,
            _folder: folder,
        };
        aws.keys = aws.user("admin", r#""Action": "*", "Resource": "*""#);
        aws
    }

    /// Calls a method of a boto3 client; `arguments` is a JSON object.
    #[track_caller]
    pub fn call(&self, service: &str, method: &str, arguments: &str) -> Json {
        let mut pipes = self.pipes.lock().expect("boto3");
        let (service, method) = (json::quote(service), json::quote(method));
        let arguments = arguments.replace('\n', " ");
        writeln!(pipes.0, "[{service}, {method}, {arguments}]").expect("boto3");
        let mut line = String::new();
        pipes.1.read_line(&mut line).expect("boto3");
        let Ok(answer) = json::parse(line.as_bytes()) else {
            panic!("{line}")
        };
        let error = answer.get("error").and_then(Json::as_str);
        assert!(error.is_none(), "{}", error.unwrap_or_default());
        answer
    }

    /// From now on moto verifies signatures and policies, as ministack always does.
    pub fn checks_signatures(&self) {
        self.call("http", "/moto-api/reset-auth", r#"{"body": "0"}"#);
    }

    /// A secret of Secrets Manager; its ARN.
    #[track_caller]
    pub fn secret(&self, name: &str, value: &[u8]) -> String {
        let (name, value) = (json::quote(name), member("Secret", value));
        let made = self.call(
            "secretsmanager",
            "create_secret",
            &format!("{{\"Name\": {name}, {value}}}"),
        );
        text(&made, "ARN")
    }

    /// A parameter of Parameter Store.
    #[track_caller]
    pub fn parameter(&self, name: &str, kind: &str, value: &str) {
        let (name, value) = (json::quote(name), json::quote(value));
        let arguments = format!(
            "{{\"Name\": {name}, \"Type\": \"{kind}\", \"Value\": {value}, \"Overwrite\": true}}"
        );
        self.call("ssm", "put_parameter", &arguments);
    }

    /// A user whose policy allows this; the id and secret of an access key.
    #[track_caller]
    pub fn user(&self, name: &str, allows: &str) -> (String, String) {
        let user = format!("{{\"UserName\": \"{name}\"}}");
        self.call("iam", "create_user", &user);
        let policy = json::quote(&policy(allows));
        let arguments = format!(
            "{{\"UserName\": \"{name}\", \"PolicyName\": \"p\", \"PolicyDocument\": {policy}}}"
        );
        self.call("iam", "put_user_policy", &arguments);
        let key = self.call("iam", "create_access_key", &user);
        (
            text(&key, "AccessKey.AccessKeyId"),
            text(&key, "AccessKey.SecretAccessKey"),
        )
    }

    /// A role that everybody in the account may take, and may do everything; its ARN.
    #[track_caller]
    pub fn role(&self, name: &str, trust: &str) -> String {
        let trust = json::quote(trust);
        let role = self.call(
            "iam",
            "create_role",
            &format!("{{\"RoleName\": \"{name}\", \"AssumeRolePolicyDocument\": {trust}}}"),
        );
        let policy = json::quote(&policy(r#""Action": "*", "Resource": "*""#));
        let arguments = format!(
            "{{\"RoleName\": \"{name}\", \"PolicyName\": \"p\", \"PolicyDocument\": {policy}}}"
        );
        self.call("iam", "put_role_policy", &arguments);
        text(&role, "Role.Arn")
    }

    pub fn url(&self) -> String {
        let scheme = if self.authority.is_some() {
            "https"
        } else {
            "http"
        };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// A shim that knows the emulator and a region, and has no credentials.
    pub fn stranger(&self) -> Shim {
        let shim = Shim::new()
            .env("AWS_ENDPOINT_URL", self.url())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_REGION", "us-east-1");
        match &self.authority {
            Some(authority) => shim.env("AWS_CA_BUNDLE", authority.root()),
            None => shim,
        }
    }

    /// The same with the keys of a user.
    pub fn shim_of(&self, (id, secret): &(String, String)) -> Shim {
        self.stranger()
            .env("AWS_ACCESS_KEY_ID", id)
            .env("AWS_SECRET_ACCESS_KEY", secret)
    }

    /// The same with the keys of the user who may do everything.
    pub fn shim(&self) -> Shim {
        self.shim_of(&self.keys)
    }
}

/// A policy with one statement.
fn policy(allows: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", {allows}}}]}}"#)
}

/// `"SecretString": ...`, or for bytes `"SecretBinary": ...`.
pub fn member(prefix: &str, value: &[u8]) -> String {
    use base64ct::{Base64, Encoding};
    match std::str::from_utf8(value) {
        Ok(text) => format!("\"{prefix}String\": {}", json::quote(text)),
        Err(_) => {
            let encoded = Base64::encode_string(value);
            format!("\"{prefix}Binary\": {{\"base64\": \"{encoded}\"}}")
        }
    }
}

/// The text at a dotted path.
#[track_caller]
pub fn text(json: &Json, path: &str) -> String {
    let found = json.pointer(path).and_then(Json::as_str);
    found.unwrap_or_else(|| panic!("no {path}")).to_owned()
}

fn listen(
    command: &dyn Fn(u16, &Folder) -> Command,
    folder: &Folder,
) -> Option<(Child, SocketAddr)> {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = free.local_addr().expect("an address");
    drop(free);
    let log = std::fs::File::create(folder.join("log")).expect("a log");
    let mut server = command(address.port(), folder)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("setpriv, of util-linux");
    let mut ended = false;
    wait_until("the emulator listens", || {
        ended = server.try_wait().expect("a child").is_some();
        ended || TcpStream::connect(address).is_ok()
    });
    (!ended).then_some((server, address))
}
