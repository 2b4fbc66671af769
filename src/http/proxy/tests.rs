use super::{Proxies, Proxy};
use crate::http::address::Address;
use crate::http::fault::SettingFault;

fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, SettingFault> {
    Proxies::from_variables(|name| {
        let found = variables.iter().find(|(there, _)| *there == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn choice(variables: &[(&str, &str)], to: &str) -> Option<String> {
    let Ok(proxies) = proxies(variables) else {
        panic!("{variables:?}")
    };
    let Ok(to) = Address::parse(to) else {
        panic!("{to}")
    };
    proxies.name_for(&to)
}

#[test]
fn one_proxy_per_scheme() {
    let both = [("HTTPS_PROXY", "http://s:1"), ("HTTP_PROXY", "p:2")];
    assert_eq!(choice(&both, "https://v").as_deref(), Some("s:1"));
    assert_eq!(choice(&both, "http://v").as_deref(), Some("p:2"));
    // HTTP_PROXY alone says nothing about https.
    assert_eq!(choice(&both[1..], "https://v"), None);
    let all = [("ALL_PROXY", "http://a"), ("https_proxy", "http://s:1")];
    assert_eq!(choice(&all, "http://v").as_deref(), Some("a:80"));
    assert_eq!(choice(&all, "https://v").as_deref(), Some("s:1"));
    // Lower case first; empty is unset.
    let two = [("https_proxy", "l:1"), ("HTTPS_PROXY", "u:2")];
    assert_eq!(choice(&two, "https://v").as_deref(), Some("l:1"));
    let empty = [("https_proxy", " "), ("HTTPS_PROXY", "u:2")];
    assert_eq!(choice(&empty, "https://v").as_deref(), Some("u:2"));
    // Under CGI a client sets HTTP_PROXY.
    let cgi = [("HTTP_PROXY", "p:2"), ("REQUEST_METHOD", "GET")];
    assert_eq!(choice(&cgi, "http://v"), None);
}

#[test]
fn exceptions() {
    for (except, to, direct) in [
        ("*", "https://v.example", true),
        ("v.example", "https://v.example", true),
        ("V.Example.", "https://v.example", true),
        ("v.example", "https://a.v.example", true),
        ("v.example", "https://av.example", false),
        (".example", "https://v.example", true),
        (".example", "https://example", true),
        ("*.example", "https://v.example", true),
        ("example", "https://v.example.org", false),
        ("a, b ,v.example", "https://v.example", true),
        ("a b\tv.example", "https://v.example", true),
        ("v.example:8200", "https://v.example:8200", true),
        ("v.example:8200", "https://v.example", false),
        ("v.example:443", "https://v.example", true),
        ("10.0.0.0/8", "https://10.1.2.3", true),
        ("10.0.0.0/8", "https://11.1.2.3", false),
        ("10.1.2.3", "https://10.1.2.3:8200", true),
        ("10.1.2.3:8200", "https://10.1.2.3:8200", true),
        ("10.1.2.3:8200", "https://10.1.2.3:8201", false),
        ("10.0.0.0/8", "https://[::ffff:10.1.2.3]", true),
        ("0.0.0.0/0", "https://10.1.2.3", true),
        ("0.0.0.0/0", "https://v.example", false),
        ("10.0.0.0/33", "https://10.0.0.0", false),
        ("2001:db8::/32", "https://[2001:db8::1]", true),
        ("2001:db8::/32", "https://[2001:db9::1]", false),
        ("::/0", "https://[2001:db8::1]", true),
        ("[2001:db8::1]", "https://[2001:db8::1]", true),
        ("2001:db8::1", "https://[2001:DB8:0::1]:8200", true),
        ("[2001:db8::1]:8200", "https://[2001:db8::1]:8200", true),
        ("[2001:db8::1]:8200", "https://[2001:db8::1]", false),
        (",,/,:,[,a:b:c,*x", "https://v.example", false),
        ("", "https://v.example", false),
    ] {
        let variables = [("HTTPS_PROXY", "p:1"), ("NO_PROXY", except)];
        assert_eq!(choice(&variables, to).is_none(), direct, "{except} {to}");
    }
}

#[test]
fn what_stays_on_the_machine_is_never_sent_through_a_proxy() {
    let all = [("ALL_PROXY", "p:1")];
    for to in [
        "http://169.254.169.254/latest",
        "http://169.254.170.2",
        "http://[fd00:ec2::254]",
        "http://metadata.google.internal",
        "http://127.0.0.1:8200",
        "https://localhost",
        "https://[::1]:8200",
    ] {
        assert_eq!(choice(&all, to), None, "{to}");
    }
}

#[test]
fn proxies_are_read() {
    for (text, name, credentials) in [
        ("p", "p:80", None),
        ("p:3128/", "p:3128", None),
        ("https://p", "p:443", None),
        ("http://[::1]:3128", "[::1]:3128", None),
        // user:pa@ss, user:, and a colon in the password.
        (
            "http://user:pa@ss@p",
            "p:80",
            Some("Basic dXNlcjpwYUBzcw=="),
        ),
        (
            "http://user:pa%40ss@p",
            "p:80",
            Some("Basic dXNlcjpwYUBzcw=="),
        ),
        ("user@p:1", "p:1", Some("Basic dXNlcjo=")),
        ("http://@p", "p:80", None),
    ] {
        let Ok(proxy) = Proxy::parse(text, "X") else {
            panic!("{text}")
        };
        assert_eq!(proxy.name(), name);
        let got = proxy.credentials.as_ref().map(|c| c.expose());
        assert_eq!(got, credentials.map(str::as_bytes), "{text}");
    }
    for text in ["http://", "p:x", "http://p/path", "::1", "http://u%4@p"] {
        let answer = proxies(&[("ALL_PROXY", text)]);
        let Err(SettingFault::ProxyAddress("ALL_PROXY")) = answer else {
            panic!("{text}")
        };
    }
    let answer = proxies(&[("ALL_PROXY", "socks5://p")]);
    assert!(matches!(
        answer.err(),
        Some(SettingFault::ProxyKind("ALL_PROXY"))
    ));
}
