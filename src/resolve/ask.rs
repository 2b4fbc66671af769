//! All stores asked at the same time: a thread for each that is not on this machine, and none of
//! them left when the answers are there.

use std::thread::{Builder, ScopedJoinHandle, scope};
use std::time::Instant;

use crate::clock::{Deadline, spoken};
use crate::failure::{Explain, Failure};
use crate::provider::{Answer, Context, Lookup, Network, PROVIDERS, Row, Trouble, Wanted};
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

/// All queries to one provider, and their places among all queries.
struct Batch<'q> {
    row: &'static Row,
    places: Vec<usize>,
    wanted: Vec<Wanted<'q>>,
}

/// Asks every provider for those of its queries that are `needed`, in one batch each, all at once.
/// Answers come in the order of the queries.
pub(crate) fn ask(
    queries: &[Query],
    needed: impl Fn(usize) -> bool,
    settings: &dyn Lookup,
    load: Load<'_>,
) -> Vec<Option<Answer>> {
    let mut answers: Vec<Option<Answer>> = queries.iter().map(|_| None).collect();
    let (local, remote): (Vec<Batch<'_>>, Vec<Batch<'_>>) = PROVIDERS
        .iter()
        .filter_map(|row| Batch::of(row, queries, &needed))
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
    let mut put = |batch: &Batch<'_>, mut found: Vec<Answer>| {
        let lost = || Err(Trouble::Failed(NoAnswer(batch.row.title).into()));
        found.resize_with(batch.places.len(), lost);
        for (at, answer) in batch.places.iter().zip(found) {
            if let Some(slot) = answers.get_mut(*at) {
                *slot = Some(answer);
            }
        }
    };
    if remote.is_empty() {
        for batch in &local {
            put(batch, batch.ask(context));
        }
        return answers;
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
    answers
}

impl<'q> Batch<'q> {
    fn of(
        row: &'static Row,
        queries: &'q [Query],
        needed: impl Fn(usize) -> bool,
    ) -> Option<Batch<'q>> {
        let mine =
            |(at, query): &(usize, &Query)| query.reference.scheme == row.scheme && needed(*at);
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
        (!wanted.is_empty()).then_some(Batch {
            row,
            places,
            wanted,
        })
    }

    fn ask(&self, context: Context<'_>) -> Vec<Answer> {
        let failed = |failure: Failure| {
            let answer = |_: &Wanted<'_>| Err(Trouble::Failed(failure.clone()));
            self.wanted.iter().map(answer).collect()
        };
        if self.row.local {
            return match (self.row.open)(context) {
                Ok(mut provider) => provider.fetch(&self.wanted),
                Err(failure) => failed(failure),
            };
        }
        let begun = Instant::now();
        let found = match (self.row.open)(context) {
            Ok(mut provider) => provider.fetch(&self.wanted),
            Err(failure) => failed(failure),
        };
        context.report.debug(|| {
            let time = spoken(begun.elapsed());
            let count = self.wanted.len();
            format!("{}: {count} asked, answered after {time}", self.row.title)
        });
        found
    }
}
