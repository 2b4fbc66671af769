//! Reading many paths with as few requests as can be, without being told what their engines are.
//!
//! Theory of operation. A path has guesses (`path`): KV v2 first, then the path as it is. All first
//! guesses go out at once, so that one KV v2 secret costs one request. An answer that fits settles
//! the path and teaches the engine of its mount; a 404 or a 403 may mean a wrong guess. In doubt one
//! path goes ahead for all of its mount, and Vault is asked for the mount
//! (`sys/internal/ui/mounts`) when no guess is left. Where there are many paths, one goes ahead from
//! the start: a wrong guess is not worth a hundred requests.

use crate::format::json::Json;
use crate::http::Answer;
use crate::provider::vault::answer::{Outcome, Reply, names, secret, verdict};
use crate::provider::vault::fault::Fault;
use crate::provider::vault::login::Session;
use crate::provider::vault::path::{Ask, Kind, Path, Route, What, encoded};
use crate::provider::vault::server::Server;

/// So many paths of one mount are guessed at together.
const MANY: usize = 16;

/// The engine of a mount.
struct Mount {
    path: String,
    kind: Kind,
    /// From Vault itself, or from an answer that only this engine gives.
    sure: bool,
    /// It is an engine that keeps what is written.
    keeps: bool,
}

/// Where one path stands.
#[derive(Default)]
struct Job {
    tried: Vec<(Route, Outcome)>,
    /// Vault was asked for its mount.
    preflight: bool,
    end: Option<Result<Reply, Fault>>,
}

/// The next thing to do for a path.
enum Step {
    Send(Route, bool),
    Preflight,
    End(Fault),
}

/// Reads paths, and remembers what their mounts are.
pub(super) struct Reader<'a> {
    pub(super) server: &'a Server,
    session: Session,
    mounts: Vec<Mount>,
    /// Mounts of which Vault does not tell us.
    opaque: Vec<String>,
    /// The token was looked at and is good.
    trusted: bool,
}

impl<'a> Reader<'a> {
    /// `mount`: the mount of the settings and its version, where the user has said it.
    pub(super) fn new(
        server: &'a Server,
        session: Session,
        mount: Option<(&str, Kind)>,
    ) -> Reader<'a> {
        let known = mount.map(|(path, kind)| Mount {
            path: path.trim_matches('/').to_owned(),
            kind,
            sure: true,
            keeps: true,
        });
        Reader {
            server,
            trusted: session.fresh,
            session,
            mounts: known.into_iter().collect(),
            opaque: Vec::new(),
        }
    }

    /// The request that has answered a path of this kind before.
    pub(super) fn route(&self, path: &Path) -> Option<Route> {
        let known = self.mounts.iter();
        let routes = known.filter_map(|mount| path.route(&mount.path, mount.kind));
        routes.max_by_key(|route| route.mount.len())
    }

    /// One outcome per path, in their order.
    pub(super) fn ask(&mut self, asks: &[Ask]) -> Vec<Result<Reply, Fault>> {
        let mut jobs: Vec<Job> = asks.iter().map(|_| Job::default()).collect();
        loop {
            let (sends, preflight) = self.round(asks, &mut jobs);
            if let Some(at) = preflight {
                self.look_up_mount(asks, &mut jobs, at);
            }
            if sends.is_empty() && preflight.is_none() {
                break;
            }
            let paths: Vec<String> = sends
                .iter()
                .map(|(at, route)| route.request(what(asks, *at)))
                .collect();
            let answers = self.server.get_all(&paths);
            for ((at, route), answer) in sends.into_iter().zip(answers) {
                let judged = match answer {
                    Ok(answer) => match asks.get(at) {
                        Some(ask) => self.judge(ask, &route, &answer),
                        None => continue,
                    },
                    Err(fault) => Judged::End(Err(fault)),
                };
                let Some(job) = jobs.get_mut(at) else {
                    continue;
                };
                match judged {
                    Judged::End(end) => job.end = Some(end),
                    Judged::Not(outcome) => job.tried.push((route, outcome)),
                }
            }
        }
        let lost = || Fault::NotVault {
            status: 0,
            at: self.server.name.clone(),
        };
        jobs.into_iter()
            .map(|job| job.end.unwrap_or_else(|| Err(lost())))
            .collect()
    }

    /// The requests that can go out now, or one question for a mount.
    fn round(&self, asks: &[Ask], jobs: &mut [Job]) -> (Vec<(usize, Route)>, Option<usize>) {
        let fresh = |group: &str, jobs: &[Job]| {
            let open = asks.iter().zip(jobs.iter()).filter(|(ask, job)| {
                job.end.is_none() && job.tried.is_empty() && ask.path.group() == group
            });
            open.count()
        };
        let mut sends: Vec<(usize, Route)> = Vec::new();
        let mut preflight = None;
        let mut ahead: Vec<&str> = Vec::new();
        for (at, ask) in asks.iter().enumerate() {
            let Some(job) = jobs.get(at).filter(|job| job.end.is_none()) else {
                continue;
            };
            let group = ask.path.group();
            let first = job.tried.is_empty();
            match self.step(ask, job) {
                Step::End(fault) => {
                    if let Some(job) = jobs.get_mut(at) {
                        job.end = Some(Err(fault));
                    }
                }
                Step::Send(route, true) => sends.push((at, route)),
                Step::Send(route, false) if first && fresh(group, jobs) <= MANY => {
                    sends.push((at, route));
                }
                Step::Send(route, false) if !ahead.contains(&group) => {
                    ahead.push(group);
                    sends.push((at, route));
                }
                Step::Preflight if !ahead.contains(&group) => {
                    ahead.push(group);
                    preflight.get_or_insert(at);
                }
                Step::Send(..) | Step::Preflight => {}
            }
        }
        (sends, preflight)
    }

    fn step(&self, ask: &Ask, job: &Job) -> Step {
        let known = self
            .mounts
            .iter()
            .filter(|mount| mount.sure)
            .filter_map(|mount| ask.path.route(&mount.path, mount.kind))
            .max_by_key(|route| route.mount.len());
        if let Some(route) = known {
            if route.kind == Kind::Plain && matches!(ask.what, What::Read(Some(_))) {
                return Step::End(Fault::Unversioned);
            }
            return match job.tried.iter().find(|(tried, _)| *tried == route) {
                None => Step::Send(route, true),
                Some((_, outcome)) => Step::End(verdict(ask, &route, *outcome, true)),
            };
        }
        let mut guesses = ask.path.guesses(ask.what);
        let like = self
            .mounts
            .iter()
            .find(|mount| mount.path == ask.path.group());
        if like.is_some_and(|mount| mount.kind == Kind::Plain) {
            guesses.reverse();
        }
        // Vault tells us nothing of a mount in which we may do nothing.
        let opaque = ask.path.mount.is_some() && self.opaque.iter().any(|m| m == ask.path.group());
        let new = |route: &Route| !job.tried.iter().any(|(tried, _)| tried == route);
        // Nobody has to go ahead where another path of the mount was answered.
        let ahead = guesses.len() > 1 && (like.is_none() || !job.tried.is_empty());
        if let Some(route) = guesses.into_iter().find(new)
            && (job.tried.is_empty() || !opaque)
        {
            return Step::Send(route, !ahead);
        }
        if !job.preflight && !opaque {
            return Step::Preflight;
        }
        // Vault says 404 only where it would have let us read.
        let best = [Outcome::NotThere, Outcome::Denied, Outcome::Unfit]
            .into_iter()
            .find_map(|want| job.tried.iter().find(|(_, outcome)| *outcome == want));
        Step::End(match best {
            Some((route, outcome)) => verdict(ask, route, *outcome, false),
            None => Fault::NotReadable(ask.path.whole()),
        })
    }

    /// Asks for the mount of a path that no guess has fitted; before that, whether the token is any
    /// good, for with a bad one everything is forbidden.
    fn look_up_mount(&mut self, asks: &[Ask], jobs: &mut [Job], at: usize) {
        let (Some(ask), Some(job)) = (asks.get(at), jobs.get_mut(at)) else {
            return;
        };
        let denied = job
            .tried
            .iter()
            .any(|(_, outcome)| *outcome == Outcome::Denied);
        job.preflight = true;
        let fault = if denied && !self.trusted {
            self.check_token().err()
        } else {
            None
        };
        let fault = fault.or_else(|| self.preflight(ask).err());
        if let Some(fault) = fault {
            for job in jobs.iter_mut().filter(|job| job.end.is_none()) {
                job.end = Some(Err(fault.clone()));
            }
        }
    }

    fn check_token(&mut self) -> Result<(), Fault> {
        let answer = self.server.get("auth/token/lookup-self")?;
        if matches!(answer.status, 400 | 401 | 403) {
            return Err(match self.server.token {
                Some(_) => Fault::Token(self.session.from.clone()),
                None => Fault::NoToken,
            });
        }
        self.trusted = true;
        Ok(())
    }

    fn preflight(&mut self, ask: &Ask) -> Result<(), Fault> {
        let whole = ask.path.whole();
        let path = format!("sys/internal/ui/mounts/{}", encoded(&whole));
        let answer = self.server.get(&path)?;
        match answer.status {
            200 => {
                let content = self.server.content(&answer)?;
                self.learn_mount(&content, &whole);
            }
            400 | 401 | 403 => self.opaque.extend(ask.path.mount.clone()),
            // A server that is too old for the question.
            404 | 405 => {}
            _ => return Err(self.server.ailment(&answer)),
        }
        Ok(())
    }

    fn learn_mount(&mut self, content: &Json, whole: &str) {
        let field = |name| content.get("data").and_then(|data| data.get(name));
        let Some(mut path) = field("path").and_then(Json::as_str) else {
            return;
        };
        // In a namespace the path may carry the namespace in front.
        let fits = |path: &str| format!("{whole}/").starts_with(path);
        while !path.is_empty() && !fits(path) {
            path = path.split_once('/').map_or("", |(_, rest)| rest);
        }
        let version = field("options").and_then(|options| options.get("version"));
        let kv = field("type").and_then(Json::as_str) == Some("kv");
        let two = version.and_then(Json::whole) == Some(2);
        let keeps = kv
            || matches!(
                field("type").and_then(Json::as_str),
                Some("generic" | "cubbyhole")
            );
        let path = path.trim_matches('/').to_owned();
        if !path.is_empty() {
            let kind = if kv && two { Kind::V2 } else { Kind::Plain };
            // What Vault says of it itself is surer than any answer.
            self.mounts.retain(|mount| mount.path != path);
            self.learn(path, kind, true, keeps);
        }
    }

    fn learn(&mut self, path: String, kind: Kind, sure: bool, keeps: bool) {
        self.mounts.retain(|mount| mount.path != path || mount.sure);
        if !self.mounts.iter().any(|mount| mount.path == path) {
            self.mounts.push(Mount {
                path,
                kind,
                sure,
                keeps,
            });
        }
    }

    /// The request that writes to a path. A wrong guess would leave a secret where nobody looks for
    /// it, so that the engine must be known for sure.
    pub(super) fn place(&mut self, path: &Path) -> Result<Route, Fault> {
        let found = |mounts: &[Mount]| {
            let routes = mounts.iter().filter(|mount| mount.sure);
            let routes = routes.filter_map(|m| Some((path.route(&m.path, m.kind)?, m.keeps)));
            routes.max_by_key(|(route, _)| route.mount.len())
        };
        let known = found(&self.mounts).filter(|(_, keeps)| *keeps);
        if known.is_none() {
            let what = What::Read(None);
            self.preflight(&Ask {
                path: path.clone(),
                what,
            })?;
        }
        match known.or_else(|| found(&self.mounts)) {
            Some((route, _)) if route.rest.is_empty() => Err(Fault::OddPath),
            Some((route, true)) => Ok(route),
            Some((_, false)) => Err(Fault::NotKv(path.whole())),
            None => Err(Fault::UnknownEngine(path.whole())),
        }
    }

    fn judge(&mut self, ask: &Ask, route: &Route, answer: &Answer) -> Judged {
        match answer.status {
            200 | 404 => {}
            400 | 401 | 403 => return Judged::Not(Outcome::Denied),
            405 => return Judged::Not(Outcome::Unfit),
            _ => return Judged::End(Err(self.server.ailment(answer))),
        }
        let content = match self.server.content(answer) {
            Ok(content) => content,
            Err(fault) => return Judged::End(Err(fault)),
        };
        let judged = match (ask.what, answer.status) {
            (What::List, 200) => names(&content, route.kind),
            (What::List, _) => None,
            (What::Read(_), _) => secret(content, route, ask.what, answer.status),
        };
        match judged {
            Some((end, kind)) => {
                // A whole path that was answered as it is says nothing of its mount for sure.
                let sure = kind == Kind::V2 || ask.path.mount.is_some();
                let own = self.mounts.iter().any(|m| m.sure && m.path == route.mount);
                if !own && route.kind == kind {
                    self.learn(route.mount.clone(), kind, sure, kind == Kind::V2);
                }
                Judged::End(end)
            }
            None if answer.status == 404 => Judged::Not(Outcome::NotThere),
            None => Judged::Not(Outcome::Unfit),
        }
    }
}

/// What an answer means for its path.
enum Judged {
    End(Result<Reply, Fault>),
    Not(Outcome),
}

fn what(asks: &[Ask], at: usize) -> What {
    asks.get(at).map_or(What::List, |ask| ask.what)
}
