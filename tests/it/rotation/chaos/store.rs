//! Where the secrets of the chaos are, and the dice.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::super::super::house::Shim;
use super::super::super::house::openbao::OpenBao;
use super::super::super::house::outage::{Gate, Weather};

/// Takes a lock as long as it lives: two at once would be told. A, B and C are fields of one secret,
/// D and E are versions of two others that the file names with F: all of each must be of one load.
/// Its own children may hold the lock for a moment longer, hence the second. It
/// inherits that USR1 and HUP are ignored, for a shell has no handler in its first moments.
const PROGRAM: &str = "exec 9>lock; flock -w 1 9 || echo TWO; \
    test -n \"$A\" && test \"$A$B$C\" = \"$A$A$A\" && test \"$D$E\" = \"$F$F\" || \
    echo \"MIXED $A $B $C $D $E $F\"; trap 'exit 3' TERM; \
    trap 'exit 9' QUIT; echo \"start $A $F\"; while :; do sleep 0.05 9>&-; done";

/// A generator that is the same every time (Knuth's MMIX).
pub struct Dice(pub u64);

impl Dice {
    pub fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6364136223846793005)
            .wrapping_add(1442695040888963407);
        (self.0 >> 33) % sides
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.roll(from.len() as u64);
        from[usize::try_from(at).expect("a place")]
    }

    pub fn pause(&mut self, most: u64) {
        std::thread::sleep(Duration::from_millis(self.roll(most)));
    }
}

/// Where the secrets are, and what they are.
pub struct Store {
    bao: OpenBao,
    pub gate: Gate,
    sealed: bool,
    stopped: bool,
    /// It has been unwell since the last time that somebody looked.
    pub unwell: bool,
    /// What A, B and C are.
    pub fields: u64,
    /// What D and E are, by their version.
    pub versions: u64,
}

impl Store {
    pub fn start() -> Option<Store> {
        let bao = OpenBao::start()?;
        bao.policy("all", "*", "read");
        bao.call(
            "secrets.kv.v2.configure",
            r#"{"max_versions": 9999, "mount_point": "secret"}"#,
        );
        let gate = Gate::before(bao.address);
        let mut store = Store {
            bao,
            gate,
            sealed: false,
            stopped: false,
            unwell: false,
            fields: 0,
            versions: 0,
        };
        store.new_fields();
        store.new_versions();
        Some(store)
    }

    /// Whether its keeper can change anything there; the gate is no hindrance to that.
    pub fn answers(&self) -> bool {
        !self.sealed && !self.stopped
    }

    pub fn new_fields(&mut self) {
        self.fields += 1;
        let n = self.fields;
        let fields = format!(r#"{{"a": "{n}", "b": "{n}", "c": "{n}"}}"#);
        self.bao.put("app", &fields);
    }

    pub fn new_versions(&mut self) {
        self.versions += 1;
        let n = self.versions;
        for name in ["d", "e"] {
            self.bao.put(name, &format!(r#"{{"v": "{n}"}}"#));
        }
    }

    pub fn vault(&self) -> String {
        let n = self.versions;
        format!(
            "A=vault:app#a\nD=vault:d#v?version={n}\nB=vault:app#b\n\
             E=vault:e#v?version={n}\nC=vault:app#c\nF={n}\n"
        )
    }

    pub fn trouble(&mut self, dice: &mut Dice) -> &'static str {
        self.unwell = true;
        let (weather, what) = match dice.roll(6) {
            0 => (Weather::Shut, "nobody listens"),
            1 => (Weather::Silent, "nobody says a word"),
            2 => (Weather::Reset, "connections are reset"),
            3 => (Weather::Cut, "connections are cut"),
            // It answers with 503.
            4 if self.answers() => {
                self.bao.attempt("sys.seal", "{}");
                self.sealed = true;
                return "the server is sealed";
            }
            _ => {
                self.bao.signal(Signal::SIGSTOP);
                self.stopped = true;
                return "the server hangs";
            }
        };
        self.gate.set(weather);
        what
    }

    pub fn heal(&mut self) {
        self.gate.set(Weather::Fine);
        self.bao.signal(Signal::SIGCONT);
        self.stopped = false;
        if std::mem::take(&mut self.sealed) {
            self.bao.call("unseal", "{}");
        }
    }

    /// A shim that runs the program on these secrets.
    pub fn shim(&self) -> Shim {
        let (role, secret) = self.bao.approle(r#"{"token_policies": ["all"]}"#);
        self.bao
            .shim_at(&format!("https://localhost:{}", self.gate.address.port()))
            .env("VAULT_ROLE_ID", role)
            .env("VAULT_SECRET_ID", secret)
            .env("VAULT_MAX_RETRIES", "1")
            .env("VAULT_CLIENT_TIMEOUT", "1s")
            .file(".vault", self.vault())
            .args("--watch 1s --reload-signal USR2 --stop-timeout 2s -- sh -c")
            .arg(PROGRAM)
    }
}
