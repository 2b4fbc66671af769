//! Tables for people: columns as wide as they need to be, in colours where a terminal shows them.

use std::io::IsTerminal;

use crate::failure::one_line;
use crate::settings::Settings;

/// How a cell looks on a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    Plain,
    Head,
    Good,
    Odd,
    Dim,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Look::Plain => "",
            Look::Head => "1",
            Look::Good => "32",
            Look::Odd => "33",
            Look::Dim => "2",
        }
    }
}

/// stdout is a terminal.
pub(super) fn on_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// stdout is a terminal that shows colours, and nobody has said no (<https://no-color.org>).
pub(super) fn colours(settings: &Settings) -> bool {
    let no = settings.inherited.value("NO_COLOR");
    let terminal = settings.inherited.value("TERM").unwrap_or_default();
    on_terminal() && no.is_none_or(<[u8]>::is_empty) && !matches!(terminal, b"" | b"dumb")
}

/// The text in this look.
pub(super) fn painted(text: &str, look: Look, colours: bool) -> String {
    if !colours || look == Look::Plain || text.is_empty() {
        return text.to_owned();
    }
    format!("\x1b[{}m{text}\x1b[0m", look.code())
}

/// The text of a cell; names from stores and files cannot drive a terminal.
pub(super) fn cell(text: &str) -> String {
    if text.is_empty() {
        "-".to_owned()
    } else {
        one_line(text)
    }
}

/// Rows under a head. `look` says how the last cell of a row looks.
pub(super) fn table(
    head: &[&str],
    rows: &[Vec<String>],
    colours: bool,
    look: impl Fn(usize) -> Look,
) -> String {
    let wide = |cell: &str| cell.chars().count();
    let mut widths: Vec<usize> = head.iter().map(|cell| wide(cell)).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(wide(cell));
        }
    }
    let mut text = String::new();
    let head: Vec<String> = head.iter().map(|cell| (*cell).to_owned()).collect();
    let all = std::iter::once(&head).chain(rows);
    for (n, row) in all.enumerate() {
        let last = row.len().saturating_sub(1);
        for (at, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let look = match n.checked_sub(1) {
                None => Look::Head,
                Some(n) if at == last => look(n),
                Some(_) => Look::Plain,
            };
            text.push_str(&painted(cell, look, colours));
            if at != last {
                let blanks = width.saturating_sub(wide(cell)) + 2;
                text.push_str(&" ".repeat(blanks));
            }
        }
        text.push('\n');
    }
    text
}
