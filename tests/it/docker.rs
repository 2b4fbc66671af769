//! The image and its life in containers: envshim as entrypoint and PID 1, from `FROM scratch` to an
//! application that copies the binary. The very Dockerfiles of the project are built.

use std::path::PathBuf;
use std::process::Command;

use super::house::podman::{self, BUSYBOX, Container, ENVSHIM, build, done};
use super::house::{Answer, Folder, Shim, envshim, repository, set_mode};

/// Runs a container to its end.
fn run(words: &[&str]) -> Answer {
    let start = ["run", "--rm", "--network=none"];
    let output = podman::podman(&[&start, words].concat()).output();
    Answer::new(output.expect("podman"), Folder::new())
}

/// The bare image with a static busybox put in from outside, in place of a program of one's own.
fn scratch(options: &[&str], program: &[&str]) -> Answer {
    run(&[
        options,
        &[&mount(), "--env=ENVSHIM_OPTIONAL=1", ENVSHIM],
        program,
    ]
    .concat())
}

fn mount() -> String {
    format!("--volume={}:/busybox:ro", podman::program().display())
}

/// docker/example as its comment says to build it, with a key of its own.
struct Shop {
    image: String,
    secret: String,
    key: PathBuf,
    folder: Folder,
}

const SECRET: &str = "four words in here";
/// What the application makes of it.
const OPEN: &str = "the shop is open, 18 letters of secret, 3bf35f6b5b251115f08d904687f3240b40c86e08481013763860aafdd9f2fb96";

impl Shop {
    fn new() -> Shop {
        podman::images();
        let folder = Folder::new();
        let example = repository().join("docker/example");
        for entry in std::fs::read_dir(&example).expect("the example") {
            let path = entry.expect("an entry").path();
            let name = path.file_name().expect("a name");
            std::fs::copy(&path, folder.path().join(name)).expect("a copy");
        }
        let key = Shim::new().args("keygen").run().ok().bytes;
        let key = folder.write("vault.key", key);
        folder.write(".vault", format!("SHOP_SECRET=\"{SECRET}\"\n"));
        let mut seal = Command::new(envshim());
        seal.args(["seal", "--key-file"])
            .arg(&key)
            .current_dir(folder.path());
        assert!(seal.env_clear().status().expect("envshim").success());
        let shop = Shop {
            image: format!("localhost/{}", podman::name("shop")),
            secret: podman::name("key"),
            key,
            folder,
        };
        let arguments = [format!("ENVSHIM={ENVSHIM}"), format!("BASE={BUSYBOX}")];
        let arguments = arguments.each_ref().map(String::as_str);
        let file = shop.folder.join("Dockerfile");
        let alone = podman::alone();
        build(&shop.image, &file, shop.folder.path(), &arguments);
        drop(alone);
        done(&[
            "secret",
            "create",
            &shop.secret,
            shop.key.to_str().expect("text"),
        ]);
        shop
    }

    /// The option that hands the key in as /run/secrets/envshim_key.
    fn key(&self) -> String {
        format!(
            "--secret={},target=envshim_key,uid=65532,mode=0400",
            self.secret
        )
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        let alone = podman::alone();
        drop(podman::podman(&["rmi", &self.image]).output());
        drop(podman::podman(&["secret", "rm", &self.secret]).output());
        drop(alone);
    }
}

/// The names of the files in a tar archive, without folders.
fn files_in(tar: &[u8]) -> Vec<String> {
    let mut names = Vec::new();
    let mut at = 0;
    while tar[at] != 0 {
        let text = |from: usize, most: usize| {
            let field = &tar[at + from..at + from + most];
            let end = field.iter().position(|b| *b == 0).unwrap_or(most);
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let size = usize::from_str_radix(text(124, 12).trim(), 8).expect("a size");
        if tar[at + 156] != b'5' {
            names.push(text(0, 100));
        }
        at += 512 + size.next_multiple_of(512);
    }
    names
}

#[test]
fn a_scratch_image_is_enough() {
    if !podman::available() {
        return;
    }
    podman::images();
    let container = done(&["create", "--network=none", ENVSHIM]);
    let archive = podman::podman(&["export", &container]).output();
    done(&["rm", &container]);
    assert_eq!(
        files_in(&archive.expect("podman").stdout),
        ["usr/local/bin/envshim"]
    );

    let answer = scratch(
        &[],
        &[
            "/busybox",
            "sh",
            "-c",
            "echo $$; /busybox readlink /proc/1/exe",
        ],
    );
    assert_eq!(answer.ok().out, "1\n/busybox\n");
    scratch(&[], &["/busybox", "sh", "-c", "exit 42"]).exits(42);
    run(&["--entrypoint=envshim", ENVSHIM, "--version"]).ok();
    // Without secrets: what was looked for.
    run(&[ENVSHIM, "/busybox"]).exits(125).says("`.vault.enc`");
}

#[test]
fn an_image_without_shell_explains_itself() {
    if !podman::available() {
        return;
    }
    podman::images();
    scratch(&[], &["sh", "-c", "true"])
        .exits(127)
        .says("envshim: error: sh: not found in PATH");
    let folder = Folder::new();
    let script = folder.write("script", "#!/bin/sh\necho never\n");
    set_mode(&script, 0o755);
    let option = format!("--volume={}:/script:ro", script.display());
    let answer = scratch(&[&option], &["/script"]);
    assert!(matches!(answer.code, Some(126 | 127)), "{:?}", answer.code);
    answer
        .says("/script")
        .says("`/bin/sh`")
        .says("envshim: hint: ");
}

#[test]
fn a_terminal_is_handed_on() {
    if !podman::available() {
        return;
    }
    podman::images();
    let tty = [
        "/busybox",
        "sh",
        "-c",
        "/busybox tty; test -t 0 -a -t 1 -a -t 2",
    ];
    assert!(scratch(&["--tty"], &tty).ok().out.contains("/dev/pts/"));
    scratch(&[], &tty).exits(1);
}

#[test]
fn stop_reaches_the_program() {
    if !podman::available() {
        return;
    }
    podman::images();
    let mount = mount();
    let options = [
        &*mount,
        "--env=ENVSHIM_OPTIONAL=1",
        ENVSHIM,
        "/busybox",
        "sh",
        "-c",
    ];
    let wait = "echo ready; while :; do /busybox sleep 1000 & wait $!; done";
    let trap = format!("trap 'echo asked; exit 7' TERM; {wait}");
    let mut container = Container::start(&[&options[..], &[&trap]].concat());
    container.says("ready");
    done(&["stop", "--time=60", &container.name]);
    container.says("asked");
    assert_eq!(container.child.wait().expect("an end").code(), Some(7));

    // What nobody can catch ends it as Docker says it.
    let mut container = Container::start(&[&options[..], &[wait]].concat());
    container.says("ready");
    done(&["kill", "--signal=KILL", &container.name]);
    assert_eq!(container.child.wait().expect("an end").code(), Some(137));
}

#[test]
fn an_application_opens_its_sealed_file_with_a_mounted_key() {
    if !podman::available() {
        return;
    }
    let shop = Shop::new();
    let mut container = Container::start(&[
        &shop.key(),
        "--read-only",
        // Podman 4 makes no mount point for a secret in a read-only image.
        "--tmpfs=/run/secrets",
        "--cap-drop=all",
        "--security-opt=no-new-privileges",
        "--memory=64m",
        &shop.image,
    ]);
    container.says(OPEN);
    let page = done(&[
        "exec",
        &container.name,
        "wget",
        "-q",
        "-O-",
        "http://127.0.0.1:8000/",
    ]);
    assert_eq!(page, OPEN);
    assert_eq!(
        done(&["exec", &container.name, "readlink", "/proc/1/exe"]),
        "/bin/busybox"
    );
    assert_eq!(done(&["exec", &container.name, "id", "-u"]), "65532");
    done(&["stop", "--time=60", &container.name]);
    container.says("closed");
    assert_eq!(container.child.wait().expect("an end").code(), Some(0));
    assert!(
        !container.said().contains("envshim"),
        "{}",
        container.said()
    );
}

#[test]
fn the_image_gives_nothing_away_and_the_environment_wins() {
    if !podman::available() {
        return;
    }
    let shop = Shop::new();
    run(&[&shop.image])
        .exits(125)
        .says(".vault.enc: it is sealed")
        .says("envshim_key");
    let listed = run(&["--entrypoint=ls", &shop.image, "-A", "/app"]).ok();
    assert_eq!(listed.out, ".vault.enc\napp.sh\n");

    let show = ["sh", "-c", "echo \"$SHOP_SECRET\""];
    let key = shop.key();
    let answer = run(&[&[&*key, &*shop.image], &show[..]].concat()).ok();
    assert_eq!(answer.out.trim_end(), SECRET);
    assert_eq!(answer.err, "");
    let answer = run(&[&[&*key, "--env=SHOP_SECRET=mine", &*shop.image], &show[..]].concat()).ok();
    assert_eq!(answer.out.trim_end(), "mine");
    answer.says("warning").says("SHOP_SECRET").hides(SECRET);
}
