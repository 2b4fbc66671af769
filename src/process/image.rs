//! Everything that the kernel is given, prepared: after this nothing has to be allocated to search
//! for the program and to start it.

use std::ffi::{CStr, CString, OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::Program;
use super::refusal::Refusal;

/// Where programs are looked for when the environment has no `PATH`, as in `execvp`.
pub(super) const DEFAULT_PATH: &str = "/bin:/usr/bin";

/// The shell that runs a file which has the x bit but no first line.
pub(super) const SHELL: &CStr = c"/bin/sh";

/// The program as system calls take it.
pub(super) struct Image<'a> {
    /// The first word, as typed.
    pub(super) name: &'a OsStr,
    /// The value of the program's own `PATH`, if it has one.
    pub(super) path: Option<&'a [u8]>,
    /// The paths to try, in order.
    pub(super) candidates: Vec<CString>,
    /// The words of the program as given.
    pub(super) typed: &'a [OsString],
    /// argv, with the name that the program sees in front.
    pub(super) words: Vec<CString>,
    /// The environment, one `NAME=value` each.
    pub(super) environment: &'a [&'a CStr],
}

impl<'a> Image<'a> {
    /// Reads `PATH` in the environment that the program gets, not in ours.
    pub(super) fn new(program: &'a Program, environment: &'a [&'a CStr]) -> Result<Self, Refusal> {
        let name = program
            .words
            .first()
            .map_or(OsStr::new(""), |w| w.as_os_str());
        let path = environment
            .iter()
            .find_map(|variable| variable.to_bytes().strip_prefix(b"PATH="));
        let mut words = program.words.iter().map(|word| c_string(word.as_bytes()));
        let mut words = words.by_ref().collect::<Result<Vec<_>, _>>()?;
        if let (Some(arg0), Some(first)) = (&program.arg0, words.first_mut()) {
            *first = c_string(arg0.as_bytes())?;
        }
        Ok(Image {
            name,
            path,
            candidates: candidates(name.as_bytes(), path)?,
            typed: &program.words,
            words,
            environment,
        })
    }

    /// The words with which the shell runs the file at `path`.
    pub(super) fn script<'b>(&'b self, path: &'b CStr) -> Vec<&'b CStr> {
        let arguments = self.words.iter().skip(1).map(CString::as_c_str);
        [SHELL, path].into_iter().chain(arguments).collect()
    }
}

/// The folders of a `PATH`; an empty one is the current folder.
pub(super) fn folders(path: Option<&[u8]>) -> impl Iterator<Item = &[u8]> {
    path.unwrap_or(DEFAULT_PATH.as_bytes())
        .split(|byte| *byte == b':')
        .map(|folder| if folder.is_empty() { b"." } else { folder })
}

fn candidates(name: &[u8], path: Option<&[u8]>) -> Result<Vec<CString>, Refusal> {
    if name.is_empty() {
        return Ok(Vec::new());
    }
    if name.contains(&b'/') {
        return Ok(vec![c_string(name)?]);
    }
    folders(path)
        .map(|folder| c_string(&[folder, b"/", name].concat()))
        .collect()
}

fn c_string(bytes: &[u8]) -> Result<CString, Refusal> {
    CString::new(bytes).map_err(|_| Refusal::NulByte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(name: &str, path: Option<&str>) -> Vec<String> {
        let found = candidates(name.as_bytes(), path.map(str::as_bytes)).unwrap();
        found
            .into_iter()
            .map(|c| c.into_string().unwrap())
            .collect()
    }

    #[test]
    fn candidates_follow_the_rules_of_execvp() {
        assert_eq!(paths("app", Some("/a:/b/")), ["/a/app", "/b//app"]);
        assert_eq!(
            paths("app", Some(":/a::")),
            ["./app", "/a/app", "./app", "./app"]
        );
        assert_eq!(paths("app", Some("")), ["./app"]);
        assert_eq!(paths("app", None), ["/bin/app", "/usr/bin/app"]);
        assert_eq!(paths("bin/app", Some("/a")), ["bin/app"]);
        assert!(paths("", Some("/a")).is_empty());
    }

    #[test]
    fn the_first_path_of_the_given_environment_counts() {
        let program = Program {
            words: vec!["app".into(), "-v".into()],
            arg0: Some("-app".into()),
        };
        let environment = [c"XPATH=/x", c"PATH=/a", c"PATH=/b"];
        let image = Image::new(&program, &environment).ok().unwrap();
        assert_eq!(image.candidates, [c"/a/app".to_owned()]);
        assert_eq!(image.words, [c"-app".to_owned(), c"-v".to_owned()]);
        assert_eq!(image.script(c"/a/app"), [SHELL, c"/a/app", c"-v"]);
    }
}
