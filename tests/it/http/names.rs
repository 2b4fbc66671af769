//! Name look-ups, in a namespace where the test decides what there is to ask.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use envshim::failure::Explain;

use super::{get, hasty, once};
use crate::house::Folder;
use crate::house::authority;
use crate::house::server::{Server, answer};

/// The inner half: run by the tests below in a namespace of its own, with a name server that
/// behaves as `ENVSHIM_TEST_DNS` says. Run plainly, it asks a server by number.
#[test]
fn inner() {
    let dns = std::env::var("ENVSHIM_TEST_DNS").unwrap_or_default();
    let server = Server::http(|_| answer(200, "", "found"));
    if dns.is_empty() {
        assert_eq!(super::text(get(once(), &server.url())), "found");
        return;
    }
    let options = if dns == "silent" { hasty() } else { once() };
    if dns != "none" {
        let socket = UdpSocket::bind("127.0.0.1:53").expect("port 53 of the namespace");
        std::thread::spawn(move || serve(&socket, &dns));
    }
    let begun = Instant::now();
    let url = format!("http://store.example:{}", server.port());
    match get(options, &url) {
        Ok(found) => println!("SAID {}", String::from_utf8_lossy(found.body.expose())),
        Err(fault) => println!(
            "SAID {} | {}",
            fault.what(),
            fault.hint().unwrap_or_default()
        ),
    }
    println!("TOOK {}", begun.elapsed().as_millis());
    if let (Ok(pem), Ok(key)) = (std::fs::read("/store.pem"), std::fs::read("/store.key")) {
        let config = authority::Server::new(pem, key).config();
        let server = Server::https(config, |_| answer(200, "", "x"));
        println!(
            "ROOTS {}",
            super::fault(get(once(), &server.tls_url())).what()
        );
    }
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    println!("PLUGINS {}", maps.matches("libnss").count());
}

/// A name server for `store.example`: 127.0.0.1, or nothing of the kind, or silence.
fn serve(socket: &UdpSocket, behaviour: &str) {
    let mut query = [0; 512];
    while let Ok((length, from)) = socket.recv_from(&mut query) {
        let mut reply = query[..length].to_vec();
        // The question ends after its name, type and class; what follows is EDNS.
        let end = 12 + query[12..].iter().position(|b| *b == 0).expect("a name") + 5;
        let wants_v4 = query[end - 3] == 1;
        reply.truncate(end);
        reply[2..12].copy_from_slice(&[0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0]);
        match behaviour {
            "silent" => continue,
            "unknown" => reply[3] = 0x83,
            "failing" => reply[3] = 0x82,
            _ if wants_v4 => {
                reply[7] = 1;
                reply.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]);
            }
            _ => {}
        }
        socket.send_to(&reply, from).expect("an answer");
    }
}

struct Said {
    words: String,
    took: Duration,
    plugins: usize,
    roots: String,
}

fn run(script: &str, dns: &str, folder: &Folder) -> Said {
    let Output { stdout, stderr, .. } = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "--net",
            "sh",
            "-ec",
            script,
        ])
        .env("ENVSHIM_TEST_DNS", dns)
        .env("EXE", std::env::current_exe().expect("this program"))
        .env("FOLDER", folder.path())
        .output()
        .expect("unshare");
    let out = String::from_utf8_lossy(&stdout);
    let word = |name: &str| {
        let found = out.lines().find_map(|line| line.split_once(name));
        let Some((_, rest)) = found else {
            panic!("{out}\n{}", String::from_utf8_lossy(&stderr))
        };
        rest.to_owned()
    };
    Said {
        roots: out
            .lines()
            .find_map(|line| line.strip_prefix("ROOTS "))
            .unwrap_or_default()
            .to_owned(),
        words: word("SAID "),
        took: Duration::from_millis(word("TOOK ").parse().expect("a number")),
        plugins: word("PLUGINS ").parse().expect("a number"),
    }
}

/// With this /etc/resolv.conf and /etc/nsswitch.conf over the system's own.
fn over(dns: &str, nsswitch: &str) -> Said {
    let folder = Folder::new();
    folder.write("resolv.conf", "nameserver 127.0.0.1\n");
    folder.write("nsswitch.conf", nsswitch);
    let script = "ip link set lo up
        mount --bind $FOLDER/resolv.conf /etc/resolv.conf
        mount --bind $FOLDER/nsswitch.conf /etc/nsswitch.conf
        exec $EXE --exact http::names::inner --nocapture";
    run(script, dns, &folder)
}

/// In a root folder with nothing in it but this program (it is static) and these files.
fn empty_root(dns: &str, files: &[(&str, &str)]) -> Said {
    let folder = Folder::new();
    for (name, content) in files {
        folder.write(name, content);
    }
    let exe = folder.join("it");
    std::fs::copy(std::env::current_exe().expect("this program"), &exe).expect("a copy");
    std::fs::set_permissions(&exe, PermissionsExt::from_mode(0o755)).expect("a mode");
    let script = "ip link set lo up
        exec chroot $FOLDER /it --exact http::names::inner --nocapture";
    run(script, dns, &folder)
}

#[test]
fn a_name_is_found() {
    let said = over("good", "hosts: files dns\n");
    assert_eq!(said.words, "found");
}

#[test]
fn no_plugin_of_the_image_is_loaded() {
    // The premise: there is a plug-in that the name of this service would load.
    let there = |name: &str| {
        [
            "/lib/x86_64-linux-gnu",
            "/lib/aarch64-linux-gnu",
            "/usr/lib",
            "/lib64",
        ]
        .iter()
        .any(|folder| Path::new(folder).join(name).exists())
    };
    let service = ["systemd", "hesiod", "compat"]
        .into_iter()
        .find(|service| there(&format!("libnss_{service}.so.2")))
        .unwrap_or("none");
    let said = over("good", &format!("hosts: {service} files dns\n"));
    assert_eq!((said.words.as_str(), said.plugins), ("found", 0));
}

#[test]
fn a_name_is_not_known() {
    let said = over("unknown", "hosts: files dns\n");
    assert!(
        said.words.contains("the name `store.example` is not known"),
        "{}",
        said.words
    );
}

#[test]
fn a_name_server_fails() {
    let said = over("failing", "hosts: files dns\n");
    let want = "the name servers do not answer for `store.example`";
    assert!(said.words.contains(want), "{}", said.words);
}

#[test]
fn a_name_server_is_silent() {
    let said = over("silent", "hosts: files dns\n");
    assert!(
        said.words.contains("the name servers are silent for 5"),
        "{}",
        said.words
    );
    // The C library would take ten seconds; an attempt may take half a second here.
    assert!(said.took < Duration::from_secs(4), "{:?}", said.took);
}

#[test]
fn an_empty_root() {
    let said = empty_root("none", &[]);
    let want = "`store.example` cannot be looked up: there is no /etc/resolv.conf here";
    assert!(said.words.contains(want), "{}", said.words);
    assert!(said.took < Duration::from_secs(4), "{:?}", said.took);
    let said = empty_root("good", &[("etc/resolv.conf", "nameserver 127.0.0.1\n")]);
    assert_eq!(said.words, "found");
    let authority = authority::Authority::new();
    authority.sign("store", "DNS:localhost", authority::NOW);
    let read = |name: &str| String::from_utf8(authority.folder.read(name)).expect("PEM");
    let files = [
        ("store.pem", read("store.pem")),
        ("store.key", read("store.key")),
    ];
    let said = empty_root(
        "none",
        &files.each_ref().map(|(name, text)| (*name, text.as_str())),
    );
    assert!(
        said.roots
            .ends_with("not known here (roots: Mozilla's, built in)"),
        "{}",
        said.roots
    );
    let said = empty_root("none", &[("etc/hosts", "127.0.0.1 store.example\n")]);
    assert_eq!(said.words, "found");
}
