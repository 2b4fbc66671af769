//! Through proxies, and past them.

use std::sync::Arc;

use envshim::http::{Authority, Cause, Options, Pem, Proxies, ProxyFault, Tls};

use super::{cause, fault, free_port, get, once, patient, spoken, text};
use crate::house::authority::{self, NOW};
use crate::house::server::{Server, answer};
use crate::house::wire::Proxy;

fn through(variables: &[(&str, String)]) -> Options {
    let proxies = Proxies::from_variables(|name| {
        let found = variables.iter().find(|(there, _)| *there == name);
        found.map(|(_, value)| value.clone())
    });
    let proxies = match proxies {
        Ok(proxies) => Arc::new(proxies),
        Err(fault) => panic!("{fault:?}"),
    };
    Options { proxies, ..once() }
}

fn trusting(authority: &authority::Authority, options: Options) -> Options {
    let pem = Pem::File("VAULT_CACERT", authority.root());
    let tls = Tls {
        authority: Authority::Only(pem),
        ..Tls::default()
    };
    Options { tls, ..options }
}

#[test]
fn https_goes_through_a_tunnel() {
    let authority = authority::Authority::new();
    authority.sign("store", "DNS:store.example", NOW);
    let server = Server::https(authority.server("store").config(), |_| answer(200, "", "x"));
    let proxy = Proxy::new(server.address, |_| None);
    let user = format!("http://user:s3cr3t@{}", proxy.server.address);
    let options = trusting(&authority, through(&[("HTTPS_PROXY", user)]));
    // The name is the proxy's business: it does not exist here.
    assert_eq!(text(get(options, "https://store.example:8200/v1")), "x");
    let asked = &proxy.asked()[0];
    assert_eq!(asked.line, "CONNECT store.example:8200 HTTP/1.1");
    assert_eq!(
        asked.header("proxy-authorization"),
        Some("Basic dXNlcjpzM2NyM3Q=")
    );
    let seen = &server.seen()[0];
    assert_eq!(
        (seen.header("host"), seen.path()),
        (Some("store.example:8200"), "/v1")
    );
    assert_eq!(seen.header("proxy-authorization"), None);
}

#[test]
fn http_is_passed_on_whole() {
    let server = Server::http(|_| answer(200, "", "x"));
    let proxy = Proxy::new(server.address, |_| None);
    let user = format!("user:s3cr3t@{}", proxy.server.address);
    let options = through(&[("http_proxy", user)]);
    let client = envshim::http::Client::new(options);
    for path in ["/a", "/b"] {
        let to = super::address(&format!("http://store.example:8200{path}"));
        assert_eq!(text(client.send(&envshim::http::Request::get(to))), "x");
    }
    let asked = &proxy.asked()[0];
    assert_eq!(asked.line, "GET http://store.example:8200/a HTTP/1.1");
    assert_eq!(asked.header("host"), Some("store.example:8200"));
    assert_eq!(
        asked.header("proxy-authorization"),
        Some("Basic dXNlcjpzM2NyM3Q=")
    );
    // The second request on the same connection is rewritten as well.
    assert_eq!(
        server.seen()[1].line,
        "GET http://store.example:8200/b HTTP/1.1"
    );
    assert_eq!(proxy.server.connections(), 1);
}

#[test]
fn past_the_proxy() {
    let server = Server::http(|_| answer(200, "", "x"));
    let dead = format!("http://127.0.0.1:{}", free_port());
    // Loopback is never sent through a proxy.
    assert_eq!(
        text(get(through(&[("ALL_PROXY", dead)]), &server.url())),
        "x"
    );
}

#[test]
fn what_a_proxy_can_say() {
    let server = Server::http(|_| answer(200, "", "x"));
    for (status, url) in [
        (407, "https://store.example"),
        (407, "http://store.example"),
        (403, "https://store.example"),
        (502, "https://store.example"),
    ] {
        let proxy = Proxy::new(server.address, move |_| Some(status));
        let name = proxy.server.address.to_string();
        let variable = ("ALL_PROXY", format!("http://user:s3cr3t@{name}"));
        let got = fault(get(
            Options {
                policy: patient().policy,
                ..through(&[variable])
            },
            url,
        ));
        let Cause::Proxy(at, why) = &got.cause else {
            panic!("{got:?}")
        };
        assert_eq!(*at, name);
        match **why {
            ProxyFault::Credentials => assert_eq!(status, 407),
            ProxyFault::Refuses(said) => assert_eq!(status, said),
            ProxyFault::Unreachable(_) => panic!("{got:?}"),
        }
        assert_eq!(got.tries, if status == 502 { 4 } else { 1 });
        assert!(!spoken(&got).contains("s3cr3t"), "{}", spoken(&got));
        assert!(!got.unreachable());
    }
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_proxy_that_is_not_there() {
    let proxy = format!("127.0.0.1:{}", free_port());
    let variable = ("ALL_PROXY", format!("http://{proxy}"));
    let got = fault(get(through(&[variable]), "https://store.example"));
    assert!(got.unreachable());
    assert_eq!(
        spoken(&got),
        format!(
            "https://store.example: the proxy {proxy}: the connection is refused (nobody listens \
             at {proxy}) | if the store is reached directly, add its host to NO_PROXY"
        )
    );
}

#[test]
fn a_proxy_that_talks_nonsense() {
    let server = Server::raw(|mut stream, _| {
        std::io::Write::write_all(&mut stream, b"220 smtp.example\r\n\r\n").ok();
    });
    let variable = ("ALL_PROXY", server.url());
    let got = cause(get(through(&[variable]), "https://store.example"));
    let Cause::Proxy(_, why) = got else {
        panic!("{got:?}")
    };
    assert!(
        matches!(*why, ProxyFault::Unreachable(Cause::Garbage)),
        "{why:?}"
    );
}
