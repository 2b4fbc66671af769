//! What the program saw, and whether it was started at all.

use std::path::PathBuf;
use std::process::Command;

use super::{Answer, Folder, Shim, envshim};

/// The file that the program of [`Shim::refused`] makes.
const STARTED: &str = "started";

impl Shim {
    /// Starts a program that prints its environment, for [`Answer::variable`].
    #[track_caller]
    pub fn environment(self) -> Answer {
        self.args("-- env -0").run().exits(0)
    }

    /// A start that fails with 125 before the program.
    #[track_caller]
    pub fn refused(self) -> Answer {
        let answer = self.args("-- touch").arg(STARTED).run().exits(125);
        assert!(
            !answer.folder.join(STARTED).exists(),
            "the program was started"
        );
        answer
    }
}

impl Shim {
    /// A `.vault.enc` with this content, and the key that opens it.
    pub fn sealed(self, plain: &str) -> Shim {
        let shim = self
            .file(".vault", plain)
            .env("ENVSHIM_KEY_FILE", "vault.key");
        for words in [&["keygen", "vault.key"][..], &["seal", "--remove-plain"]] {
            let mut command = shim.command();
            command.args(words).env("ENVSHIM_KEY_FILE", "vault.key");
            assert!(command.status().expect("envshim").success());
        }
        shim
    }
}

impl Answer {
    /// The environment that [`Shim::environment`] has printed, string by string.
    pub fn strings(&self) -> Vec<&[u8]> {
        let printed = self.bytes.split(|byte| *byte == 0);
        printed.filter(|string| !string.is_empty()).collect()
    }

    /// The value of one of its variables.
    pub fn variable(&self, name: &str) -> Option<&[u8]> {
        let strings = self.strings().into_iter();
        let mut values =
            strings.filter_map(|s| s.strip_prefix(name.as_bytes())?.strip_prefix(b"="));
        let value = values.next();
        assert!(values.next().is_none(), "{name} is there twice");
        value
    }

    /// The program had this variable with this value.
    #[track_caller]
    pub fn has(self, name: &str, value: impl AsRef<[u8]>) -> Answer {
        let found = self.variable(name).map(<[u8]>::escape_ascii);
        let found = found.map(|value| value.to_string());
        let want = value.as_ref().escape_ascii().to_string();
        assert_eq!(found, Some(want), "{name}\nstderr: {}", self.err);
        self
    }

    /// The program had no such variable.
    #[track_caller]
    pub fn lacks(self, name: &str) -> Answer {
        assert!(self.variable(name).is_none(), "{name} is there");
        self
    }

    /// Neither stream has a word.
    #[track_caller]
    pub fn quiet(self) -> Answer {
        assert_eq!(self.err, "");
        self
    }

    /// stderr does not hold this text.
    #[track_caller]
    pub fn omits(self, text: &str) -> Answer {
        assert!(!self.err.contains(text), "said: {text}\n{}", self.err);
        self
    }
}

/// Tests of other users' files need root. Where they run as somebody else, that is a failure,
/// unless the caller of the tests said so.
#[track_caller]
pub fn is_root() -> bool {
    if super::without("root") {
        return false;
    }
    assert!(
        nix::unistd::geteuid().is_root(),
        "this test gives files to other users: run the tests as root, or leave it out knowingly \
         with ENVSHIM_TEST_WITHOUT=root"
    );
    true
}

/// A copy of the binary that every user can reach, wherever the repository lies.
pub fn reachable(folder: &Folder) -> PathBuf {
    let copy = folder.join("envshim");
    // Not written by this process: a fork of another test would hold it open, and it could not run.
    let cp = Command::new("cp").arg(envshim()).arg(&copy).status();
    assert!(cp.expect("cp").success());
    super::set_mode(&copy, 0o755);
    copy
}

/// Runs a shell command of the test itself, which must succeed.
#[track_caller]
pub fn shell(folder: &Folder, command: &str) {
    let mut sh = Command::new("sh");
    let status = sh
        .args(["-ec", command])
        .current_dir(folder.path())
        .status();
    assert!(status.expect("a shell").success(), "{command}");
}
