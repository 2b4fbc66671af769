//! What every provider promises, kept by both stores of AWS.

use std::sync::Mutex;

use crate::house::aws::{Aws, member};
use crate::house::contract::{Store, keeps_its_promises};
use crate::house::server::Server;
use crate::house::{Answer, Shim};

/// A server that takes connections and never says a word.
fn silent() -> Server {
    Server::raw(|stream, _| {
        std::thread::park_timeout(std::time::Duration::from_secs(10));
        drop(stream);
    })
}

/// A shim with any keys and this server as AWS.
fn before(server: &Server) -> Shim {
    Shim::new()
        .env("AWS_ENDPOINT_URL", server.url())
        .env("AWS_REGION", "us-east-1")
        .env("AWS_ACCESS_KEY_ID", "AKID")
        .env("AWS_SECRET_ACCESS_KEY", "c4n4ry")
}

struct Secrets {
    aws: Aws,
    hanging: Server,
    made: Mutex<Vec<String>>,
}

impl Store for Secrets {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        let mut made = self.made.lock().expect("names");
        for (name, value) in secrets {
            if made.iter().any(|known| known == name) {
                let value = member("Secret", value);
                let arguments = format!("{{\"SecretId\": \"{name}\", {value}}}");
                self.aws
                    .call("secretsmanager", "put_secret_value", &arguments);
            } else {
                self.aws.secret(name, value);
                made.push((*name).to_owned());
            }
        }
        self.aws.shim()
    }

    fn reference(&self, name: &str) -> String {
        format!("aws:{name}")
    }

    fn holds(&self, value: &[u8]) -> bool {
        !value.is_empty() && !value.contains(&0)
    }

    fn asked(&self, _: &Answer, _: &str) -> Option<usize> {
        None
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        Some((before(&self.hanging), "aws:one".to_owned()))
    }

    fn missing(&self) -> Option<&'static str> {
        Some("{}: there is no secret `none` in us-east-1\n")
    }
}

#[test]
fn secrets_manager_keeps_its_promises() {
    let Some(aws) = Aws::ministack() else { return };
    keeps_its_promises(&Secrets {
        aws,
        hanging: silent(),
        made: Mutex::default(),
    });
}

struct Parameters {
    aws: Aws,
    hanging: Server,
}

impl Store for Parameters {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        for (name, value) in secrets {
            let value = std::str::from_utf8(value).expect("text");
            self.aws
                .parameter(&format!("/app/{name}"), "SecureString", value);
        }
        self.aws.shim()
    }

    fn reference(&self, name: &str) -> String {
        format!("ssm:/app/{name}")
    }

    fn holds(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok()
            && (1..=4096).contains(&value.len())
            && !value.contains(&0)
    }

    fn asked(&self, _: &Answer, _: &str) -> Option<usize> {
        None
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        Some((before(&self.hanging), "ssm:/app/one".to_owned()))
    }

    fn folder(&self) -> Option<String> {
        Some("ssm:/app/".to_owned())
    }

    fn missing(&self) -> Option<&'static str> {
        Some("{}: there is no parameter `/app/none` in us-east-1\n")
    }
}

#[test]
fn parameter_store_keeps_its_promises() {
    let Some(aws) = Aws::moto() else { return };
    keeps_its_promises(&Parameters {
        aws,
        hanging: silent(),
    });
}
