//! The promises that every provider keeps.

use super::as_the_sdk;
use crate::house::contract::{Store, keeps_its_promises};
use crate::house::hcp::{App, Hcp, Kind};
use crate::house::server::Server;
use crate::house::{Answer, Shim};

/// The double as any provider's contract wants it: one for each shim.
#[derive(Default)]
struct Promised(std::cell::RefCell<Vec<Hcp>>);

impl Store for Promised {
    fn shim(&self, secrets: &[(&str, &[u8])]) -> Shim {
        // The double lives as long as the tests; so do its secrets.
        let text = |bytes: &[u8]| -> &'static str {
            String::from_utf8(bytes.to_vec()).expect("text").leak()
        };
        let secrets: Vec<(&'static str, u32, Kind)> = secrets
            .iter()
            .map(|(name, value)| (text(name.as_bytes()), 1, Kind::Static(text(value))))
            .collect();
        let hcp = Hcp::new(App::new(&secrets));
        let shim = as_the_sdk(&hcp);
        self.0.borrow_mut().push(hcp);
        shim
    }

    fn reference(&self, name: &str) -> String {
        format!("hcp:{name}")
    }

    fn holds(&self, value: &[u8]) -> bool {
        std::str::from_utf8(value).is_ok_and(|text| !text.contains('\0'))
    }

    fn asked(&self, _: &Answer, name: &str) -> Option<usize> {
        let wanted = format!("GET /secrets/{name}:open");
        let known = self.0.borrow();
        let asked = known.last().expect("a double").asked();
        Some(asked.into_iter().filter(|line| *line == wanted).count())
    }

    fn hanging(&self) -> Option<(Shim, String)> {
        let hcp = Hcp::new(App::new(&[]));
        // It takes connections, and says nothing.
        let silent = Server::raw(|stream, _| {
            std::io::copy(&mut &stream, &mut std::io::sink()).ok();
        });
        let shim = as_the_sdk(&hcp).env("HCP_AUTH_URL", silent.tls_url());
        std::mem::forget(silent);
        self.0.borrow_mut().push(hcp);
        Some((shim, "hcp:one".to_owned()))
    }

    fn missing(&self) -> Option<&'static str> {
        Some("{}: the app `web` has no secret `")
    }
}

#[test]
fn it_keeps_the_promises_of_a_provider() {
    keeps_its_promises(&Promised::default());
}
