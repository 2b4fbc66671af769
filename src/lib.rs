//! # envshim, from the inside
//!
//! envshim finds secrets, puts them into the environment, and becomes the program. The code is a
//! row of rooms, declared below in order: **a room may use only rooms above it**
//! (`tests/house_rules.rs` enforces it). `run` is the only corridor; every stage takes the product
//! of the stage before it by value and returns its own:
//!
//! ```text
//! command line -> settings -> source -> references -> providers -> resolved -> environment -> process
//!     cli         settings    source      format       provider     resolve    environment    process
//! ```
//!
//! With `--supervise` the process splits behind the settings: the child walks on, the parent stays in
//! `supervise`.
//!
//! Ten rules:
//!
//! 1. The order of the `mod` lines is the architecture. No `common`, no `util`, no prelude.
//! 2. One file per provider, one row per provider; the row also makes the help, the list of
//!    variables kept from the program, and the contract tests.
//! 3. A [`secret::Secret`] has no `Debug`, `Display`, `Clone`, `PartialEq`. One door: `expose()`.
//! 4. Every error says three things: what failed (with the variable and the reference), why, and
//!    what to do ([`failure::Explain`]).
//! 5. Foreign errors are never printed where their text may hold payload.
//! 6. All `unsafe` stands in `sys`; the rest is denied by lint.
//! 7. stdout belongs to the program we run. `report` is the only voice, on stderr (the commands
//!    whose product is text print it through `report` too).
//! 8. Signals are never blocked across a wait (a supervisor waits for them); a terminating one ends a
//!    load at once.
//! 9. Tests drive the real binary and compare it with no wrapper at all; a test never skips by itself.
//! 10. A file above 300 lines must give a reason; above 400 it is split.

pub mod secret;

pub mod failure;

pub mod clock;

pub mod sys;

pub mod format;

pub mod report;

pub mod files;

pub mod helper;

pub mod prompt;

pub mod sealed;

pub mod http;

pub mod credential;

pub mod provider;

pub mod cli;

pub mod settings;

pub mod source;

pub mod resolve;

pub mod environment;

pub mod audit;

pub mod process;

pub mod supervise;

pub mod run;
