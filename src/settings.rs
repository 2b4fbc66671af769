//! What envshim was told: the command line over the environment over `.vault`.
//!
//! The only room that reads our own variables. The inherited environment is kept as the kernel gave
//! it, string by string, so that what is handed on is the same bytes.
//!
//! Long because every option has its field, its default and its line in one match here, and nothing else has.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;
use std::time::Duration;

use crate::cli::{Command, Invocation, OPTIONS, Opt};
use crate::clock::parse_duration;
use crate::failure::Failures;
use crate::format::export::{self, Format};
use crate::format::naming::Policy;
use crate::report::Level;
use crate::sealed::Credentials;
use crate::secret::Secret;

mod fault;

mod forms;

mod inherited;

mod rotation;

mod supervision;

pub use fault::Misset;

pub use rotation::{OnChange, Rotation};

pub use supervision::{Masking, Notify, Supervision};

use forms::{list, owner, path, switch};
pub use inherited::{Inherited, split};

/// Variables of ours that are no options: they hold secrets, which must not be on a command line.
pub const SECRET_VARIABLES: &[&str] = &["ENVSHIM_PASSWORD", "ENVSHIM_KEY"];

/// The setting that is a list of references, and so never one itself.
pub const IMPORT: &str = "ENVSHIM_IMPORT";

/// The password of files that the older Python tool wrote.
pub const ENCRYPTION_KEY: &str = "ENCRYPTION_KEY";

/// What is wrong with a command line is told before it is settled, and in the form that logs have.
pub fn logs_json(inherited: &Inherited) -> bool {
    inherited.value("ENVSHIM_LOG_FORMAT") == Some(b"json")
}

/// Everything that the tables of options and commands can say, settled.
pub struct Settings {
    /// What to do.
    pub command: Command,
    /// Words after the command.
    pub words: Vec<OsString>,
    /// The program and its arguments.
    pub program: Vec<OsString>,
    /// The folder with the files.
    pub dir: Option<PathBuf>,
    /// How old a dump may be.
    pub max_age: Option<Duration>,
    /// Ignore `secrets_loaded=1`.
    pub reload: bool,
    /// Ignore dumps: a command needs what they do not hold.
    pub past_dumps: bool,
    /// Start without any source.
    pub optional: bool,
    /// Loaded values win.
    pub overrides: bool,
    /// Drop what was inherited.
    pub pristine: bool,
    /// Hand these on.
    pub pass: Vec<String>,
    /// Keep these back.
    pub scrub: Vec<String>,
    /// Resolve references in inherited variables.
    pub resolve_env: bool,
    /// Take `NAME` from `NAME_FILE`.
    pub file_env: Vec<String>,
    /// Owner of memory files.
    pub file_owner: Option<(u32, Option<u32>)>,
    /// Write a dump after loading.
    pub dump: bool,
    /// Imports that were asked for.
    pub import: Vec<String>,
    /// How imported names are made.
    pub names: Policy,
    /// Put before imported names.
    pub prefix: String,
    /// The name the program sees as its own.
    pub arg0: Option<OsString>,
    /// The limit for the whole load.
    pub timeout: Duration,
    /// Where a line on every load goes; `-` is stderr.
    pub audit: Option<PathBuf>,
    /// Warnings about readable files are errors.
    pub strict: bool,
    /// The product is JSON.
    pub json: bool,
    /// What `get` prints where there is no value.
    pub default: Option<OsString>,
    /// The form of an export.
    pub format: Option<Format>,
    /// The name of the Secret in an export for Kubernetes.
    pub k8s_name: Option<String>,
    /// `seal` starts anew.
    pub fresh: bool,
    /// `seal` deletes the plain file.
    pub remove_plain: bool,
    /// The value of `set`.
    pub from_file: Option<PathBuf>,
    /// Its final line end does not count.
    pub trim: bool,
    /// What is kept beside it.
    pub meta: Vec<(String, String)>,
    /// The version that it replaces.
    pub if_version: Option<String>,
    /// Nothing is asked before something is overwritten.
    pub yes: bool,
    /// `push` does nothing but tell.
    pub dry_run: bool,
    /// `push` makes a secret of each variable.
    pub each: bool,
    /// `push` takes these alone.
    pub only: Vec<String>,
    /// `push` leaves these out.
    pub except: Vec<String>,
    /// `rekey` asks for a further password.
    pub add_password: bool,
    /// `rekey` finds it here.
    pub add_password_file: Option<PathBuf>,
    /// `rekey` finds a further key here.
    pub add_key: Option<PathBuf>,
    /// `rekey` takes these away.
    pub remove: Vec<String>,
    /// How much is said.
    pub log: Option<Level>,
    /// Diagnostics as JSON lines.
    pub log_json: bool,
    /// Whether to stay as the program's parent, and how.
    pub supervision: Supervision,
    /// What opens a sealed file.
    pub credentials: Credentials,
    /// The environment that envshim was started with.
    pub inherited: Inherited,
    /// Options that the command line or the environment decided; a file cannot change them.
    decided: Vec<&'static str>,
}

/// Where a setting was found, for its error.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
enum Origin {
    CommandLine,
    Environment,
    File,
}

impl Settings {
    /// Settles a command line over the environment. Returns every mistake at once, and the names of
    /// `ENVSHIM_` variables that mean nothing.
    pub fn settle(
        invocation: Invocation,
        inherited: Inherited,
    ) -> (Settings, Result<Vec<String>, Failures>) {
        let mut settings = Settings {
            command: invocation.command,
            words: invocation.words,
            program: invocation.program,
            dir: None,
            max_age: None,
            reload: false,
            past_dumps: false,
            optional: false,
            overrides: false,
            pristine: false,
            pass: Vec::new(),
            scrub: Vec::new(),
            resolve_env: false,
            file_env: Vec::new(),
            file_owner: None,
            dump: false,
            import: Vec::new(),
            names: Policy::Default,
            prefix: String::new(),
            arg0: None,
            timeout: Duration::from_secs(30),
            audit: None,
            strict: false,
            json: false,
            default: None,
            format: None,
            k8s_name: None,
            fresh: false,
            remove_plain: false,
            from_file: None,
            trim: false,
            meta: Vec::new(),
            if_version: None,
            yes: false,
            dry_run: false,
            each: false,
            only: Vec::new(),
            except: Vec::new(),
            add_password: false,
            add_password_file: None,
            add_key: None,
            remove: Vec::new(),
            log: None,
            log_json: false,
            supervision: Supervision::default(),
            credentials: Credentials {
                prompt: true,
                ..Credentials::default()
            },
            inherited,
            decided: Vec::new(),
        };
        let mut wrong = Failures::default();
        let mut unknown = Vec::new();
        for (option, value) in &invocation.options {
            let value = value.as_deref().unwrap_or(OsStr::new("1"));
            if let Err(misset) = settings.apply(option, value, Origin::CommandLine) {
                wrong.0.push(misset.into());
            }
        }
        settings.decided = invocation.options.iter().map(|(o, _)| o.name).collect();
        for (name, value) in settings.inherited.pairs().collect::<Vec<_>>() {
            if value.is_empty() || name.first_chunk::<8>() != Some(b"ENVSHIM_") {
                continue;
            }
            let name = String::from_utf8_lossy(name);
            match OPTIONS.iter().find(|o| o.variable() == name) {
                // An image may well say `ENV ENVSHIM_VERSION=...`.
                Some(option) if ["help", "version"].contains(&option.name) => {}
                Some(option) if settings.decided.contains(&option.name) => {}
                Some(option) => {
                    settings.decided.push(option.name);
                    if let Err(misset) =
                        settings.apply(option, OsStr::from_bytes(value), Origin::Environment)
                    {
                        wrong.0.push(misset.into());
                    }
                }
                None if SECRET_VARIABLES.contains(&name.as_ref()) => {}
                None => unknown.push(name.into_owned()),
            }
        }
        if settings.command == Command::Run && !settings.supervision.wanted() {
            let lost = supervision::OPTIONS.iter().copied();
            let lost = lost.filter(|name| settings.decided.contains(name));
            wrong
                .0
                .extend(lost.map(|name| Misset::Unsupervised(name).into()));
        }
        settings.read_credentials();
        (settings, wrong.or(unknown))
    }

    /// Takes `ENVSHIM_` settings of a `.vault` over, where nothing above has decided.
    pub fn adopt(&mut self, name: &str, value: &[u8]) -> Result<(), Misset> {
        if SECRET_VARIABLES.contains(&name) {
            return Err(Misset::NotInFile(name.to_owned()));
        }
        let option = OPTIONS
            .iter()
            .find(|o| o.variable() == name)
            .ok_or_else(|| Misset::Unknown(name.to_owned()))?;
        if !option.in_file {
            return Err(Misset::NotInFile(name.to_owned()));
        }
        if value.is_empty() || self.decided.contains(&option.name) {
            return Ok(());
        }
        self.apply(option, OsStr::from_bytes(value), Origin::File)
    }

    fn read_credentials(&mut self) {
        let secret = |name: &str| {
            self.inherited
                .value(name)
                .filter(|value| !value.is_empty())
                .map(|value| Secret::new(value.to_vec()))
        };
        let folder = self
            .inherited
            .value("CREDENTIALS_DIRECTORY")
            .filter(|value| !value.is_empty())
            .map(|value| PathBuf::from(OsStr::from_bytes(value)));
        let (password, key, old) = (
            secret("ENVSHIM_PASSWORD"),
            secret("ENVSHIM_KEY"),
            secret(ENCRYPTION_KEY),
        );
        self.credentials.password = password;
        self.credentials.key = key;
        self.credentials.encryption_key = old;
        self.credentials.credentials_directory = folder;
    }

    fn apply(&mut self, option: &'static Opt, value: &OsStr, origin: Origin) -> Result<(), Misset> {
        let typed = || match origin {
            Origin::CommandLine => format!("--{}", option.name),
            Origin::Environment | Origin::File => option.variable(),
        };
        let wrong = |form: &'static str| Misset::Value(typed(), form);
        let file = || path(value).ok_or_else(|| wrong("the path of a file"));
        let text = value.to_str();
        if let Some(done) = self.supervision.apply(option.name, text) {
            return done.map_err(wrong);
        }
        match option.name {
            "dir" => self.dir = Some(path(value).ok_or_else(|| wrong("the path of a folder"))?),
            "password-file" => self.credentials.password_file = Some(file()?),
            "key-file" => self.credentials.key_file = Some(file()?),
            "salt-file" => self.credentials.salt_file = Some(file()?),
            "from-file" => self.from_file = Some(file()?),
            "add-password-file" => self.add_password_file = Some(file()?),
            "add-key" => self.add_key = Some(file()?),
            "meta" => {
                let pair = text.and_then(|text| text.split_once('='));
                let (name, value) = pair
                    .filter(|(name, _)| !name.is_empty())
                    .ok_or_else(|| wrong("NAME=VALUE"))?;
                self.meta.retain(|(known, _)| known != name);
                self.meta.push((name.to_owned(), value.to_owned()));
            }
            "if-version" => {
                let version = text.filter(|text| !text.is_empty());
                self.if_version = Some(version.ok_or_else(|| wrong("a version, or 0"))?.to_owned());
            }
            "only" => self
                .only
                .extend(list(text).ok_or_else(|| wrong("NAME,NAME"))?),
            "except" => self
                .except
                .extend(list(text).ok_or_else(|| wrong("NAME,NAME"))?),
            "remove" => self
                .remove
                .extend(list(text).ok_or_else(|| wrong("NAME,NAME"))?),
            "audit" => self.audit = Some(value.into()),
            "arg0" => self.arg0 = Some(value.to_owned()),
            "default" => self.default = Some(value.to_owned()),
            "format" => {
                let format = text.and_then(Format::parse);
                self.format = Some(format.ok_or_else(|| wrong(Format::ALL))?);
            }
            "k8s-name" => {
                let name = text.filter(|name| export::is_k8s_name(name));
                let name = name.ok_or_else(|| wrong("small letters, digits, `-` and `.`"))?;
                self.k8s_name = Some(name.to_owned());
            }
            "max-age" => {
                self.max_age = Some(
                    text.and_then(parse_duration)
                        .ok_or_else(|| wrong("a time such as 30m, 1h or 2d"))?,
                )
            }
            "timeout" => {
                let limit = text
                    .and_then(parse_duration)
                    .filter(|limit| !limit.is_zero());
                self.timeout = limit.ok_or_else(|| wrong("a time such as 10s or 1m"))?;
            }
            "pass" => self
                .pass
                .extend(list(text).ok_or_else(|| wrong("NAME,NAME"))?),
            "scrub" => self
                .scrub
                .extend(list(text).ok_or_else(|| wrong("NAME,NAME"))?),
            "file-env" => self
                .file_env
                .extend(list(text).ok_or_else(|| wrong("NAME,NAME"))?),
            "import" => self
                .import
                .extend(list(text).ok_or_else(|| wrong("scheme:name,scheme:name"))?),
            "prefix" => {
                self.prefix = text
                    .ok_or_else(|| wrong("letters, digits and `_`"))?
                    .to_owned()
            }
            "names" => {
                self.names = match text {
                    Some("upper") => Policy::Upper,
                    Some("keep") => Policy::Keep,
                    _ => return Err(wrong("upper or keep")),
                }
            }
            "file-owner" => {
                self.file_owner = Some(
                    text.and_then(owner)
                        .ok_or_else(|| wrong("numbers, as in 1000 or 1000:1000"))?,
                )
            }
            "log" => {
                self.log = Some(
                    text.and_then(Level::parse)
                        .ok_or_else(|| wrong("error, warn, info or debug"))?,
                )
            }
            "log-format" => {
                self.log_json = match text {
                    Some("json") => true,
                    Some("text") => false,
                    _ => return Err(wrong("text or json")),
                }
            }
            _ => {
                let on = text.and_then(switch).ok_or_else(|| wrong("yes or no"))?;
                match option.name {
                    "reload" => self.reload = on,
                    "optional" => self.optional = on,
                    "override" => self.overrides = on,
                    "pristine" => self.pristine = on,
                    "resolve-env" => self.resolve_env = on,
                    "dump" => self.dump = on,
                    "strict" => self.strict = on,
                    "json" => self.json = on,
                    "fresh" => self.fresh = on,
                    "trim" => self.trim = on,
                    "yes" => self.yes = on,
                    "dry-run" => self.dry_run = on,
                    "each" => self.each = on,
                    "add-password" => self.add_password = on,
                    "remove-plain" => self.remove_plain = on,
                    // `help` and `version` are commands by now.
                    _ => {}
                }
            }
        }
        Ok(())
    }
}
