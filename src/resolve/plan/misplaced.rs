//! What is wrong with an entry beside its grammar.

use crate::failure::Explain;

/// What is wrong with an entry beside its grammar.
pub(super) enum Misplaced {
    Depends(String),
    NotText(String),
    SettingNeedsStore(&'static str),
}

impl Explain for Misplaced {
    fn what(&self) -> String {
        match self {
            Misplaced::Depends(name) => {
                format!("the reference depends on `{name}`, which is fetched itself")
            }
            Misplaced::NotText(name) => {
                format!("`{name}` is not UTF-8, and cannot be a part of a reference")
            }
            Misplaced::SettingNeedsStore(title) => {
                format!("a setting cannot come from {title}, which needs settings itself")
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Misplaced::Depends(_) | Misplaced::NotText(_) => {
                "write that part out, or take it from the environment".to_owned()
            }
            Misplaced::SettingNeedsStore(_) => {
                "take it from file:, env: or exec:, or set it in the environment".to_owned()
            }
        })
    }
}
