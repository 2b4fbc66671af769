//! What every provider promises, kept by Secret Manager.

use crate::house::contract::{Store, keeps_its_promises};
use crate::house::google::Google;
use crate::house::server::Server;
use crate::house::{Answer, Shim};

struct Promised {
    google: Google,
    hanging: Server,
}

impl Store for Promised {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        self.google.call("forget", "{}");
        for (name, value) in secrets {
            self.google.put(name, value);
        }
        self.google.asked();
        self.google.shim()
    }

    fn reference(&self, name: &str) -> String {
        format!("gcp:{name}")
    }

    fn holds(&self, value: &[u8]) -> bool {
        !value.contains(&0)
    }

    fn asked(&self, _: &Answer, name: &str) -> Option<usize> {
        let path = format!("/v1/projects/imip/secrets/{name}/versions/latest:access");
        let asked = self.google.asked().into_iter();
        Some(asked.filter(|line| line.ends_with(&path)).count())
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        let shim = Shim::new()
            .env(
                "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER",
                self.hanging.url(),
            )
            .env("GOOGLE_OAUTH_ACCESS_TOKEN", "c4n4ry")
            .env("GCP_PROJECT_ID", "imip");
        Some((shim, "gcp:one".to_owned()))
    }

    fn missing(&self) -> Option<&'static str> {
        Some("{}: there is no secret `none` in the project imip, or it has no version\n")
    }
}

#[test]
fn secret_manager_keeps_its_promises() {
    let Some(google) = Google::start() else {
        return;
    };
    keeps_its_promises(&Promised {
        google,
        hanging: Server::raw(|stream, _| {
            std::thread::park_timeout(std::time::Duration::from_secs(10));
            drop(stream);
        }),
    });
}
