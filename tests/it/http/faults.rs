//! One server, one fault.

use std::borrow::Cow;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

use envshim::clock::Deadline;
use envshim::failure::Explain;
use envshim::http::{Cause, Client, Method, Options, Phase, Redirect, Request, Value};
use envshim::secret::Secret;

use super::{address, cause, fault, free_port, get, hasty, once, patient, spoken, text};
use crate::house::Folder;
use crate::house::server::{Server, answer, read_request};

/// Reads the request, then does as told.
fn after_request(act: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Server {
    Server::raw(move |mut stream, _| {
        if read_request(&mut stream).is_some() {
            act(&mut stream);
        }
    })
}

/// Holds the connection until the other side has gone.
fn hold(stream: &mut TcpStream) {
    drop(std::io::copy(stream, &mut std::io::sink()));
}

#[test]
fn an_answer_is_taken_whole() {
    let server =
        Server::http(|seen| answer(203, "X-Vault-Index: 7\r\n", seen.header("x-a").unwrap()));
    let request = Request::get(address(&format!("{}/p?q=1", server.url())))
        .header("X-A", Value::Secret(Secret::new(b"s3cr3t".to_vec())))
        .header("X-B", Value::Plain(Cow::Borrowed("plain")));
    let got = Client::new(once()).send(&request).expect("an answer");
    assert_eq!((got.status, got.body.expose()), (203, &b"s3cr3t"[..]));
    assert_eq!(got.header("x-vault-index"), Some("7"));
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "GET /p?q=1 HTTP/1.1");
    assert_eq!(seen.header("x-b"), Some("plain"));
    assert_eq!(
        seen.header("host"),
        Some(server.address.to_string().as_str())
    );
    assert!(seen.header("user-agent").unwrap().starts_with("envshim/"));
    assert_eq!(seen.header("content-length"), None);
}

#[test]
fn a_body_is_sent_whole() {
    let server = Server::http(|seen| answer(200, "", seen.body.len().to_string()));
    let client = Client::new(once());
    for length in [0, 1, 100_000] {
        for method in [Method::Post, Method::Put, Method::Patch] {
            let body = Secret::new(vec![b'x'; length]);
            let request = Request::send(method, address(&server.url()), body);
            assert_eq!(text(client.send(&request)), length.to_string());
        }
    }
    assert_eq!(server.connections(), 1);
    let lengths: Vec<String> = server
        .seen()
        .iter()
        .map(|s| s.header("content-length").unwrap().to_owned())
        .collect();
    assert_eq!(lengths[0], "0");
}

#[test]
fn chunks_and_early_answers_are_read() {
    let chunked = after_request(|stream| {
        let head = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        drop(stream.write_all(format!("{head}5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n").as_bytes()));
    });
    assert_eq!(text(get(once(), &chunked.url())), "hello!");
    let to_the_end =
        after_request(|stream| drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\nuntil closed")));
    assert_eq!(text(get(once(), &to_the_end.url())), "until closed");
}

#[test]
fn refused() {
    let port = free_port();
    let refused = fault(get(
        patient(),
        &format!("http://127.0.0.1:{port}/v1/x?token=s3cr3t"),
    ));
    assert!(matches!(refused.cause, Cause::Refused(at) if at.port() == port));
    assert_eq!(refused.tries, 4);
    assert!(refused.unreachable());
    assert_eq!(
        spoken(&refused),
        format!(
            "http://127.0.0.1:{port}: the connection is refused (nobody listens at \
             127.0.0.1:{port}) (4 attempts) | is the server running, and is the port right?"
        )
    );
}

#[test]
fn unreachable() {
    // The kernel has no way to a multicast address over TCP.
    let got = cause(get(once(), "http://224.0.0.1:8200"));
    assert!(matches!(got, Cause::Unreachable(..)), "{got:?}");
}

#[test]
fn silent() {
    let server = after_request(hold);
    let begun = Instant::now();
    let got = cause(get(hasty(), &server.url()));
    assert!(matches!(got, Cause::Slow(Phase::Answer, _)), "{got:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn one_byte_at_a_time_ends_by_the_limit_too() {
    let server = after_request(|stream| {
        for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
            .iter()
            .chain(&[b'x'; 1000])
        {
            if stream.write_all(&[*byte]).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let begun = Instant::now();
    let got = cause(get(hasty(), &server.url()));
    assert!(matches!(got, Cause::Slow(Phase::Answer, _)), "{got:?}");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[test]
fn hanging_after_the_head() {
    let server = after_request(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
        hold(stream);
    });
    let got = cause(get(hasty(), &server.url()));
    assert!(
        matches!(got, Cause::Slow(Phase::Body, after) if after.as_millis() >= 400),
        "{got:?}"
    );
}

#[test]
fn cut_off() {
    let by_length = after_request(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"));
    });
    let got = cause(get(once(), &by_length.url()));
    assert!(
        matches!(
            got,
            Cause::Cut {
                got: 3,
                of: Some(10)
            }
        ),
        "{got:?}"
    );
    let by_chunks = after_request(|stream| {
        drop(stream.write_all(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n5\r\nde",
        ));
    });
    let got = cause(get(once(), &by_chunks.url()));
    assert!(matches!(got, Cause::Cut { of: None, .. }), "{got:?}");
    let before = after_request(|_| ());
    let got = cause(get(once(), &before.url()));
    assert!(matches!(got, Cause::Closed(Phase::Answer)), "{got:?}");
}

#[test]
fn garbage() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n\r\n"[..],
        b"\0\xff\0\xff",
        b"HTTP/9.9 999 X\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
    ] {
        let server = after_request(|stream| {
            drop(stream.write_all(bytes));
        });
        let got = cause(get(once(), &server.url()));
        assert!(
            matches!(got, Cause::Garbage),
            "{}: {got:?}",
            bytes.escape_ascii()
        );
    }
}

#[test]
fn half_a_gigabyte() {
    let announced = after_request(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 524288000\r\n\r\n"));
        hold(stream);
    });
    assert!(matches!(
        cause(get(once(), &announced.url())),
        Cause::TooLarge(4_194_304)
    ));
    let endless = after_request(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n"));
        while stream.write_all(&[b'x'; 65536]).is_ok() {}
    });
    let options = Options {
        most: 100_000,
        ..once()
    };
    let got = fault(get(options, &endless.url()));
    assert!(
        got.what().ends_with("the answer is larger than 97 KiB"),
        "{}",
        got.what()
    );
    let head = after_request(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\n"));
        while stream
            .write_all(b"X-Header: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n")
            .is_ok()
        {}
    });
    let got = cause(get(once(), &head.url()));
    assert!(
        matches!(got, Cause::TooLarge(_) | Cause::Garbage),
        "{got:?}"
    );
}

#[test]
fn redirects() {
    let other = Server::http(|_| answer(200, "", "theirs"));
    let to = other.url();
    let server = Server::http(move |seen| match seen.path() {
        "/away" => answer(307, &format!("Location: {to}/x?token=s3cr3t\r\n"), ""),
        "/again" => answer(301, "Location: /again\r\n", ""),
        "/nowhere" => answer(302, "", ""),
        "/bad" => answer(302, "Location: ftp://x\r\n", ""),
        "/here" => answer(307, "Location: /there?q\r\n", ""),
        path => answer(
            200,
            "",
            format!("{path} {}", seen.header("x-vault-token").unwrap()),
        ),
    });
    let send = |path: &str, follow| {
        let mut request = Request::get(address(&format!("{}{path}", server.url()))).header(
            "X-Vault-Token",
            Value::Secret(Secret::new(b"t0ken".to_vec())),
        );
        request.follow = follow;
        Client::new(patient()).send(&request)
    };
    let away = fault(send("/away", true));
    let want = other.url();
    assert!(matches!(&away.cause, Cause::Redirect(Redirect::Elsewhere(to)) if *to == want));
    assert_eq!(away.tries, 1);
    assert!(!spoken(&away).contains("s3cr3t"), "{}", spoken(&away));
    assert!(
        spoken(&away).contains(&format!("make {want} the address")),
        "{}",
        spoken(&away)
    );
    assert_eq!(other.connections(), 0);
    for (path, follow) in [("/again", true), ("/here", false)] {
        assert!(matches!(
            cause(send(path, follow)),
            Cause::Redirect(Redirect::Unwanted(_))
        ));
    }
    for path in ["/nowhere", "/bad"] {
        assert!(matches!(
            cause(send(path, true)),
            Cause::Redirect(Redirect::Nowhere(302))
        ));
    }
    assert_eq!(text(send("/here", true)), "/there?q t0ken");
}

#[test]
fn a_line_break_in_a_token_is_told() {
    let server = Server::http(|_| answer(200, "", ""));
    let token = Value::Secret(Secret::new(b"s3cr3t\n".to_vec()));
    let request = Request::get(address(&server.url())).header("X-Vault-Token", token);
    let got = fault(Client::new(once()).send(&request));
    assert!(matches!(&got.cause, Cause::Header(name) if name == "X-Vault-Token"));
    assert!(!spoken(&got).contains("s3cr3t"));
    assert_eq!(server.connections(), 0);
}

#[test]
fn the_deadline() {
    let server = after_request(hold);
    let options = Options {
        deadline: Deadline::after(Duration::from_millis(300)),
        ..patient()
    };
    let begun = Instant::now();
    let got = fault(get(options, &server.url()));
    assert!(begun.elapsed() < Duration::from_secs(5));
    assert_eq!(got.deadline, Some(Duration::from_millis(300)));
    assert!(
        spoken(&got).contains("the time limit of 300 ms is used up"),
        "{}",
        spoken(&got)
    );
    let options = Options {
        deadline: Deadline::after(Duration::ZERO),
        ..patient()
    };
    assert!(matches!(
        cause(get(options, &server.url())),
        Cause::Deadline
    ));
}

#[test]
fn unix_sockets() {
    let folder = Folder::new();
    let path = folder.join("vault.sock");
    let ask = || {
        let options = Options {
            socket: Some(path.clone()),
            ..once()
        };
        get(options, "http://localhost/v1/x")
    };
    let got = fault(ask());
    assert!(matches!(&got.cause, Cause::Socket(at, _) if *at == path));
    let listener = UnixListener::bind(&path).expect("a socket");
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a client");
        let seen = read_request(&mut stream).expect("a request");
        stream
            .write_all(&answer(200, "", seen.line))
            .expect("an answer");
    });
    assert_eq!(text(ask()), "GET /v1/x HTTP/1.1");
    server.join().expect("the server");
}
