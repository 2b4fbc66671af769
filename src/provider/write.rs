//! Writing into stores: what one is asked to take, and what all of them have in common.
//!
//! A value is only written over what the caller has seen: a [`Change`] says what stood there when
//! it was decided on, and the store compares and sets. How it does that (a version that must be the
//! newest, a token that is taken once) is its own affair; where another writer came in between and
//! has changed something else of the same secret, it reads again and works the change in.

mod counted;

use crate::failure::{Explain, Failure};
use crate::format::json::{self, Json};
use crate::format::reference::Reference;
use crate::provider::{Context, Provider};
use crate::secret::Secret;

pub(crate) use counted::Counted;

/// How often a secret is read again because somebody else was faster.
pub(crate) const TRIES: u32 = 50;

/// How a store is opened for writing.
pub struct Writing {
    /// Opens it.
    pub open: for<'a> fn(Context<'a>) -> Result<Box<dyn Store + 'a>, Failure>,
    /// What it keeps beside a secret (`--meta`).
    pub metadata: Option<Metadata>,
}

/// What a store keeps beside a secret, by name.
pub struct Metadata {
    /// So many of them at most.
    pub most: usize,
    /// It takes this name with this value.
    pub fits: fn(&str, &str) -> bool,
    /// The same in words.
    pub rule: &'static str,
}

/// One value that is to be put into a store.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    /// Where; a field of a JSON object where it names one, and the whole secret elsewhere.
    pub reference: &'a Reference,
    /// What.
    pub value: &'a Secret,
    /// What stood there.
    pub seen: Seen<'a>,
    /// What is to be kept beside its secret, by name: the same for all changes of one secret.
    pub metadata: &'a [(String, String)],
}

/// The same changes at these places.
pub(super) fn renamed<'a>(changes: &[&Change<'a>], places: &'a [Reference]) -> Vec<Change<'a>> {
    let at = |(change, reference): (&&Change<'a>, _)| Change {
        reference,
        ..**change
    };
    changes.iter().zip(places).map(at).collect()
}

/// What stood there when it was decided to write.
#[derive(Clone, Copy)]
pub enum Seen<'a> {
    /// No such secret or field.
    Nothing,
    /// This value.
    Value(&'a Secret),
    /// Nobody has looked, or it does not matter.
    Whatever,
}

impl Seen<'_> {
    /// What stands there now is still what was seen.
    pub(crate) fn is(&self, now: Option<&Secret>) -> bool {
        match (self, now) {
            (Seen::Whatever, _) | (Seen::Nothing, None) => true,
            (Seen::Value(seen), Some(now)) => seen.expose() == now.expose(),
            _ => false,
        }
    }
}

/// A value that was put.
#[derive(Clone, Default)]
pub struct Written {
    /// Its version, where the store has versions.
    pub version: Option<String>,
    /// What else there is to say of it.
    pub note: Option<String>,
}

impl Written {
    /// The value stands there, and what was to be kept beside it does not.
    pub(crate) fn alone(&mut self, why: &str) {
        let why = format!("the metadata is not written: {why}");
        self.note = Some(match self.note.take() {
            Some(note) => format!("{note}; {why}"),
            None => why,
        });
    }
}

/// A store that takes values. It is asked for what stands there as for any load.
pub trait Store: Provider {
    /// One outcome per change, in the order given. Changes of one secret are one version of it.
    fn put(&mut self, changes: &[Change<'_>]) -> Vec<Result<Written, Failure>>;
}

/// Why a value is not written.
pub(crate) enum Fault {
    /// Somebody else has changed it meanwhile.
    Changed,
    /// Others write so often that we never are the first.
    Restless,
    /// The store keeps text only.
    NotText,
    /// A field is to be set, and the secret is no JSON object.
    Fieldless,
    /// The secret has fields, and is to be set as a whole.
    HasFields,
    /// It is longer than the store takes.
    TooLarge(usize),
    /// The store keeps no empty value.
    Empty,
    /// A folder cannot have a value.
    Folder,
    /// There is so much metadata already that no more of it fits.
    Crowded,
}

impl Explain for Fault {
    fn what(&self) -> String {
        match self {
            Fault::Changed => {
                "somebody else has changed it meanwhile; nothing is written".to_owned()
            }
            Fault::Restless => {
                format!("somebody else was faster {TRIES} times; nothing is written")
            }
            Fault::NotText => "the store keeps text, and the value is not UTF-8".to_owned(),
            Fault::Fieldless => {
                "what is there is not a JSON object, so that no field of it can be set".to_owned()
            }
            Fault::HasFields => {
                "what is there has fields, and would be lost to a value without one".to_owned()
            }
            Fault::TooLarge(most) => {
                format!("the value is longer than the {most} bytes that the store takes")
            }
            Fault::Empty => "the store keeps no empty value".to_owned(),
            Fault::Folder => "names a folder, and a value has one place".to_owned(),
            Fault::Crowded => {
                "with what is there it is more metadata than the store keeps".to_owned()
            }
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Fault::Changed => "look at what is there now, and set it again".to_owned(),
            Fault::Restless => "try again when the others have ended".to_owned(),
            Fault::NotText => "store it encoded: write ?decode=base64 behind the reference, here and where it is read".to_owned(),
            Fault::Fieldless => "leave `#field` out, or name another secret".to_owned(),
            Fault::HasFields => "name the field: scheme:name#field".to_owned(),
            Fault::TooLarge(_) => "keep it in parts, or in a store for larger things".to_owned(),
            Fault::Empty => "remove the secret instead, or store a word that means nothing".to_owned(),
            Fault::Folder => "leave the final slash out, or name a secret in it".to_owned(),
            Fault::Crowded => "remove some of it there, or leave --meta out".to_owned(),
        })
    }
}

/// What is to be kept beside the secret of these changes.
pub(crate) fn metadata<'a>(changes: &[&Change<'a>]) -> &'a [(String, String)] {
    changes.first().map_or(&[], |change| change.metadata)
}

/// Adds it to what is kept there.
pub(crate) fn keep(kept: &mut Vec<(String, Json)>, metadata: &[(String, String)]) {
    for (name, value) in metadata {
        let value = Json::Text(Secret::new(value.clone().into_bytes()));
        match kept.iter_mut().find(|(known, _)| known == name) {
            Some((_, place)) => *place = value,
            None => kept.push((name.clone(), value)),
        }
    }
}

/// A moment for a store to show what another has written.
pub(crate) fn pause() {
    nix::poll::poll(&mut [], nix::poll::PollTimeout::from(100u8)).ok();
}

/// What is to be done for one change.
pub(crate) enum Verdict {
    /// It is worked in.
    Set,
    /// It stands there already.
    Done,
    /// It cannot be.
    Not(Failure),
}

/// Works the changes of one secret into its fields. `again`: we may have written them ourselves
/// just now, and not have got the answer.
pub(crate) fn into_fields(fields: &mut Json, changes: &[&Change<'_>], again: bool) -> Vec<Verdict> {
    let verdict = |change: &&Change<'_>| {
        let Some(field) = change.reference.field.as_deref() else {
            return Verdict::Not(Fault::HasFields.into());
        };
        let now = match fields.pointer(field) {
            None | Some(Json::Null) => None,
            Some(value) => Some(value.render()),
        };
        let verdict = judge(change, now.as_ref(), again);
        if let Verdict::Set = verdict {
            if std::str::from_utf8(change.value.expose()).is_err() {
                return Verdict::Not(Fault::NotText.into());
            }
            if !fields.put(field, Json::Text(change.value.duplicate())) {
                return Verdict::Not(Fault::Fieldless.into());
            }
        }
        verdict
    };
    changes.iter().map(verdict).collect()
}

/// The same for a secret that is bytes: a change without a field is the whole of it, one with a
/// field needs a JSON object (or nothing) there. Gives what is to be written, where that is anything.
pub(crate) fn into_bytes(
    now: Option<&Secret>,
    changes: &[&Change<'_>],
    again: bool,
) -> (Option<Secret>, Vec<Verdict>) {
    if let [change] = changes
        && change.reference.field.is_none()
    {
        let verdict = judge(change, now, again);
        let next = match verdict {
            Verdict::Set => Some(change.value.duplicate()),
            _ => None,
        };
        return (next, vec![verdict]);
    }
    let parsed = match now {
        None => Some(Json::Object(Vec::new())),
        Some(now) => json::parse(now.expose()).ok(),
    };
    let Some(mut fields @ Json::Object(_)) = parsed else {
        let refused = |_| Verdict::Not(Fault::Fieldless.into());
        return (None, changes.iter().map(refused).collect());
    };
    let verdicts = into_fields(&mut fields, changes, again);
    let any = verdicts
        .iter()
        .any(|verdict| matches!(verdict, Verdict::Set));
    (any.then(|| fields.compact()), verdicts)
}

fn judge(change: &Change<'_>, now: Option<&Secret>, again: bool) -> Verdict {
    let there = now.is_some_and(|now| now.expose() == change.value.expose());
    match (there, change.seen.is(now)) {
        (true, _) if again => Verdict::Done,
        (_, true) => Verdict::Set,
        (true, false) => Verdict::Done,
        (false, false) => Verdict::Not(Fault::Changed.into()),
    }
}

/// The outcomes of one secret, when all that was to be set has got this outcome.
pub(crate) fn outcomes(
    verdicts: Vec<Verdict>,
    written: &Result<Written, Failure>,
    standing: Option<&str>,
) -> Vec<Result<Written, Failure>> {
    let outcome = |verdict| match verdict {
        Verdict::Set => written.clone(),
        Verdict::Done => Ok(Written {
            version: standing.map(str::to_owned),
            note: None,
        }),
        Verdict::Not(failure) => Err(failure),
    };
    verdicts.into_iter().map(outcome).collect()
}

/// Puts changes together that are of one secret, and gives every change its own outcome: `name`
/// says which secret a reference means, `put` writes one.
pub(crate) fn by_secret<'c, K: PartialEq>(
    changes: &'c [Change<'c>],
    name: impl Fn(&Reference) -> Result<K, Failure>,
    mut put: impl FnMut(&K, &[&'c Change<'c>]) -> Vec<Result<Written, Failure>>,
) -> Vec<Result<Written, Failure>> {
    let mut outcomes: Vec<Option<Result<Written, Failure>>> =
        changes.iter().map(|_| None).collect();
    let mut groups: Vec<(K, Vec<usize>)> = Vec::new();
    for (at, change) in changes.iter().enumerate() {
        match name(change.reference) {
            Ok(key) => match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, group)) => group.push(at),
                None => groups.push((key, vec![at])),
            },
            Err(failure) => {
                if let Some(slot) = outcomes.get_mut(at) {
                    *slot = Some(Err(failure));
                }
            }
        }
    }
    for (key, group) in groups {
        let members: Vec<&Change<'_>> = group.iter().filter_map(|at| changes.get(*at)).collect();
        for (at, outcome) in group.iter().zip(put(&key, &members)) {
            if let Some(slot) = outcomes.get_mut(*at) {
                *slot = Some(outcome);
            }
        }
    }
    let lost = || Err(Fault::Restless.into());
    outcomes
        .into_iter()
        .map(|outcome| outcome.unwrap_or_else(lost))
        .collect()
}
