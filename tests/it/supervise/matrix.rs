//! The behaviour matrix: every case beside tini, dumb-init and catatonit, inside and outside of a PID
//! namespace. Where any of them is right, so is envshim; and it is right everywhere.
//!
//! `ENVSHIM_UPDATE=1` writes what was seen into `docs/supervise.md`. Without it the page must have
//! the same cases, and what it says of envshim must be so; what others do is not our promise.

mod plain;

mod rows;

mod screen;

use std::collections::VecDeque;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use nix::unistd::Pid;

use super::super::house::probe::{Start, listener};
use super::super::house::{envshim, namespace, repository, without};
use super::{Run, name};
use rows::{ROWS, Row};

/// What stands in front of a program.
struct Tool {
    /// What the page calls it.
    name: &'static str,
    words: &'static [&'static str],
    /// The option that sends signals to the program's whole group, where it is not the default.
    to_group: Option<&'static str>,
}

const fn tool(
    name: &'static str,
    words: &'static [&'static str],
    to_group: Option<&'static str>,
) -> Tool {
    Tool {
        name,
        words,
        to_group,
    }
}

/// envshim first.
const TOOLS: [Tool; 6] = [
    tool(
        "`envshim --init`",
        &["envshim", "--init"],
        Some("--signal-group"),
    ),
    tool("`tini -s`", &["tini", "-s"], Some("-g")),
    tool("`tini -s -g`", &["tini", "-s", "-g"], None),
    tool("`dumb-init`", &["dumb-init"], None),
    tool("`dumb-init -c`", &["dumb-init", "-c"], None),
    tool("`catatonit`", &["catatonit"], Some("-g")),
];

/// One tool in one case.
struct Case {
    tool: &'static Tool,
    /// Inside of a PID namespace: as PID 1, or with the shell on the terminal as PID 1.
    first: bool,
}

/// A process that makes another one may give it what a third one has just opened.
static SPAWNING: Mutex<()> = Mutex::new(());

impl Case {
    fn ours(&self) -> bool {
        self.tool.words[0] == "envshim"
    }

    /// How long to wait for what should happen: for ours as long as it takes on a busy machine.
    fn patience(&self) -> Duration {
        Duration::from_secs(if self.ours() { 20 } else { 3 })
    }

    fn program() -> &'static str {
        listener().to_str().expect("text")
    }

    /// The words in front of a program.
    fn words(&self, option: Option<&str>) -> Vec<String> {
        let mut words: Vec<String> = self.tool.words.iter().map(|w| (*w).to_owned()).collect();
        words[0] = match self.ours() {
            true => envshim().display().to_string(),
            false => found(&words[0]).expect("it is installed"),
        };
        words.extend(option.map(str::to_owned));
        words.push("--".to_owned());
        words
    }

    /// Waits, for the tool's patience at most; whether it has come true.
    fn comes(&self, mut holds: impl FnMut() -> bool) -> bool {
        let end = Instant::now() + self.patience();
        while !holds() {
            if Instant::now() > end {
                return false;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        true
    }

    fn run(&self, words: &[&str]) -> Run {
        self.run_with(Start::new(|| {}), &[], None, words)
    }

    /// Starts `before`, which becomes the tool, which starts the program.
    fn run_with(
        &self,
        mut start: Start,
        before: &[&str],
        option: Option<&str>,
        words: &[&str],
    ) -> Run {
        start.first = self.first;
        let mut all: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
        all.extend(self.words(option));
        all.extend(words.iter().map(|word| (*word).to_owned()));
        let bytes: Vec<Vec<u8>> = all.iter().skip(1).map(|w| w.as_bytes().to_vec()).collect();
        let spawning = SPAWNING.lock().expect("a lock");
        let mut child: Child = start.spawn(false, Path::new(&all[0]), &bytes);
        drop(spawning);
        let mut shim = child.id().cast_signed();
        let comm = self.tool.words[0];
        self.comes(|| {
            if self.first {
                shim = namespace::first_child(child.id()).unwrap_or(shim);
            }
            name(shim) == comm || child.try_wait().is_ok_and(|status| status.is_some())
        });
        let shim = Pid::from_raw(shim);
        Run { start, child, shim }
    }

    /// What the program says on stdout.
    fn says(&self, run: &Run, text: &str) -> bool {
        self.comes(|| run.out().contains(text))
    }

    /// Starts the listener; `None` if it never listens.
    fn listen(&self, start: Start, option: Option<&str>) -> Option<Run> {
        let run = self.run_with(start, &[], option, &[Case::program()]);
        self.says(&run, "listening").then_some(run)
    }

    /// The child of the tool, when it is no copy of the tool any more.
    fn child(&self, run: &Run) -> Option<Pid> {
        let mut found = None;
        self.comes(|| {
            found = namespace::first_child(run.shim.as_raw().cast_unsigned());
            found.is_some_and(|pid| name(pid) != self.tool.words[0])
        });
        found.map(Pid::from_raw)
    }

    /// The end, in words.
    fn end(&self, run: &mut Run) -> String {
        let mut status = None;
        self.comes(|| {
            status = run.child.try_wait().expect("a status");
            status.is_some()
        });
        status.map_or("**hangs**".to_owned(), told)
    }
}

fn told(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    let name = |number: i32| match Signal::try_from(number) {
        Ok(signal) => signal.as_str().trim_start_matches("SIG").to_owned(),
        Err(_) => number.to_string(),
    };
    match status.signal() {
        Some(number) => format!("dies of {}", name(number)),
        None => status.code().expect("a code").to_string(),
    }
}

/// Where it is installed.
fn found(tool: &str) -> Option<String> {
    let folders = ["/usr/local/bin", "/usr/bin", "/bin"];
    let mut paths = folders.map(|folder| format!("{folder}/{tool}")).into_iter();
    paths.find(|path| Path::new(path).exists())
}

/// Those that are to be compared.
#[track_caller]
fn tools() -> &'static [Tool] {
    if without("inits") {
        return &TOOLS[..1];
    }
    for tool in &TOOLS[1..] {
        assert!(
            found(tool.words[0]).is_some(),
            "{} is missing: apt-get install tini dumb-init catatonit, or leave them out knowingly \
             with ENVSHIM_TEST_WITHOUT=inits",
            tool.words[0]
        );
    }
    &TOOLS
}

/// What was seen, row by row and tool by tool: outside, and inside where the machine can.
fn seen(tools: &'static [Tool]) -> Vec<Vec<Vec<String>>> {
    let ways = super::ways();
    let count = ROWS.len() * tools.len() * ways.len();
    let left: Mutex<VecDeque<usize>> = Mutex::new((0..count).collect());
    let cells = Mutex::new(vec![String::new(); count]);
    // Most of them wait most of the time.
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                while let Some(at) = { left.lock().expect("a list").pop_front() } {
                    let (row, rest) = (
                        at / (tools.len() * ways.len()),
                        at % (tools.len() * ways.len()),
                    );
                    let case = Case {
                        tool: &tools[rest / ways.len()],
                        first: ways[rest % ways.len()],
                    };
                    let row = &ROWS[row];
                    let mut cell = (row.look)(&case);
                    // On a busy machine it may have been too slow for us; the page is fair.
                    for _ in 0..2 {
                        if writes() && !case.ours() && cell != row.right[usize::from(case.first)] {
                            cell = (row.look)(&case);
                        }
                    }
                    cells.lock().expect("cells")[at] = cell;
                }
            });
        }
    });
    let cells = cells.into_inner().expect("cells");
    let rows = cells.chunks(tools.len() * ways.len());
    rows.map(|row| row.chunks(ways.len()).map(<[String]>::to_vec).collect())
        .collect()
}

#[test]
fn the_matrix() {
    let tools = tools();
    let seen = seen(tools);
    let mut wrong = Vec::new();
    let mut lines = Vec::new();
    for (row, cells) in ROWS.iter().zip(&seen) {
        let right = |cell: &[String]| cell.iter().zip(row.right).all(|(is, right)| is == right);
        if !right(&cells[0]) {
            wrong.push(format!(
                "{}: {:?}, and not {:?}",
                row.what, cells[0], row.right
            ));
        }
        let shown = cells.iter().map(|cell| shown(row, cell));
        lines.push(format!(
            "| {} | {} |",
            row.what,
            shown.collect::<Vec<_>>().join(" | ")
        ));
    }
    println!("{}", lines.join("\n"));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    compare(tools, &lines);
}

/// A cell of the page: one word where both ways are alike, and bold where it is not right.
fn shown(row: &Row, cell: &[String]) -> String {
    let bold = |(is, right): (&String, &str)| match is == right {
        true => is.clone(),
        false => format!("**{}**", is.trim_matches('*')),
    };
    let mut all: Vec<String> = cell.iter().zip(row.right).map(bold).collect();
    all.dedup();
    all.join(" / ")
}

/// Whether the page is to be written.
fn writes() -> bool {
    std::env::var_os("ENVSHIM_UPDATE").is_some()
}

/// The page has these cases, with the same to say of envshim.
fn compare(tools: &[Tool], lines: &[String]) {
    let path = repository().join("docs/supervise.md");
    let page = std::fs::read_to_string(&path).expect("the page");
    let (open, close) = ("<!-- matrix -->\n", "<!-- end matrix -->");
    let (head, rest) = page.split_once(open).expect("a beginning");
    let (table, tail) = rest.split_once(close).expect("an end");
    if writes() && tools.len() == TOOLS.len() && super::ways().len() == 2 {
        let names: Vec<&str> = TOOLS.iter().map(|tool| tool.name).collect();
        let new = format!(
            "{head}{open}| | {} |\n{}|\n{}\n\n{}\n{close}{tail}",
            names.join(" | "),
            "| --- ".repeat(names.len() + 1),
            lines.join("\n"),
            versions()
        );
        return std::fs::write(&path, new).expect("the page");
    }
    // What is seen in one way only is half a cell.
    let known = super::ways().len();
    let first = |line: &str| {
        let cells = line.splitn(4, " | ").take(known);
        cells.collect::<Vec<_>>().join(" | ")
    };
    let ours: Vec<String> = lines.iter().map(|line| first(line)).collect();
    let theirs = table.lines().filter(|line| line.starts_with("| ")).skip(2);
    let theirs: Vec<String> = theirs.map(first).collect();
    let hint = "run: ENVSHIM_UPDATE=1 tests/all the_matrix";
    assert!(ours == theirs, "{hint}\n{ours:#?}\n{theirs:#?}");
}

fn versions() -> String {
    let version = |tool: &str| {
        let mut command = Command::new(found(tool).expect("it is installed"));
        let output = command.arg("--version").output().expect("a version");
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).into_owned();
        let mut words = said.split(|c: char| !c.is_ascii_digit() && c != '.');
        let version = words.rfind(|word| word.matches('.').count() == 2);
        format!("{tool} {}", version.expect("a version"))
    };
    let all = ["tini", "dumb-init", "catatonit"].map(version);
    format!("Seen with {}.", all.join(", "))
}
