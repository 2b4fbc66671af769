//! Containers: podman with a store of its own under target/, and images built by the Dockerfiles of
//! the project. There are no base images to download: `scratch`, and one made of a static busybox.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::fcntl::{Flock, FlockArg};

use super::{Folder, envshim, repository, set_mode, wait_until, without};

/// What holds on a machine of any kind: no systemd, limits that may not be raised, no journal.
const CONFIGURATION: &str = r#"
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "none"
lock_type = "file"
"#;

/// The image of envshim: the last stage of docker/Dockerfile over the binary under test.
pub const ENVSHIM: &str = "localhost/envshim";
/// A base image with a shell.
pub const BUSYBOX: &str = "localhost/busybox";

/// Whether tests start containers. Where the machine cannot, they fail, unless the caller of the tests
/// left them out.
pub fn available() -> bool {
    !without("podman")
}

fn store() -> PathBuf {
    repository().join("target/podman")
}

/// A podman command on our store.
pub fn podman(words: &[&str]) -> Command {
    let store = store();
    let mut command = Command::new("podman");
    for (option, folder) in [
        ("--root", "root"),
        ("--runroot", "run"),
        ("--tmpdir", "tmp"),
    ] {
        command.arg(option).arg(store.join(folder));
    }
    command
        .args(["--storage-driver", "vfs"])
        .args(words)
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin")
        .env("HOME", &store)
        .env("CONTAINERS_CONF", store.join("containers.conf"))
        .stdin(Stdio::null());
    command
}

/// What a podman command prints; it must succeed.
#[track_caller]
pub fn done(words: &[&str]) -> String {
    let output = podman(words)
        .output()
        .expect("podman: install it, or set ENVSHIM_TEST_WITHOUT=podman");
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "podman {words:?}: {err}");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The store for us alone, as long as the answer lives: building and removing images at the same time
/// takes the layers of one from under the other.
pub fn alone() -> Flock<File> {
    std::fs::create_dir_all(store()).expect("a folder");
    let lock = File::create(store().join("lock")).expect("a lock");
    Flock::lock(lock, FlockArg::LockExclusive).expect("a lock")
}

/// Builds an image; the caller is [`alone`].
#[track_caller]
pub fn build(image: &str, file: &Path, context: &Path, arguments: &[&str]) {
    let mut words = vec![
        "build",
        "--isolation=chroot",
        "--network=host",
        "--quiet",
        "--tag",
        image,
    ];
    for argument in arguments {
        words.extend(["--build-arg", argument]);
    }
    words.extend([
        "--file",
        file.to_str().expect("text"),
        context.to_str().expect("text"),
    ]);
    done(&words);
}

/// Builds [`ENVSHIM`] and [`BUSYBOX`], if the binary or the Dockerfile is not the one they were
/// built from.
#[track_caller]
pub fn images() {
    let alone = alone();
    let dockerfile = repository().join("docker/Dockerfile");
    let text = std::fs::read_to_string(&dockerfile).expect("the Dockerfile");
    let binary = std::fs::metadata(envshim()).expect("the binary");
    let (modified, part) = (binary.mtime(), binary.mtime_nsec());
    let now = format!("{modified}.{part}\n{CONFIGURATION}\n{text}");
    let stamp = store().join("made-from");
    if std::fs::read_to_string(&stamp).ok().as_ref() != Some(&now) {
        std::fs::write(store().join("containers.conf"), CONFIGURATION).expect("a file");
        let context = envshim().parent().expect("a folder");
        build(ENVSHIM, &dockerfile, context, &["BINARY=built"]);
        busybox();
        // The images of binaries that are gone.
        done(&["image", "prune", "--force"]);
        std::fs::write(stamp, now).expect("a file");
    }
    drop(alone);
}

fn busybox() {
    let folder = Folder::new();
    let bin = folder.join("root/bin");
    std::fs::create_dir_all(&bin).expect("a folder");
    std::fs::create_dir(folder.join("root/tmp")).expect("a folder");
    set_mode(&folder.join("root/tmp"), 0o1777);
    std::fs::copy(program(), bin.join("busybox")).expect("a copy");
    let list = Command::new(program())
        .arg("--list")
        .output()
        .expect("busybox");
    for name in String::from_utf8_lossy(&list.stdout)
        .lines()
        .filter(|name| *name != "busybox")
    {
        symlink("busybox", bin.join(name)).expect("a link");
    }
    let file = folder.write("Dockerfile", "FROM scratch\nCOPY root /\n");
    build(BUSYBOX, &file, folder.path(), &[]);
}

/// The static busybox of this machine.
pub fn program() -> &'static Path {
    let places = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    let found = places.into_iter().find(|path| path.exists());
    found.expect("busybox: install busybox-static, or set ENVSHIM_TEST_WITHOUT=podman")
}

/// A name that no other container, image or secret has.
pub fn name(kind: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let n = COUNT.fetch_add(1, Ordering::Relaxed);
    format!("{kind}-{}-{n}", std::process::id())
}

/// A running container, removed with its owner.
pub struct Container {
    pub name: String,
    pub child: Child,
}

impl Container {
    /// Starts it. `words` are options, the image and the program.
    pub fn start(words: &[&str]) -> Container {
        let name = name("test");
        let start = ["run", "--network=none", "--name", &name];
        // Its words go into the log, which is read; podman's own into that of the test.
        let child = podman(&[&start, words].concat())
            .stdout(Stdio::null())
            .spawn()
            .expect("podman");
        Container { name, child }
    }

    /// What it has printed.
    pub fn said(&self) -> String {
        let output = podman(&["logs", &self.name]).output().expect("podman");
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    }

    /// Waits until it has printed this.
    #[track_caller]
    pub fn says(&mut self, text: &str) {
        wait_until(text, || {
            let ended = self.child.try_wait().expect("a status");
            let said = self.said();
            assert!(ended.is_none() || said.contains(text), "{ended:?}: {said}");
            said.contains(text)
        });
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        drop(podman(&["rm", "--force", "--time=0", &self.name]).output());
        drop(self.child.wait());
    }
}
