//! `migrate`: a `.vault` out of what the users of other tools have.

use std::path::{Path, PathBuf};

use crate::failure::{Exit, Explain, Failure, Failures};
use crate::files;
use crate::format::foreign::{self, Draft, Kind, Known, Locked, Tool};
use crate::format::{dotenv, fernet};
use crate::provider;
use crate::report::Report;
use crate::run::Ended;
use crate::run::files::content;
use crate::sealed;
use crate::secret::Secret;
use crate::settings::Settings;
use crate::source;

/// Why there is nothing to write.
enum Fault {
    Locked(PathBuf, Locked),
    Ours(PathBuf),
    Nothing(String),
    Exists(PathBuf),
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Locked(path, Locked::Dotenvx) => format!(
                "{}: its values are encrypted by dotenvx, with a key of a kind that envshim does not have",
                path.display()
            ),
            Fault::Locked(path, Locked::Sops) => {
                format!("{}: its values are encrypted by SOPS", path.display())
            }
            Fault::Ours(path) => format!("{}: is a sealed file of envshim already", path.display()),
            Fault::Nothing(place) => format!("{place}: holds nothing that another tool reads"),
            Fault::Exists(path) => {
                format!(
                    "{}: is there already, and is not overwritten",
                    path.display()
                )
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Locked(path, Locked::Dotenvx) => format!(
                "umask 077; dotenvx decrypt -f {0} --stdout > plain.env && envshim migrate plain.env && rm plain.env; then envshim seal encrypts it again",
                path.display()
            ),
            Fault::Locked(path, Locked::Sops) => format!(
                "let SOPS open it at each start, ENVSHIM_IMPORT=exec:sops decrypt --output-type json {0}; or once: sops decrypt {0} > plain.env",
                path.display()
            ),
            Fault::Ours(path) => format!("envshim open {}", path.display()),
            Fault::Exists(path) => format!(
                "put it out of the way, mv {0} {0}.old, or name another folder with --dir",
                path.display()
            ),
            Fault::Nothing(_) => {
                "name a file: envshim migrate .env; envshim help migrate".to_owned()
            }
        })
    }
}

/// A variable that is left to the person.
struct Left(String, foreign::Why);

impl Explain for Left {
    fn what(&self) -> String {
        format!("{}: is not translated: {}", self.0, self.1.what())
    }
    fn hint(&self) -> Option<String> {
        self.1.hint()
    }
}

/// Variables, and the imports of chamber's services.
struct Material {
    title: String,
    kind: Kind,
    variables: Vec<(String, Option<Secret>)>,
    imports: Vec<String>,
}

/// Translates the file or the environment. Shows what comes of it, writes it if there is no `.vault`, and answers
/// with 1 if something is left to do.
pub(super) fn migrate(settings: &Settings, report: &Report) -> Ended {
    let material = match settings.words.first() {
        Some(word) => of_file(Path::new(word), settings, report)?,
        None => of_environment(settings),
    };
    let schemes = provider::schemes();
    let known = Known {
        schemes: &schemes,
        setting: &|name| {
            let mut all = provider::PROVIDERS.iter().flat_map(|row| row.settings);
            all.find(|setting| setting.name == name)
                .map(|setting| setting.bootstrap)
        },
    };
    let draft = foreign::draft(
        &material.title,
        material.kind,
        &material.variables,
        &material.imports,
        known,
    );
    let draft = draft.map_err(|lock| Fault::Locked(path_of(settings), lock))?;
    if draft.count == 0 && draft.left.is_empty() {
        return Err(Fault::Nothing(material.title).into());
    }
    report.product(draft.shown.as_bytes())?;
    for (name, why) in &draft.left {
        let left = Left(name.clone(), why.clone());
        report.warn(&left.what(), left.hint().as_deref());
    }
    write(&draft, settings, report)?;
    if material.kind == Kind::Environment {
        report.warn(
            "a variable that is set wins over `.vault`",
            Some("take the references out of where they are set, or add ENVSHIM_OVERRIDE=1"),
        );
    }
    Ok((!draft.left.is_empty()).then_some(Exit::No))
}

fn write(draft: &Draft, settings: &Settings, report: &Report) -> Result<(), Failure> {
    let path = source::place(settings, source::VAULT);
    files::create(&path, draft.text.expose(), 0o600).map_err(|fault| match fault {
        files::Fault::Exists(path) => Failure::from(Fault::Exists(path)),
        fault => fault.into(),
    })?;
    let tools: Vec<&str> = draft.tools.iter().map(|tool: &Tool| tool.name()).collect();
    let of = match tools.as_slice() {
        [] => String::new(),
        tools => format!(", of {}", tools.join(", ")),
    };
    let lines = if draft.count == 1 { "line" } else { "lines" };
    report.info(&format!(
        "wrote `{}`: {} {lines}{of}; see what a start makes of it: envshim check",
        path.display(),
        draft.count
    ));
    Ok(())
}

fn path_of(settings: &Settings) -> PathBuf {
    match settings.words.first() {
        Some(word) => PathBuf::from(word),
        None => PathBuf::from("environment"),
    }
}

fn of_environment(settings: &Settings) -> Material {
    let pairs = settings.inherited.pairs();
    let variables = pairs.map(|(name, value)| {
        let name = String::from_utf8_lossy(name).into_owned();
        (name, Some(Secret::new(value.to_vec())))
    });
    Material {
        title: "the environment".to_owned(),
        kind: Kind::Environment,
        variables: variables.collect(),
        imports: Vec::new(),
    }
}

fn of_file(path: &Path, settings: &Settings, report: &Report) -> Result<Material, Failures> {
    let found = content(path)?.bytes;
    let old = fernet::is_fernet(found.expose());
    if !old && path.extension().is_some_and(|end| end == "enc") {
        return Err(Fault::Ours(path.to_owned()).into());
    }
    let plain = if old {
        let opened = sealed::open(path, found.expose(), &settings.credentials)?;
        // A warning about a format that is left behind here.
        source::heed(opened.notes, false, report)?;
        opened.plain
    } else {
        found
    };
    let bytes = plain.expose();
    let mut material = Material {
        title: format!("`{}`", path.display()),
        kind: Kind::Dotenv,
        variables: Vec::new(),
        imports: Vec::new(),
    };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if name.ends_with(".vault") || name.ends_with(".vault.enc") {
        material.kind = Kind::Vault;
    }
    match dotenv::read(bytes) {
        Ok(bindings) => {
            let pairs = bindings.into_iter().map(|it| (it.name, it.value));
            material.variables = pairs.collect();
        }
        Err(faults) => {
            let text = std::str::from_utf8(bytes).unwrap_or_default();
            if let Some(services) = foreign::chamber(text) {
                material.imports =
                    services.map_err(|why| Failure::from(Left("chamber exec".to_owned(), why)))?;
                return Ok(material);
            }
            if let Some(variables) = foreign::flat(bytes) {
                material.kind = Kind::Literal;
                material.variables = variables;
                return Ok(material);
            }
            let explained = faults.into_iter().map(|fault| {
                let (line, column) = fault.place();
                Failure::from(fault).at(&format!("{}:{line}:{column}", path.display()))
            });
            return Err(Failures(explained.collect()));
        }
    }
    Ok(material)
}
