//! The way to the store: the access token, the requests, what an answer means.

use crate::credential::hcp::{self, Doors, Gone, Identity, Sources, Subject};
use crate::failure::{Explain, Failure};
use crate::http::{self, Address, AddressFault, Client, Request};
use crate::provider::{Context, Listed, Wanted};
use crate::secret::{Secret, SecretBuffer};

use super::URL;
use super::answers::{self, Opened, Page};
use super::fault::Fault;
use super::known::{Absent, Key, Known, is_all};
use super::place::{self, App, Trust};

/// More pages than any app has: 300 secrets is the limit.
const PAGES: usize = 1_000;

/// The store, ready to be asked.
pub(super) struct Store {
    pub(super) app: App,
    identity: Identity,
    doors: Doors,
    api: Client,
    auth: Client,
    platform: Client,
}

impl Store {
    pub(super) fn open(context: Context<'_>) -> Result<Store, Failure> {
        let settings = context.settings;
        let [api_trust, auth_trust] = ["HCP_API_TLS", "HCP_AUTH_TLS"].map(|variable| {
            let trust = Trust::read(settings, variable)?;
            if trust == Trust::Insecure {
                let fault = Fault::Insecure(variable, context.strict);
                if context.strict {
                    return Err(fault);
                }
                context.report.warn(&fault.what(), fault.hint().as_deref());
            }
            Ok(trust)
        });
        let (api_trust, auth_trust) = (api_trust?, auth_trust?);
        let app = App::find(&context, api_trust)?;
        let doors = place::doors(&context, api_trust, auth_trust)?;
        let identity = hcp::identity(&Sources {
            setting: &|name| settings.setting(name),
            variable: &|name| settings.variable(name),
            report: context.report,
            strict: context.strict,
        })?;
        if let Identity::Workload {
            subject: Subject::Url { address, .. },
            ..
        } = &identity
        {
            context.weigh(address, "the `url` of the credential file")?;
        }
        let client = |trust| {
            let mut options = context.options()?;
            options.tls.verify = trust != Trust::Insecure;
            Ok::<Client, Failure>(Client::new(options))
        };
        let api = client(api_trust)?;
        // One client, one set of roots, where both are asked in the same manner.
        let auth = if auth_trust == api_trust {
            api.clone()
        } else {
            client(auth_trust)?
        };
        Ok(Store {
            app,
            identity,
            doors,
            platform: client(Trust::Verified)?,
            api,
            auth,
        })
    }

    /// Fetches all that is wanted, each secret once.
    pub(super) fn gather(&self, wanted: &[Wanted<'_>]) -> Result<Known, Fault> {
        let token = self.token()?;
        let mut keys: Vec<Key> = Vec::new();
        let named = wanted.iter().filter(|wanted| !is_all(wanted));
        for key in named.map(|wanted| Key::of(wanted.reference)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let mut known = Known::default();
        let everything = wanted.iter().any(is_all);
        let mut dynamic = Vec::new();
        if everything || !self.app.has_parts() {
            let (opened, names) = self.all(&token)?;
            for opened in opened {
                known.opened.push((Key::latest(&opened.name), Ok(opened)));
            }
            dynamic = names.iter().map(|name| Key::latest(name)).collect();
            // The others are answered by now, or are not there.
            keys.retain(|key| key.version.is_some() || dynamic.contains(key));
            if everything {
                let wanted = dynamic.iter().filter(|key| !keys.contains(key)).cloned();
                keys.extend(wanted.collect::<Vec<_>>());
            }
            keys.retain(|key| known.find(key).is_none());
        }
        if !self.app.has_parts() {
            let absent = |key| (key, Err(Absent::of(Fault::NoVersions)));
            known.opened.extend(keys.into_iter().map(absent));
            return Ok(known);
        }
        let mut requests = Vec::with_capacity(keys.len());
        for key in &keys {
            let address = self.app.one(&key.name, key.version.as_deref());
            let mut request = self.request(address, &token)?;
            request.idempotent = !dynamic.contains(key);
            requests.push(request);
        }
        let answers = self.api.together(&requests, usize::MAX);
        for (key, answer) in keys.into_iter().zip(answers) {
            let opened = self.judge(answer, Some(&key));
            let opened = opened.and_then(|body| answers::one(&body, &key.name));
            known.opened.push((key, opened.map_err(Absent::of)));
        }
        Ok(known)
    }

    fn token(&self) -> Result<Secret, Fault> {
        let token = hcp::token(
            &self.identity,
            &self.doors,
            (&self.auth, &self.api, &self.platform),
        );
        Ok(bearer(&token.map_err(|mut fault| {
            if let hcp::Fault::Gone(gone) = &mut fault {
                gone.app.clone_from(&self.app.name);
            }
            Fault::NoToken(fault)
        })?))
    }

    /// All names. Dynamic secrets are not opened: that would make new ones.
    pub(super) fn names(&self) -> Result<Vec<Listed>, Fault> {
        let (opened, dynamic) = self.all(&self.token()?)?;
        let opened = opened.into_iter().map(|opened| Listed {
            name: opened.name,
            version: opened.version,
            changed: opened.changed,
            note: None,
        });
        let dynamic = dynamic.into_iter().map(|name| Listed {
            name,
            version: None,
            changed: None,
            note: None,
        });
        Ok(opened.chain(dynamic).collect())
    }

    /// Opens all secrets but the dynamic ones, and gives the names of those.
    fn all(&self, token: &Secret) -> Result<(Vec<Opened>, Vec<String>), Fault> {
        let mut requests = vec![self.request(self.app.all(None), token)?];
        if self.app.has_dynamic() {
            requests.push(self.request(self.app.dynamic(None), token)?);
        }
        let mut answers = self.api.together(&requests, requests.len()).into_iter();
        let first = answers.next().map(|answer| self.judge(answer, None));
        let next = |page: &str| self.request(self.app.all(Some(page)), token);
        let opened = self.pages(first, answers::opened, next)?;
        let first = match answers.next() {
            // What speaks like HCP need not have a list, and then has no dynamic secrets either.
            Some(Ok(answer)) if matches!(answer.status, 404 | 405 | 501) => None,
            answer => answer.map(|answer| self.judge(answer, None)),
        };
        let next = |page: &str| self.request(self.app.dynamic(Some(page)), token);
        let names = self.pages(first, answers::names, next)?;
        Ok((opened, names))
    }

    /// All entries of a listing that begins with this answer.
    fn pages<T>(
        &self,
        first: Option<Result<Secret, Fault>>,
        read: fn(&Secret) -> Result<Page<T>, Fault>,
        next: impl Fn(&str) -> Result<Request, Fault>,
    ) -> Result<Vec<T>, Fault> {
        let Some(first) = first else {
            return Ok(Vec::new());
        };
        let Page {
            mut entries,
            next: mut token,
        } = read(&first?)?;
        let mut pages = 1;
        while let Some(at) = token {
            let page = read(&self.judge(self.api.send(&next(&at)?), None)?)?;
            entries.extend(page.entries);
            pages += 1;
            if page.next.as_ref() == Some(&at) || pages > PAGES {
                return Err(Fault::Circle);
            }
            token = page.next;
        }
        Ok(entries)
    }

    fn request(
        &self,
        address: Result<Address, AddressFault>,
        token: &Secret,
    ) -> Result<Request, Fault> {
        let address = address.map_err(|fault| Fault::Address(URL, fault))?;
        let token = http::Value::Secret(token.duplicate());
        Ok(Request::get(address).header("authorization", token))
    }

    /// The body of a good answer, or what a bad one means.
    fn judge(
        &self,
        answer: Result<http::Answer, http::Fault>,
        key: Option<&Key>,
    ) -> Result<Secret, Fault> {
        let (app, host) = (&self.app.name, self.app.host());
        let gone = |mut gone: Gone| {
            gone.app.clone_from(app);
            Fault::Gone(gone)
        };
        let answer = answer.map_err(|fault| match Gone::by_fault(host, &fault) {
            Some(ended) => gone(ended),
            None => Fault::Unanswered(fault),
        })?;
        if let Some(ended) = Gone::by_status(host, answer.status) {
            return Err(gone(ended));
        }
        let at = self.app.origin();
        Err(match answer.status {
            200 => return Ok(answer.body),
            401 => Fault::Unauthorised(at),
            403 => Fault::Denied(app.clone()),
            429 => Fault::Busy(at),
            404 if answers::code(&answer.body) == Some(NOT_FOUND) => match key {
                Some(key) => Fault::Missing {
                    name: key.name.clone(),
                    version: key.version.clone(),
                    app: app.clone(),
                    near: None,
                },
                None => Fault::MissingApp(app.clone()),
            },
            status @ (404 | 410) => Fault::NotThere(at, status),
            status => Fault::Odd(at, status),
        })
    }
}

/// The code of gRPC for what is not there; a page of some other server has none.
const NOT_FOUND: u64 = 5;

/// The value of the `Authorization` header.
fn bearer(token: &Secret) -> Secret {
    let mut value = SecretBuffer::with_capacity(token.expose().len() + 8);
    value.push(b"Bearer ");
    value.push(token.expose());
    value.finish()
}
