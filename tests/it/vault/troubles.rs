//! Everything that can go wrong on the way and in the server: each its own words, exit 125, in
//! time, the variable and the reference named, no token and no secret in any output.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use super::super::house::authority::{Authority, NOW, PAST};
use super::super::house::openbao::OpenBao;
use super::super::house::server::{Server, answer, read_request};
use super::super::house::wire::Relay;
use super::super::house::{Answer, Folder, Shim, envshim, python};

/// A token and a body that must not be seen anywhere.
const TOKEN: &str = "s.c4n4ryTOKEN";
const BODY: &str = r#"{"errors":["c4n4ry in an error"],"data":{"data":{"a":"c4n4ry"}}}"#;

fn shim(url: &str) -> Shim {
    Shim::new()
        .env("VAULT_ADDR", url)
        .env("VAULT_TOKEN", TOKEN)
        .env("VAULT_MAX_RETRIES", "1")
        .file(".vault", "X=1\nA=vault:app#a?default=d\n")
}

/// It fails as it should, whatever the reason.
#[track_caller]
fn fails(shim: Shim, limit: Duration) -> Answer {
    let begin = Instant::now();
    let told = shim.refused();
    let took = begin.elapsed();
    assert!(took < limit, "{took:?}: {}", told.err);
    assert!(told.out.is_empty(), "{}", told.out);
    let told = told.says("envshim: error: .vault:2: A: vault:app#a: ");
    told.says("envshim: hint: ").hides("c4n4ry")
}

const SOON: Duration = Duration::from_secs(5);

/// Reads the request, then does as told with the connection.
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
fn on_the_way() {
    let free = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", free.local_addr().expect("an address"));
    drop(free);
    fails(shim(&url), SOON)
        .says(&format!("{url}: the connection is refused"))
        .says("hint: is the server running, and is the port right?");

    let silent = after_request(hold);
    let told = fails(shim(&silent.url()).args("--timeout=700ms"), SOON);
    told.says("the server does not answer for")
        .says("the time limit of 700 ms is used up");
    let head = after_request(|stream| {
        drop(
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"data\": \"c4n4ry"),
        );
        hold(stream);
    });
    let told = fails(shim(&head.url()).args("--timeout=700ms"), SOON);
    told.says("the rest of the answer does not come for");
    let slow = shim(&silent.url()).env("VAULT_CLIENT_TIMEOUT", "300ms");
    let told = slow.refused().hides("c4n4ry");
    told.says("A: vault:app#a: ")
        .says("does not answer for 3")
        .says("(2 attempts)");

    let cut = after_request(|stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
        drop(stream.write_all(format!("{head}{BODY}").as_bytes()));
    });
    let length = BODY.len();
    let says = format!("the answer was cut off after {length} of 1000 bytes (2 attempts)");
    assert!(
        shim(&cut.url())
            .refused()
            .hides("c4n4ry")
            .err
            .contains(&says)
    );
    let garbage = after_request(|stream| drop(stream.write_all(b"c4n4ry\r\n\r\n")));
    let told = shim(&garbage.url()).refused().hides("c4n4ry");
    told.says("A: vault:app#a: ").says("the answer is not HTTP");
    let huge = after_request(|stream| {
        drop(stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 500000000\r\n\r\n"));
        while stream.write_all(&[b' '; 65536]).is_ok() {}
    });
    let told = shim(&huge.url()).refused();
    told.says("A: vault:app#a: ")
        .says("the answer is larger than 4 MiB");

    let other = Server::http(|_| answer(200, "", r#"{"data":{"a":"1"}}"#));
    let location = format!("Location: {}/v1/secret/data/app\r\n", other.url());
    for status in [301, 302, 307] {
        let location = location.clone();
        let standby = Server::http(move |_| answer(status, &location, ""));
        fails(shim(&standby.url()), SOON)
            .says(&format!(
                "the server sends us to {}, which must not see the credentials",
                other.url()
            ))
            .says(&format!(
                "hint: if that server is meant, make {} the address",
                other.url()
            ));
    }
    assert!(other.seen().is_empty());
}

#[test]
fn what_is_not_vault() {
    for (status, body, says) in [
        (
            200,
            "<html>c4n4ry</html>",
            "the answer (status 200) is not one of Vault",
        ),
        (
            404,
            "<html>c4n4ry</html>",
            "the answer (status 404) is not one of Vault",
        ),
        (
            200,
            "[\"c4n4ry\"]",
            "the answer (status 200) is not one of Vault",
        ),
        (
            503,
            "<html>c4n4ry</html>",
            "is not Vault itself but a proxy that does not reach it (status 503)",
        ),
    ] {
        let server = Server::http(move |_| answer(status, "", body));
        fails(shim(&server.url()), SOON)
            .says(&format!("A: vault:app#a: {}", server.url()))
            .says(says);
    }
    let odd = Server::http(|_| answer(200, "", r#"{"data":"c4n4ry"}"#));
    let told = fails(shim(&odd.url()).env("VAULT_KV_VERSION", "2"), SOON);
    told.says("`secret/data/app` cannot be read");
}

#[test]
fn states_of_the_server() {
    for (status, says, hint) in [
        (
            412,
            "has not yet got what was written just now (status 412)",
            "--timeout 60s",
        ),
        (
            429,
            "limits the number of requests (status 429)",
            "rate-limit quota",
        ),
        (
            472,
            "is a secondary for disaster recovery",
            "make the active node",
        ),
        (
            473,
            "is a performance standby that cannot answer this",
            "make the active node",
        ),
        (
            500,
            "has an internal error (status 500)",
            "the server's log says why",
        ),
        (
            501,
            "is not initialised yet (status 501)",
            "vault operator init",
        ),
        (
            502,
            "could not reach a system behind it (status 502)",
            "the server's log says why",
        ),
        (
            503,
            "is sealed, or in maintenance (status 503)",
            "unseal it: vault operator unseal",
        ),
    ] {
        let server = Server::http(move |_| answer(status, "", BODY));
        fails(shim(&server.url()), SOON)
            .says(&format!("{} {says}", server.url()))
            .says(hint);
        let tries = if matches!(status, 472 | 473 | 501) {
            1
        } else {
            2
        };
        assert_eq!(server.seen().len(), tries, "{status}");
    }
    // They pass: the secret comes at the second try.
    for status in [412, 429, 500, 503] {
        let server = Server::http(move |seen| match seen.number {
            0 => answer(status, "", BODY),
            _ => answer(
                200,
                "",
                r#"{"data":{"data":{"a":"1"},"metadata":{"version":1,"created_time":"x"}}}"#,
            ),
        });
        shim(&server.url()).environment().quiet().has("A", "1");
    }
}

#[test]
fn a_sealed_server_and_one_that_limits() {
    let Some(bao) = OpenBao::start() else { return };
    let wanting = || {
        let shim = bao
            .shim()
            .env("VAULT_TOKEN", &bao.root)
            .env("VAULT_MAX_RETRIES", "1");
        shim.file(".vault", "X=1\nA=vault:app#a\n")
    };
    bao.put("app", r#"{"a": "c4n4ry"}"#);
    bao.write(
        "sys/quotas/rate-limit/tight",
        r#"{"path": "secret/", "rate": 1, "interval": "60s", "block_interval": "60s"}"#,
    );
    wanting().environment().quiet();
    let told = fails(wanting(), SOON).hides(&bao.root);
    assert!(
        told.err
            .contains("limits the number of requests (status 429)")
            || told.err.contains("asks to wait"),
        "{}",
        told.err
    );
    bao.call("delete", r#"{"path": "sys/quotas/rate-limit/tight"}"#);
    wanting().environment().quiet();
    bao.call("sys.seal", "{}");
    let told = fails(wanting(), SOON).hides(&bao.root);
    told.says(&format!(
        "{} is sealed, or in maintenance (status 503)\n",
        bao.url()
    ));
    let login = bao
        .shim()
        .env("VAULT_ROLE_ID", "x")
        .env("VAULT_MAX_RETRIES", "0");
    fails(login.file(".vault", "X=1\nA=vault:app#a\n"), SOON).says("is sealed");
    bao.call("unseal", "{}");
    wanting().environment().quiet().has("A", "c4n4ry");
}

#[test]
fn certificates() {
    let Some(bao) = OpenBao::start() else { return };
    let stranger = Authority::new();
    let wanting = |shim: Shim| {
        let shim = shim.env("VAULT_TOKEN", &bao.root);
        shim.file(".vault", "X=1\nA=vault:app#a\n")
    };
    bao.put("app", r#"{"a": "1"}"#);
    let pem = || String::from_utf8(bao.authority.folder.read("ca.pem")).expect("PEM");
    // Whose word counts: a file, the text itself, a folder; the first of them.
    let at = |url: &str| Shim::new().env("VAULT_ADDR", url);
    wanting(bao.shim().env("VAULT_CACERT_BYTES", "none"))
        .environment()
        .quiet();
    wanting(at(&bao.url()).env("VAULT_CACERT_BYTES", pem()))
        .environment()
        .quiet();
    wanting(
        at(&bao.url())
            .env("VAULT_CAPATH", "cas")
            .file("cas/one.pem", pem()),
    )
    .environment()
    .quiet();
    wanting(at(&bao.url()).env("SSL_CERT_FILE", bao.authority.root()))
        .environment()
        .quiet();

    fails(
        wanting(at(&bao.url()).env("VAULT_CACERT", stranger.root())),
        SOON,
    )
    .says("the server's certificate is signed by an authority that is not known here")
    .says("hint: name the file with its authority: VAULT_CACERT");
    fails(wanting(at(&bao.url()).env("VAULT_CACERT", "none")), SOON)
        .says("VAULT_CACERT: there is no none");
    // By a name that is not in the certificate, unless it is said which one is.
    let relay = Relay::new(bao.address, Duration::ZERO);
    let by_name = format!("https://vault.localhost:{}", relay.server.port());
    let known = |url: &str| at(url).env("VAULT_CACERT", bao.authority.root());
    fails(wanting(known(&by_name)), SOON)
        .says("the server's certificate is for ")
        .says("VAULT_TLS_SERVER_NAME");
    wanting(known(&by_name).env("VAULT_TLS_SERVER_NAME", "localhost"))
        .environment()
        .quiet();
    let any = wanting(at(&bao.url()).env("VAULT_SKIP_VERIFY", "true")).environment();
    any.has("A", "1")
        .says("warning: VAULT_SKIP_VERIFY: any certificate is believed");
    wanting(at(&bao.url()).env("VAULT_SKIP_VERIFY", "true"))
        .args("--strict")
        .refused()
        .says("VAULT_SKIP_VERIFY believes any certificate, which --strict refuses");

    let old = Authority::new();
    old.sign("old", "DNS:localhost", PAST);
    let expired = Server::https(old.server("old").config(), |_| answer(200, "", ""));
    fails(
        wanting(at(&expired.tls_url()).env("VAULT_CACERT", old.root())),
        SOON,
    )
    .says("the server's certificate expired ")
    .says("date -u");
    old.sign("client", "DNS:client", NOW);
    old.sign("mutual", "DNS:localhost", NOW);
    let mutual = old.server("mutual").asks_clients(&old).config();
    let mutual = Server::https(mutual, |_| answer(200, "", ""));
    fails(
        wanting(at(&mutual.tls_url()).env("VAULT_CACERT", old.root())),
        SOON,
    )
    .says("the server wants a client certificate");
}

#[test]
fn addresses_and_other_settings() {
    for (name, value, says) in [
        (
            "VAULT_ADDR",
            "vault:8200",
            "VAULT_ADDR is not an address: `https://` is missing",
        ),
        (
            "VAULT_ADDR",
            "https://user:c4n4ry@vault",
            "VAULT_ADDR has a user or password in it",
        ),
        (
            "VAULT_ADDR",
            "unix://here",
            "VAULT_ADDR: the value is not of the right form",
        ),
        (
            "VAULT_AGENT_ADDR",
            "ftp://x",
            "VAULT_AGENT_ADDR is neither an https:// nor an http:// address",
        ),
        (
            "VAULT_ADDR",
            "unix:///none/socket",
            "the socket /none/socket: no such file or directory",
        ),
        (
            "VAULT_KV_VERSION",
            "3",
            "VAULT_KV_VERSION: the value is not of the right form",
        ),
        (
            "VAULT_CLIENT_TIMEOUT",
            "soon",
            "VAULT_CLIENT_TIMEOUT: the value is not of the right form",
        ),
        (
            "VAULT_MAX_RETRIES",
            "x",
            "VAULT_MAX_RETRIES: the value is not of the right form",
        ),
        (
            "VAULT_HEADERS",
            "c4n4ry",
            "VAULT_HEADERS: the value is not of the right form",
        ),
        (
            "VAULT_HEADERS",
            r#"{"X-Vault-Token": "c4n4ry"}"#,
            "VAULT_HEADERS sets `X-Vault-Token`, which is envshim's own",
        ),
        (
            "VAULT_SKIP_VERIFY",
            "perhaps",
            "VAULT_SKIP_VERIFY: the value is not of the right form",
        ),
        (
            "VAULT_PROXY_ADDR",
            "socks5://c4n4ry",
            "VAULT_PROXY_ADDR: is a kind of proxy that is not spoken here",
        ),
    ] {
        let mut shim = Shim::new()
            .env("VAULT_TOKEN", TOKEN)
            .env("VAULT_MAX_RETRIES", "0");
        if name == "VAULT_MAX_RETRIES" {
            shim = Shim::new().env("VAULT_TOKEN", TOKEN);
        }
        if name != "VAULT_ADDR" {
            shim = shim.env("VAULT_ADDR", "https://localhost:1");
        }
        let shim = shim.env(name, value).file(".vault", "X=1\nA=vault:app#a\n");
        fails(shim, SOON).says(says);
    }
    Shim::new()
        .file(".vault", "A=vault:app#a\n")
        .refused()
        .says("the address of Vault is not known\n");
    // In clear over a network: told, and refused where that is asked for.
    let clear = || shim("http://vault.invalid:8200").args("--timeout=2s");
    clear().refused().says(
        "warning: VAULT_ADDR: secrets and credentials travel in clear to http://vault.invalid:8200",
    );
    clear()
        .args("--strict")
        .refused()
        .says("error: .vault:2: A: vault:app#a: VAULT_ADDR: secrets and credentials travel in clear to http://vault.invalid:8200, which --strict refuses");
}

#[test]
fn what_a_request_carries() {
    let server = Server::http(|seen| match seen.path() {
        "/base/v1/kv/data/app" => answer(
            200,
            "",
            r#"{"data":{"data":{"a":"1"},"metadata":{"version":1,"created_time":"x"}}}"#,
        ),
        _ => answer(404, "", r#"{"errors":[]}"#),
    });
    for path in ["/base", "/base/", "/base/v1/"] {
        let shim = shim(&format!("{}{path}", server.url()))
            .env("VAULT_MOUNT_POINT", "kv")
            .env("VAULT_NAMESPACE", "admin/team/")
            .env("VAULT_HEADERS", r#"{"CF-Access-Client-Secret": "gate"}"#);
        shim.environment()
            .quiet()
            .has("A", "1")
            .lacks("VAULT_HEADERS");
    }
    for seen in server.seen() {
        assert_eq!(seen.header("x-vault-token"), Some(TOKEN));
        assert_eq!(seen.header("x-vault-request"), Some("true"));
        assert_eq!(seen.header("x-vault-namespace"), Some("admin/team"));
        assert_eq!(seen.header("cf-access-client-secret"), Some("gate"));
    }
    // A redirect within the address is followed, unless that is forbidden.
    let moved = Server::http(|seen| match seen.path() {
        "/v1/secret/data/app" => answer(307, "Location: /v1/moved\r\n", ""),
        _ => answer(
            200,
            "",
            r#"{"data":{"data":{"a":"1"},"metadata":{"version":1,"created_time":"x"}}}"#,
        ),
    });
    shim(&moved.url()).environment().quiet().has("A", "1");
    fails(shim(&moved.url()).env("VAULT_DISABLE_REDIRECTS", "1"), SOON)
        .says("the server redirects (status 307)");
}

/// A name server that says nothing.
#[test]
fn silent_name_servers() {
    let folder = Folder::new();
    folder.write("resolv.conf", "nameserver 127.0.0.1\n");
    folder.write("nsswitch.conf", "hosts: files dns\n");
    folder.write(".vault", "X=1\nA=vault:app#a\n");
    folder.write(
        "silent.py",
        "import socket, sys\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n\
         s.bind(('127.0.0.1', 53))\nopen('ready', 'w')\nwhile True: s.recv(512)\n",
    );
    let script = "ip link set lo up
        mount --bind resolv.conf /etc/resolv.conf
        mount --bind nsswitch.conf /etc/nsswitch.conf
        $PYTHON silent.py & trap \"kill $!\" EXIT
        while [ ! -e ready ]; do sleep 0.01; done
        status=0; $EXE --timeout=1s -- touch started || status=$?
        exit $status";
    let begin = Instant::now();
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--net",
            "--pid",
            "--fork",
            "--kill-child",
            "sh",
            "-ec",
            script,
        ])
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("PYTHON", python())
        .env("EXE", envshim())
        .env("VAULT_ADDR", "https://vault.example:8200")
        .env("VAULT_TOKEN", TOKEN)
        .current_dir(folder.path())
        .output()
        .expect("unshare");
    let told = Answer::new(output, folder).exits(125);
    assert!(begin.elapsed() < SOON);
    told.says(
        "envshim: error: .vault:2: A: vault:app#a: https://vault.example:8200: the name servers ",
    )
    .says("hint: look at the name servers in /etc/resolv.conf")
    .hides("c4n4ry");
}
