//! Variables that an import must not set.
//!
//! The fields of a secret are written by everybody who may write to the store; the program is
//! chosen by the one who starts it. So no field may make the C library or the language runtime run
//! or load something else before the program's own first line. What a program looks up for itself
//! (`EDITOR`, `GIT_SSH_COMMAND`) is its own affair. A line in `.vault` may set all of these.

/// By who obeys them; `*` ends a prefix.
const LOADERS: &[(&str, &[&str])] = &[
    // Preloads, audits and searches libraries (ld.so(8)). A whole family, and it grows.
    ("the dynamic loader", &["LD_*", "DYLD_*"]),
    // glibc's own list of what a privileged program must not inherit (sysdeps/generic/unsecvars.h):
    // modules to load, files to write to, catalogues with format strings, who answers for a host
    // name. Without its MALLOC_ARENA_MAX and the like: they only tune, and images do set them.
    (
        "the C library",
        &[
            "GCONV_PATH",
            "GETCONF_DIR",
            "GLIBC_TUNABLES",
            "HOSTALIASES",
            "LOCALDOMAIN",
            "LOCPATH",
            "MALLOC_TRACE",
            "MUSL_LOCPATH",
            "NIS_PATH",
            "NLSPATH",
            "RESOLV_HOST_CONF",
            "RES_OPTIONS",
            "TMPDIR",
            "TZDIR",
        ],
    ),
    // Which file a name runs.
    ("the search for programs", &["PATH"]),
    // Files read before a script, commands run with each traced or prompted line, how a line is cut
    // into words. Not ENV: only interactive shells read it, and `ENV=production` is a common field.
    (
        "the shell",
        &[
            "BASH_ENV",
            "BASHOPTS",
            "CDPATH",
            "FPATH",
            "GLOBIGNORE",
            "IFS",
            "PROMPT_COMMAND",
            "PS4",
            "SHELLOPTS",
            "ZDOTDIR",
        ],
    ),
    // Where modules come from and what runs at the start; PYTHONWARNINGS imports the module of a
    // category. Not PYTHONUNBUFFERED, PYTHONHASHSEED and others that only tune.
    (
        "Python",
        &[
            "PYTHONBREAKPOINT",
            "PYTHONEXECUTABLE",
            "PYTHONHOME",
            "PYTHONINSPECT",
            "PYTHONPATH",
            "PYTHONPLATLIBDIR",
            "PYTHONPYCACHEPREFIX",
            "PYTHONSTARTUP",
            "PYTHONUSERBASE",
            "PYTHONWARNINGS",
        ],
    ),
    // Options (`-M`, `-r`, `--require`, `-javaagent`) that load code, and places it is loaded from.
    (
        "Perl",
        &["PERL5DB", "PERL5LIB", "PERL5OPT", "PERLIO_DEBUG", "PERLLIB"],
    ),
    (
        "Ruby",
        &[
            "BUNDLE_GEMFILE",
            "GEM_HOME",
            "GEM_PATH",
            "RUBYLIB",
            "RUBYOPT",
        ],
    ),
    (
        "Node.js",
        &[
            "BUN_OPTIONS",
            "BUN_INSPECT_PRELOAD",
            "NODE_OPTIONS",
            "NODE_PATH",
            "NODE_REPL_EXTERNAL_MODULE",
        ],
    ),
    (
        "Java",
        &[
            "CLASSPATH",
            "IBM_JAVA_OPTIONS",
            "JAVA_TOOL_OPTIONS",
            "JDK_JAVA_OPTIONS",
            "OPENJ9_JAVA_OPTIONS",
            "_JAVA_OPTIONS",
        ],
    ),
    (
        ".NET",
        &[
            "CORECLR_*",
            "COR_ENABLE_PROFILING",
            "COR_PROFILER*",
            "DOTNET_ADDITIONAL_DEPS",
            "DOTNET_SHARED_STORE",
            "DOTNET_STARTUP_HOOKS",
        ],
    ),
    // A configuration that can name a file to run before every request.
    ("PHP", &["PHPRC", "PHP_INI_SCAN_DIR"]),
    ("Lua", &["LUA_CPATH*", "LUA_INIT*", "LUA_PATH*"]),
    (
        "Erlang",
        &[
            "ELIXIR_ERL_OPTIONS",
            "ERL_AFLAGS",
            "ERL_FLAGS",
            "ERL_LIBS",
            "ERL_ZFLAGS",
        ],
    ),
    ("R", &["R_ENVIRON*", "R_HOME", "R_LIBS*", "R_PROFILE*"]),
    (
        "Julia",
        &["JULIA_DEPOT_PATH", "JULIA_LOAD_PATH", "JULIA_PROJECT"],
    ),
    // Its configuration loads engines and providers, which are shared libraries, into nearly all
    // programs that speak TLS.
    (
        "OpenSSL",
        &["OPENSSL_CONF", "OPENSSL_ENGINES", "OPENSSL_MODULES"],
    ),
];

/// Who would run or load other code because of a variable of this (final) name.
pub fn obeyed_by(name: &str) -> Option<&'static str> {
    let matches = |row: &str| match row.strip_suffix('*') {
        Some(family) => name.starts_with(family),
        None => name == row,
    };
    LOADERS
        .iter()
        .find(|(_, names)| names.iter().any(|row| matches(row)))
        .map(|(who, _)| *who)
}

/// An import must not set this variable.
pub fn is_loader(name: &str) -> bool {
    obeyed_by(name).is_some()
}
