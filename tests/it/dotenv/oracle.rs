//! python-dotenv, asked through `oracle/dotenv.py`.

use std::io::Write;
use std::process::{Command, Stdio};

use crate::house;

/// In the environment of the oracle and of our expansion.
pub const INHERITED: (&str, &str) = ("H", "inherited ${A}");

/// A name and its value, if it has one.
pub type Variable = (String, Option<Vec<u8>>);

/// What python-dotenv says of one file.
pub struct Theirs {
    /// Lines that it skips.
    pub errors: usize,
    pub bindings: Vec<Variable>,
    /// A name once, `${...}` expanded.
    pub expanded: Vec<Variable>,
}

pub struct Answers {
    bytes: Vec<u8>,
    at: usize,
}

/// One Python for all questions.
pub fn ask(arguments: &[&str], questions: &[Vec<u8>]) -> Answers {
    // Isolated: the script bears the name of the package that it imports.
    let mut oracle = Command::new(house::python())
        .arg("-I")
        .arg(house::repository().join("tests/it/oracle/dotenv.py"))
        .args(arguments)
        .env_clear()
        .env(INHERITED.0, INHERITED.1)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle starts");
    let mut framed = Vec::new();
    for question in questions {
        let length = u32::try_from(question.len()).expect("a small file");
        framed.extend_from_slice(&length.to_le_bytes());
        framed.extend_from_slice(question);
    }
    // It reads everything before it answers.
    let mut stdin = oracle.stdin.take().expect("stdin");
    stdin.write_all(&framed).expect("questions");
    drop(stdin);
    let output = oracle.wait_with_output().expect("answers");
    assert!(output.status.success(), "the oracle failed");
    Answers {
        bytes: output.stdout,
        at: 0,
    }
}

impl Answers {
    fn take(&mut self, length: usize) -> Vec<u8> {
        self.at += length;
        self.bytes[self.at - length..self.at].to_vec()
    }

    fn number(&mut self) -> usize {
        let bytes = self.take(4).try_into().expect("four bytes");
        u32::from_le_bytes(bytes) as usize
    }

    fn block(&mut self) -> Vec<u8> {
        let length = self.number();
        self.take(length)
    }

    pub fn variables(&mut self) -> Vec<Variable> {
        (0..self.number())
            .map(|_| {
                let name = String::from_utf8(self.block()).expect("a name in UTF-8");
                let value = (self.number() == 1).then(|| self.block());
                (name, value)
            })
            .collect()
    }

    /// `None` where python-dotenv could not decode the file.
    pub fn file(&mut self) -> Option<Theirs> {
        let errors = self.number();
        (errors != u32::MAX as usize).then(|| Theirs {
            errors,
            bindings: self.variables(),
            expanded: self.variables(),
        })
    }
}
