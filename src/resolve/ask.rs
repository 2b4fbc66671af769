//! All stores asked at the same time: a thread for each that is not on this machine, and none of
//! them left when the answers are there.

use std::thread::{Builder, ScopedJoinHandle, scope};
use std::time::Instant;

use crate::clock::{Deadline, spoken};
use crate::failure::Explain;
use crate::provider::{
    Answer, Context, Glance, Lookup, Network, PROVIDERS, Provider, Row, Trouble, Wanted,
};
use crate::report::Report;
use crate::resolve::Query;

/// What all questions of one load have in common.
#[derive(Clone, Copy)]
pub(crate) struct Load<'a> {
    pub(crate) deadline: Deadline,
    pub(crate) report: &'a Report,
    pub(crate) strict: bool,
    pub(crate) network: &'a Network,
}

/// A provider was asked and lost count.
struct NoAnswer(&'static str);

impl Explain for NoAnswer {
    fn what(&self) -> String {
        format!("{} gave no answer", self.0)
    }
}

/// How a query is to be answered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum How {
    /// Not at all.
    Leave,
    /// With its value.
    Read,
    /// Without, where that is possible.
    Glance,
    /// Without, and then with it.
    Both,
}

/// What came of it.
#[derive(Default)]
pub(crate) struct Reply {
    pub(crate) answer: Option<Answer>,
    pub(crate) glance: Option<Glance>,
}

/// All queries to one provider, and their places among all queries.
struct Batch<'q> {
    row: &'static Row,
    places: Vec<usize>,
    wanted: Vec<Wanted<'q>>,
    hows: Vec<How>,
}

/// Asks every provider for those of its queries that are `needed`, in one batch each, all at once.
/// Answers come in the order of the queries.
pub(crate) fn ask(
    queries: &[Query],
    needed: impl Fn(usize) -> bool,
    settings: &dyn Lookup,
    load: Load<'_>,
) -> Vec<Option<Answer>> {
    let how = |at| {
        if needed(at) { How::Read } else { How::Leave }
    };
    let replies = ask_so(queries, how, settings, load).into_iter();
    replies.map(|reply| reply.answer).collect()
}

/// The same, each in its own way.
pub(crate) fn ask_so(
    queries: &[Query],
    how: impl Fn(usize) -> How,
    settings: &dyn Lookup,
    load: Load<'_>,
) -> Vec<Reply> {
    let mut replies: Vec<Reply> = queries.iter().map(|_| Reply::default()).collect();
    let (local, remote): (Vec<Batch<'_>>, Vec<Batch<'_>>) = PROVIDERS
        .iter()
        .filter_map(|row| Batch::of(row, queries, &how))
        .partition(|batch| batch.row.local);
    let context = Context {
        settings,
        deadline: load.deadline,
        report: load.report,
        strict: load.strict,
        network: load.network,
    };
    // What is on this machine stays on the main thread: a helper that is started there ends when we
    // do, and a start without network has no threads at all.
    let mut put = |batch: &Batch<'_>, mut found: Vec<Reply>| {
        found.resize_with(batch.places.len(), || Reply {
            answer: Some(batch.lost()),
            glance: None,
        });
        for (at, reply) in batch.places.iter().zip(found) {
            if let Some(slot) = replies.get_mut(*at) {
                *slot = reply;
            }
        }
    };
    if remote.is_empty() {
        for batch in &local {
            put(batch, batch.ask(context));
        }
        return replies;
    }
    scope(|scope| {
        let threads: Vec<Option<ScopedJoinHandle<'_, _>>> = remote
            .iter()
            .map(|batch| {
                Builder::new()
                    .name(batch.row.scheme.to_owned())
                    .stack_size(1 << 20)
                    .spawn_scoped(scope, move || batch.ask(context))
                    .ok()
            })
            .collect();
        for batch in &local {
            put(batch, batch.ask(context));
        }
        for (batch, thread) in remote.iter().zip(threads) {
            let found = match thread {
                Some(thread) => thread.join().unwrap_or_default(),
                // A container that has no more threads waits a little longer.
                None => batch.ask(context),
            };
            put(batch, found);
        }
    });
    replies
}

impl<'q> Batch<'q> {
    fn of(
        row: &'static Row,
        queries: &'q [Query],
        how: impl Fn(usize) -> How,
    ) -> Option<Batch<'q>> {
        let mine = |(at, query): &(usize, &Query)| {
            query.reference.scheme == row.scheme && how(*at) != How::Leave
        };
        let (places, wanted): (Vec<usize>, Vec<Wanted<'_>>) = queries
            .iter()
            .enumerate()
            .filter(mine)
            .map(|(at, query)| {
                let wanted = Wanted {
                    reference: &query.reference,
                    import: query.import,
                    must: query.must,
                };
                (at, wanted)
            })
            .unzip();
        (!wanted.is_empty()).then(|| Batch {
            row,
            hows: places.iter().map(|at| how(*at)).collect(),
            places,
            wanted,
        })
    }

    fn lost(&self) -> Answer {
        Err(Trouble::Failed(NoAnswer(self.row.title).into()))
    }

    fn ask(&self, context: Context<'_>) -> Vec<Reply> {
        let begun = Instant::now();
        let found = match (self.row.open)(context) {
            Ok(mut provider) => self.through(&mut *provider),
            Err(failure) => {
                let reply = |_: &Wanted<'_>| Reply {
                    answer: Some(Err(Trouble::Failed(failure.clone()))),
                    glance: None,
                };
                self.wanted.iter().map(reply).collect()
            }
        };
        if self.row.local {
            return found;
        }
        context.report.debug(|| {
            let time = spoken(begun.elapsed());
            let count = self.wanted.len();
            format!("{}: {count} asked, answered after {time}", self.row.title)
        });
        found
    }

    /// First without values, where that will do; what the store does not tell so is read.
    fn through(&self, provider: &mut dyn Provider) -> Vec<Reply> {
        let those = |which: &dyn Fn(usize, How) -> bool| {
            let all = self.hows.iter().enumerate();
            let places = all.filter(|(at, how)| which(*at, **how));
            let places: Vec<usize> = places.map(|(at, _)| at).collect();
            let wanted = places.iter().filter_map(|at| self.wanted.get(*at).copied());
            (wanted.collect::<Vec<_>>(), places)
        };
        let mut replies: Vec<Reply> = self.wanted.iter().map(|_| Reply::default()).collect();
        let (wanted, places) = those(&|_, how| matches!(how, How::Glance | How::Both));
        if !wanted.is_empty() {
            for (at, glance) in places.into_iter().zip(provider.glance(&wanted)) {
                replies[at].glance = Some(glance);
            }
        }
        let told = |at: usize| matches!(replies[at].glance, Some(Glance::Mark(_)));
        let (wanted, places) = those(&|at, how| how != How::Glance || !told(at));
        if !wanted.is_empty() {
            let mut found = provider.fetch(&wanted).into_iter();
            for at in places {
                replies[at].answer = Some(found.next().unwrap_or_else(|| self.lost()));
            }
        }
        replies
    }
}
