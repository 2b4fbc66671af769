//! The cases, in the order of the page.

use super::{Case, plain, screen};

/// A case, and what is right: as an ordinary process, and inside of a PID namespace.
pub(super) struct Row {
    pub(super) what: &'static str,
    pub(super) right: [&'static str; 2],
    pub(super) look: fn(&Case) -> String,
}

const fn row(what: &'static str, right: &'static str, look: fn(&Case) -> String) -> Row {
    Row {
        what,
        right: [right, right],
        look,
    }
}

const fn differs(what: &'static str, right: [&'static str; 2], look: fn(&Case) -> String) -> Row {
    Row { what, right, look }
}

pub(super) const ROWS: [Row; 32] = [
    row("the program exits with 7", "7", plain::an_exit),
    differs("it dies of TERM", ["dies of TERM", "143"], plain::a_death),
    row("it does not exist", "127", plain::a_missing_program),
    row("it is a folder, or has no x bit", "126", plain::no_program),
    row("a script without a first line", "runs", plain::a_script),
    row("SIGCHLD is ignored on entry", "7", plain::ignored_children),
    row(
        "signals are ignored on entry",
        "stay so",
        plain::ignored_signals,
    ),
    row(
        "signals are blocked on entry",
        "stay so",
        plain::blocked_signals,
    ),
    row(
        "no signal is ignored or blocked on entry",
        "stays so",
        plain::no_signals,
    ),
    row("`LISTEN_PID` names", "the program", plain::listen_pid),
    row(
        "the program closes its end of a pipe",
        "end of file",
        plain::a_pipe,
    ),
    row("the working folder", "is let go", plain::the_folder),
    row(
        "the environment it was started with",
        "is wiped",
        plain::the_environment,
    ),
    row(
        "a real-time signal with a value",
        "both arrive",
        plain::a_value,
    ),
    row(
        "a signal to the whole group of the init arrives",
        "once",
        plain::a_group,
    ),
    row(
        "TERM, where the program's group is wanted",
        "reaches all",
        plain::to_the_group,
    ),
    row("TERM while `sleep` runs", "ends it", plain::a_term),
    row("an orphan of the program", "is adopted", plain::an_orphan),
    row(
        "what the program leaves behind in its group",
        "ends",
        plain::the_rest,
    ),
    row(
        "the program, when the init is killed",
        "ends",
        plain::a_kill,
    ),
    row(
        "nothing happens for three seconds",
        "sleeps",
        plain::idleness,
    ),
    row(
        "^C, leading the session, arrives",
        "once",
        screen::an_interrupt,
    ),
    row("a new window size arrives", "once", screen::a_resize),
    row(
        "an interactive shell as the program has",
        "job control",
        screen::a_shell,
    ),
    row(
        "^C under a shell arrives",
        "once",
        screen::an_interrupt_under_a_shell,
    ),
    row(
        "^C in a script",
        "ends it",
        screen::an_interrupt_in_a_script,
    ),
    row(
        "^Z under a shell, then `fg`",
        "stops, goes on",
        screen::a_suspension,
    ),
    row(
        "started with `&`, the shell",
        "is usable",
        screen::a_background_job,
    ),
    row(
        "`cat &` reads from the terminal",
        "is stopped",
        screen::a_background_reader,
    ),
    row(
        "the next `read` of a script",
        "reads",
        screen::a_script_that_reads_on,
    ),
    row(
        "a shell as the program says `suspend`, then `fg`",
        "goes on",
        screen::a_shell_suspended,
    ),
    row("the terminal goes away", "is told", screen::a_hang_up),
];
