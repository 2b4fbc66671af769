//! The promises that every provider keeps.

use super::super::house::contract::{Store, keeps_its_promises};
use super::super::house::openbao::OpenBao;
use super::super::house::server::Server;
use super::super::house::{Answer, Shim};

struct Vault {
    bao: OpenBao,
    silent: Server,
}

/// JSON for a text.
fn text(value: &[u8]) -> String {
    envshim::format::json::quote(std::str::from_utf8(value).expect("text"))
}

impl Store for Vault {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        for (name, value) in secrets {
            // An object is a secret with these fields; any other value is the one of its path.
            let object = value
                .starts_with(b"{")
                .then(|| String::from_utf8(value.to_vec()));
            match object {
                Some(Ok(fields)) => self.bao.put(name, &fields),
                _ => self
                    .bao
                    .put(name, &format!("{{\"value\": {}}}", text(value))),
            }
        }
        self.bao.shim().env("VAULT_TOKEN", &self.bao.root)
    }

    fn reference(&self, name: &str) -> String {
        format!("vault:{name}")
    }

    fn holds(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok()
    }

    fn asked(&self, _: &Answer, name: &str) -> Option<usize> {
        let path = format!("read secret/data/{name}");
        let asked = self.bao.asked();
        // Since it was written last.
        let written = asked.iter().rposition(|what| !what.starts_with("read "));
        let since = asked.iter().skip(written.unwrap_or(0));
        Some(since.filter(|what| **what == path).count())
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        let shim = Shim::new().env("VAULT_ADDR", self.silent.url());
        Some((shim.env("VAULT_TOKEN", "s.x"), "vault:app".to_owned()))
    }

    fn has_texts(&self) -> bool {
        false
    }

    fn missing(&self) -> Option<&'static str> {
        Some("{}: there is no secret `none` in the mount `secret`\n")
    }
}

#[test]
fn vault_keeps_its_promises() {
    let Some(bao) = OpenBao::start() else { return };
    let silent =
        Server::raw(|mut stream, _| drop(std::io::copy(&mut stream, &mut std::io::sink())));
    keeps_its_promises(&Vault { bao, silent });
}
