//! The tables of commands and options: parsing, help, variables and documents follow them.

/// What envshim is asked to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Command {
    /// Load, then become the program.
    Run,
    /// Everything but the start.
    Check,
    /// Write `.env.dump`.
    Dump,
    /// `.vault` to `.vault.enc`.
    Seal,
    /// Print what `.vault.enc` holds.
    Open,
    /// Make a key.
    Keygen,
    /// Put a value into a store, or into a line of the source.
    Set,
    /// Put the variables of a file into a store.
    Push,
    /// Change a sealed file in an editor.
    Edit,
    /// Add and remove what opens a sealed file.
    Rekey,
    /// Make a first `.vault`.
    Init,
    /// Print a value.
    Get,
    /// Is there a value?
    Has,
    /// What a store holds.
    Ls,
    /// Print everything in a form that other programs read.
    Export,
    /// Where one variable comes from.
    Explain,
    /// What is wrong with a file, or odd.
    Lint,
    /// A script for a shell.
    Completions,
    /// A manual page.
    Man,
    /// Make a `.vault` of what another tool reads.
    Migrate,
    /// Explain.
    Help,
    /// Name and version.
    Version,
}

/// One row of the table of commands.
pub struct CommandRow {
    /// What it does.
    pub command: Command,
    /// The word.
    pub name: &'static str,
    /// Words it takes, for the help.
    pub words: &'static str,
    /// At most this many words.
    pub most: usize,
    /// One line.
    pub doc: &'static str,
}

impl CommandRow {
    /// At least this many words: those of the help that stand outside of brackets.
    pub fn least(&self) -> usize {
        let ours = self.words.split("--").next().unwrap_or_default();
        let needed = ours.split_whitespace();
        needed.filter(|word| !word.starts_with('[')).count()
    }
}

/// Every command.
#[rustfmt::skip] // A table is read by its columns.
pub static COMMANDS: &[CommandRow] = &[
    row(Command::Run, "run", "-- program ...", 0, "load the secrets and become the program (the word may be left out)"),
    row(Command::Check, "check", "[-- program ...]", 0, "what would be set, from where and why; no values"),
    row(Command::Dump, "dump", "", 0, "write .env.dump, for starts without network"),
    row(Command::Seal, "seal", "[FILE]", 1, "encrypt .vault into .vault.enc"),
    row(Command::Open, "open", "[FILE]", 1, "print what .vault.enc holds"),
    row(Command::Keygen, "keygen", "[FILE]", 1, "make a key for --key-file: print it, or make FILE"),
    row(Command::Set, "set", "KEY", 1, "put a value into a store, .vault or .vault.enc"),
    row(Command::Push, "push", "FILE REF", 2, "put the variables of a dotenv file into a store; safe to repeat"),
    row(Command::Edit, "edit", "[FILE]", 1, "change .vault.enc in an editor; the plain text stays in memory"),
    row(Command::Rekey, "rekey", "[FILE]", 1, "what opens .vault.enc: list it, add to it, remove from it"),
    row(Command::Init, "init", "[STORE]", 1, "make a .vault to begin with, and keep it out of git"),
    row(Command::Get, "get", "KEY...", MANY, "print the value of a variable, key or reference; several as JSON"),
    row(Command::Has, "has", "KEY...", MANY, "say with the exit status whether there is a value (0) or not (1)"),
    row(Command::Ls, "ls", "[REF]", 1, "the names in a store, their versions and ages; no values"),
    row(Command::Export, "export", "[NAME...]", MANY, "print all variables, or these, for another program to read"),
    row(Command::Explain, "explain", "NAME", 1, "where a variable comes from, and who lost against whom; no values"),
    row(Command::Lint, "lint", "[FILE...]", MANY, "what is odd about .vault and .env: other readers, permissions, git"),
    row(Command::Completions, "completions", "bash|zsh|fish", 1, "a script that completes the words of envshim"),
    row(Command::Man, "man", "", 0, "the manual page: envshim man | man -l -"),
    row(Command::Migrate, "migrate", "[FILE]", 1, "make a .vault of what another tool reads"),
    row(Command::Help, "help", "[TOPIC]", 1, "a command, or all commands, options or references"),
    row(Command::Version, "version", "", 0, "print the version"),
];

/// As many words as there are.
const MANY: usize = usize::MAX;

const fn row(
    command: Command,
    name: &'static str,
    words: &'static str,
    most: usize,
    doc: &'static str,
) -> CommandRow {
    CommandRow {
        command,
        name,
        words,
        most,
        doc,
    }
}

/// One row of the table of options.
pub struct Opt {
    /// The name, without dashes.
    pub name: &'static str,
    /// What its value is called in the help; none for a switch.
    pub value: Option<&'static str>,
    /// One line.
    pub doc: &'static str,
    /// The commands that take it.
    pub commands: &'static [Command],
    /// It may stand in `.vault` as `ENVSHIM_NAME`.
    pub in_file: bool,
    /// Shown on the first screen of help.
    pub common: bool,
}

/// Those that load what a start would load.
const LOAD: &[Command] = &[
    Command::Run,
    Command::Check,
    Command::Dump,
    Command::Get,
    Command::Has,
    Command::Export,
    Command::Explain,
];
/// Those that ask stores.
const ASK: &[Command] = &[
    Command::Run,
    Command::Check,
    Command::Dump,
    Command::Get,
    Command::Has,
    Command::Ls,
    Command::Export,
    Command::Explain,
];
const START: &[Command] = &[Command::Run, Command::Check, Command::Explain];
const RUN: &[Command] = &[Command::Run];
const OPENERS: &[Command] = &[
    Command::Run,
    Command::Check,
    Command::Dump,
    Command::Seal,
    Command::Open,
    Command::Set,
    Command::Push,
    Command::Edit,
    Command::Rekey,
    Command::Get,
    Command::Has,
    Command::Ls,
    Command::Export,
    Command::Explain,
    Command::Migrate,
];
/// Those that look for files in a folder.
const FILES: &[Command] = &[
    Command::Run,
    Command::Check,
    Command::Dump,
    Command::Seal,
    Command::Open,
    Command::Set,
    Command::Push,
    Command::Edit,
    Command::Rekey,
    Command::Init,
    Command::Get,
    Command::Has,
    Command::Ls,
    Command::Export,
    Command::Explain,
    Command::Lint,
    Command::Migrate,
];
/// Those that a time limit makes sense for.
const TIMED: &[Command] = &[
    Command::Run,
    Command::Check,
    Command::Dump,
    Command::Set,
    Command::Push,
    Command::Get,
    Command::Has,
    Command::Ls,
    Command::Export,
    Command::Explain,
];
/// Those that write into stores.
const WRITE: &[Command] = &[Command::Set, Command::Push];
const ALL: &[Command] = &[
    Command::Run,
    Command::Check,
    Command::Dump,
    Command::Seal,
    Command::Open,
    Command::Keygen,
    Command::Set,
    Command::Push,
    Command::Edit,
    Command::Rekey,
    Command::Init,
    Command::Get,
    Command::Has,
    Command::Ls,
    Command::Export,
    Command::Explain,
    Command::Lint,
    Command::Completions,
    Command::Man,
    Command::Migrate,
    Command::Help,
    Command::Version,
];

/// Every option. `settings` reads them by these names.
#[rustfmt::skip]
pub static OPTIONS: &[Opt] = &[
    opt("dir", Some("DIR"), "where the files are (default: `.`, else `config`)", FILES, false, true),
    opt("password-file", Some("FILE"), "the password of .vault.enc", OPENERS, false, true),
    opt("key-file", Some("FILE"), "a key made by keygen, instead of a password", OPENERS, false, true),
    opt("max-age", Some("AGE"), "pass over a .env.dump older than this (30m, 1h, 2d)", LOAD, false, false),
    opt("optional", None, "start the program even if there is no source at all", LOAD, false, true),
    opt("override", None, "loaded values win over variables that are already set", START, true, true),
    opt("pass", Some("NAMES"), "hand these on, though they are envshim's own", START, true, true),
    opt("scrub", Some("NAMES"), "keep these from the program", START, true, false),
    opt("pristine", None, "drop every inherited variable but the usual few (and --pass)", START, true, false),
    opt("reload", None, "load even if secrets_loaded=1 says that it was done", LOAD, false, false),
    opt("dump", None, "also write .env.dump after loading", RUN, true, false),
    opt("import", Some("REFS"), "secrets whose every field becomes a variable", LOAD, true, false),
    opt("names", Some("RULE"), "names of imported variables: upper or keep", LOAD, true, false),
    opt("prefix", Some("TEXT"), "put before the names of imported variables", LOAD, true, false),
    opt("resolve-env", None, "also resolve references in inherited variables", START, false, false),
    opt("file-env", Some("NAMES"), "set NAME from the file that NAME_FILE names, as Docker's images do", START, false, false),
    opt("file-owner", Some("UID[:GID]"), "owner of ?as=file memory files, for programs that drop root", START, true, false),
    opt("supervise", None, "stay as the program's parent: signals, orphans, status (auto: only as PID 1)", RUN, false, false),
    opt("mask", None, "mask secrets in the program's output, in every form (terminal: on a terminal too)", RUN, false, false),
    opt("init", None, "supervise and load nothing: a small init for a container", RUN, false, false),
    opt("map", Some("A:B,..."), "signals that become others on their way: TERM:QUIT, HUP:none", RUN, false, false),
    opt("stop-signal", Some("SIGNAL"), "what TERM becomes on its way to the program", RUN, false, false),
    opt("stop-timeout", Some("TIME"), "kill what has not stopped this long after TERM", RUN, false, false),
    opt("drain", Some("TIME"), "stop what the program leaves behind, and wait for it this long", RUN, false, false),
    opt("signal-group", None, "signals go to the program's whole process group", RUN, false, false),
    opt("new-session", None, "the program leads a session of its own", RUN, false, false),
    opt("dedupe", None, "a stop signal that somebody sent to all of us reaches the program once", RUN, false, false),
    opt("parent-death", Some("SIGNAL"), "what the program gets if envshim is killed (default TERM; none)", RUN, false, false),
    opt("exit-code-style", Some("STYLE"), "pass a death by signal on as `signal` (default), or as `128` plus its number", RUN, false, false),
    opt("ok-status", Some("N,..."), "exit with 0 for these statuses of the program (143: ended by TERM)", RUN, false, false),
    opt("reap-log", None, "tell of every orphan that was reaped", RUN, false, false),
    opt("notify", Some("HOW"), "systemd's NOTIFY_SOCKET: pass (default), proxy, or main-pid", RUN, false, false),
    opt("watch", Some("TIME"), "supervise, and look for changed secrets this often", RUN, false, false),
    opt("on-change", Some("WHAT"), "then: restart (default), signal:HUP, exec:COMMAND, exit, exit:CODE or none", RUN, false, false),
    opt("splay", Some("TIME"), "act on a change up to this much later, at random", RUN, false, false),
    opt("reload-signal", Some("SIGNAL"), "a signal that means: load again now; it is not handed on", RUN, false, false),
    opt("arg0", Some("NAME"), "the name the program sees as its own", RUN, false, false),
    opt("timeout", Some("TIME"), "limit for the whole load (default 30s)", TIMED, false, true),
    opt("strict", None, "warnings about exposed files and addresses are errors", OPENERS, false, false),
    opt("audit", Some("FILE"), "append a JSON line on every load (`-`: stderr); no values", ASK, false, false),
    opt("salt-file", Some("FILE"), "the salt beside an old Fernet .vault.enc", OPENERS, false, false),
    opt("json", None, "print JSON", &[Command::Check, Command::Get, Command::Ls, Command::Explain, Command::Lint], false, false),
    opt("default", Some("TEXT"), "get: what to print where there is no value", &[Command::Get], false, false),
    opt("format", Some("FORMAT"), "export: dotenv, sh, json, docker, github or k8s", &[Command::Export], false, false),
    opt("k8s-name", Some("NAME"), "export: the name of the Kubernetes Secret (default: envshim)", &[Command::Export], false, false),
    opt("fresh", None, "seal anew: the old passwords and keys no longer open the file", &[Command::Seal], false, false),
    opt("remove-plain", None, "delete .vault once .vault.enc is proved to open", &[Command::Seal], false, false),
    opt("from-file", Some("FILE"), "the value, byte for byte", &[Command::Set], false, false),
    opt("trim", None, "drop one line end at the end of the value", &[Command::Set], false, false),
    opt("meta", Some("NAME=VALUE"), "keep this beside the secret (custom metadata, tags, annotations), no secret", &[Command::Set, Command::Push], false, false),
    opt("if-version", Some("VERSION"), "write only over this version (0: only if there is nothing)", &[Command::Set], false, false),
    opt("yes", None, "write over what is there without a question", WRITE, false, false),
    opt("dry-run", None, "the table of what would be done, and nothing done", &[Command::Push], false, false),
    opt("each", None, "a secret for each variable, instead of one with a field for each", &[Command::Push], false, false),
    opt("only", Some("NAMES"), "these variables alone", &[Command::Push], false, false),
    opt("except", Some("NAMES"), "all variables but these", &[Command::Push], false, false),
    opt("add-password", None, "ask for a further password that opens the file", &[Command::Rekey], false, false),
    opt("add-password-file", Some("FILE"), "the same from a file", &[Command::Rekey], false, false),
    opt("add-key", Some("FILE"), "a further key that opens the file", &[Command::Rekey], false, false),
    opt("remove", Some("NAMES"), "what no longer opens it: key names, `password`, or numbers of the list", &[Command::Rekey], false, false),
    opt("log", Some("LEVEL"), "error, warn, info, debug (info on a terminal, else warn)", ALL, false, true),
    opt("log-format", Some("FORMAT"), "text or json", ALL, false, false),
    opt("help", None, "this help; with a command, that command's", ALL, false, false),
    opt("version", None, "print the version", ALL, false, false),
];

const fn opt(
    name: &'static str,
    value: Option<&'static str>,
    doc: &'static str,
    commands: &'static [Command],
    in_file: bool,
    common: bool,
) -> Opt {
    Opt {
        name,
        value,
        doc,
        commands,
        in_file,
        common,
    }
}

impl Opt {
    /// `ENVSHIM_NAME`.
    pub fn variable(&self) -> String {
        format!(
            "ENVSHIM_{}",
            self.name.to_ascii_uppercase().replace('-', "_")
        )
    }
}
