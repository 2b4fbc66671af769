//! What every provider promises.

use crate::house::azure::{Azure, CLIENT, SECRET, TENANT};
use crate::house::contract::{Store, keeps_its_promises};
use crate::house::server::Server;
use crate::house::{Answer, Shim};

struct Vault {
    azure: Azure,
    hanging: Server,
}

impl Store for Vault {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        for (name, value) in secrets {
            self.azure
                .secret(name, std::str::from_utf8(value).expect("text"));
        }
        self.azure.shim()
    }

    fn reference(&self, name: &str) -> String {
        format!("azure:{name}")
    }

    fn holds(&self, value: &[u8]) -> bool {
        // 25 KB is the most that Key Vault takes.
        std::str::from_utf8(value).is_ok()
            && (1..=25_000).contains(&value.len())
            && !value.contains(&0)
    }

    fn asked(&self, _: &Answer, _: &str) -> Option<usize> {
        None
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        let shim = Shim::new()
            .env("AZURE_VAULT_URL", self.hanging.tls_url())
            .env("AZURE_TENANT_ID", TENANT)
            .env("AZURE_CLIENT_ID", CLIENT)
            .env("AZURE_CLIENT_SECRET", SECRET);
        Some((shim, "azure:one".to_owned()))
    }

    fn missing(&self) -> Option<&'static str> {
        Some("{}: the vault `app` has no secret `none`\n")
    }
}

#[test]
fn key_vault_keeps_its_promises() {
    keeps_its_promises(&Vault {
        azure: Azure::new(),
        hanging: Server::raw(|stream, _| {
            std::thread::park_timeout(std::time::Duration::from_secs(10));
            drop(stream);
        }),
    });
}
