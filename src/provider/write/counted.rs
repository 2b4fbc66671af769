//! Stores that cannot compare before they write, but count their versions, so that it is seen
//! afterwards that somebody came in between. Of a whole value that is said. Fields of a JSON object
//! are worked together: what the others have changed since the version that we had read is put into
//! what we wrote, and that is written again, until nobody is in between. Whoever writes last has
//! seen all the others, so that no field is missing in the end.
//!
//! A version does not say over which one it was written. Of three writers at once, one who has read
//! the oldest version can therefore bring an old value of a field back that another has just set:
//! it looks like a change. Both values are in the history.

use crate::failure::{Explain, Failure};
use crate::format::json::{self, Json};
use crate::secret::Secret;

use super::{Change, Seen, TRIES, Verdict, Written, into_fields};

/// One secret of such a store.
pub(crate) struct Counted<'a> {
    /// The value of this version; none where it is gone.
    pub(crate) read: &'a dyn Fn(u64) -> Result<Option<Secret>, Failure>,
    /// Writes a version, and says which it is.
    pub(crate) write: &'a dyn Fn(&Secret) -> Result<u64, Failure>,
}

/// Somebody wrote at the same time.
struct Between(u64);

impl Explain for Between {
    fn what(&self) -> String {
        format!(
            "somebody else wrote version {} at the same time; it is in the history",
            self.0
        )
    }
}

/// The others' work could not be looked at, or not be written again.
struct Unseen(Failure);

impl Explain for Unseen {
    fn what(&self) -> String {
        format!(
            "somebody else wrote at the same time, and may miss something: {}",
            self.0.what
        )
    }
}

/// What others have done meanwhile.
enum Meanwhile {
    /// Nothing that is not in what we wrote.
    Nothing,
    /// They wrote a whole value.
    Whole(u64),
    /// They changed other fields, and this has theirs and ours.
    Fields(Secret),
}

impl Counted<'_> {
    /// The changes that are in what was written.
    pub(crate) fn set<'c>(changes: &[&Change<'c>], verdicts: &[Verdict]) -> Vec<Change<'c>> {
        let set = changes.iter().zip(verdicts);
        let set = set.filter(|(_, verdict)| matches!(verdict, Verdict::Set));
        let set = set.map(|(change, _)| Change {
            seen: Seen::Whatever,
            ..**change
        });
        set.collect()
    }

    /// `mine` was written, over `read` (version 0: nothing): has anybody come in between?
    pub(crate) fn settle(
        &self,
        changes: &[Change<'_>],
        read: (Option<Secret>, u64),
        mine: (Secret, u64),
    ) -> Written {
        let done = |got: u64, note: Option<String>| Written {
            version: Some(got.to_string()),
            note,
        };
        let (mut base, mut before) = read;
        let (mut mine, mut got) = mine;
        for _ in 0..TRIES {
            if got <= before + 1 {
                return done(got, None);
            }
            let next = match self.meanwhile(changes, base.as_ref(), before, &mine, got) {
                Err(failure) => return done(got, Some(Unseen(failure).what())),
                Ok(Meanwhile::Nothing) => return done(got, None),
                Ok(Meanwhile::Whole(version)) => return done(got, Some(Between(version).what())),
                Ok(Meanwhile::Fields(next)) => next,
            };
            match (self.write)(&next) {
                Ok(now) => {
                    before = got;
                    base = Some(mine);
                    mine = next;
                    got = now;
                }
                Err(failure) => return done(got, Some(Unseen(failure).what())),
            }
        }
        done(got, Some(Between(got - 1).what()))
    }

    fn meanwhile(
        &self,
        changes: &[Change<'_>],
        base: Option<&Secret>,
        before: u64,
        mine: &Secret,
        got: u64,
    ) -> Result<Meanwhile, Failure> {
        let fields = |change: &Change<'_>| change.reference.field.is_some();
        let object = |text: &Secret| {
            let parsed = json::parse(text.expose()).ok();
            parsed.filter(|json| matches!(json, Json::Object(_)))
        };
        let base = base.and_then(object);
        let ours = object(mine).filter(|_| changes.iter().all(fields));
        let mut next = ours;
        for version in before + 1..got {
            let Some(other) = (self.read)(version)? else {
                continue;
            };
            // Of ours too, where an answer got lost.
            if other.is(mine) {
                continue;
            }
            let (Some(Json::Object(next)), Some(Json::Object(theirs))) =
                (&mut next, object(&other))
            else {
                return Ok(Meanwhile::Whole(version));
            };
            for (name, value) in theirs {
                let there = base.as_ref().and_then(|base| base.get(&name));
                if !there.is_some_and(|there| there.compact().is(&value.compact())) {
                    // By its whole name, whatever dots are in it.
                    match next.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, place)) => *place = value,
                        None => next.push((name, value)),
                    }
                }
            }
        }
        let Some(mut next) = next else {
            return Ok(Meanwhile::Nothing);
        };
        // Of one field ours is the last.
        let changes: Vec<&Change<'_>> = changes.iter().collect();
        into_fields(&mut next, &changes, false);
        let next = next.compact();
        Ok(if next.is(mine) {
            Meanwhile::Nothing
        } else {
            Meanwhile::Fields(next)
        })
    }
}
