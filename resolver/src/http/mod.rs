//! Resolving by asking resolvers over HTTP.
//!
//! | module | what it does |
//! | --- | --- |
//! | `url` | addresses |
//! | `ask` | one request to one resolver, within limits |
//! | `response` | whether a response has the form it must have |
//! | `requests` | requests to several resolvers at the same time |
//! | `agree` | whether several resolvers say the same |

mod agree;
mod ask;
mod requests;
mod response;
mod url;

use crate::error::{self, Silence};
use crate::{Answer, Error, Options};
use agree::Responder;
use ask::Call;
use requests::Requests;
use response::{Failure, Validated};
use std::time::{Duration, Instant};
use url::Url;

/// How long a resolver may take: 10 seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The longest time that can be counted from now on every system: a year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One or several resolvers that are asked over HTTP, all at the same time.
///
/// ```no_run
/// use atname_resolver::{Options, Resolvers};
///
/// let resolvers = Resolvers::new(["http://127.0.0.1:8480", "http://names.example"])?;
/// let answer = resolvers.resolve("gittorrent", "cjb", &Options::new())?;
/// println!("{}", answer.key_hex());
/// # Ok::<(), atname_resolver::Error>(())
/// ```
///
/// # When an answer is given
///
/// One resolver is believed. Of several, this has to hold, so that no minority of them can make up an
/// answer, whatever it keeps the others from saying:
///
/// 1. More than half of them answer, two of two, two of three. One that cannot be reached, that follows
///    another chain, that says it is not in sync, or whose response has not the form it must have, does
///    not. The error is [`Error::Unanswered`]; or [`Error::NotSynced`], where waiting for those that are
///    not in sync may be enough.
/// 2. None that answers contradicts another, be they many against one: else it is
///    [`Error::Disagreement`].
///    - They have the same registry: the digest at the lowest of their tips is the same in all.
///    - They say the same of the name: who claimed it, its key, whether it is final. Only, what is
///      pending at one tip may be final at a higher one.
///
/// Once more than half have answered, the others have half a second more: a resolver that is silent costs
/// no more than that, and one that contradicts is heard.
///
/// The answer is the one with the lowest tip, which all others have confirmed; what it says of tip,
/// confirmations and state holds there.
///
/// A key that differs between two tips is most often no lie, but an update in the last blocks. Nothing
/// tells the two apart: a liar can pretend a tip above or below the others', and confirm any true
/// digest. So neither key is given, and the error says which of them is how many blocks behind. So it is
/// with any other difference, such as a name that is registered at the higher tip only.
///
/// # Limits
///
/// Each resolver has 10 seconds ([`Resolvers::timeout`]), and as long again where digests are
/// compared; nothing waits for a slower one. At most 64 KiB of an answer are read, and no redirect is
/// followed. Resolvers are asked directly, whatever proxy the environment names: it would see, and could
/// answer, what is asked of one's own resolver. [`Resolvers::proxy`] sets one.
///
/// Over plain `http` everybody on the way can say what they like in a resolver's name.
#[derive(Debug, Clone)]
pub struct Resolvers {
    agent: ureq::Agent,
    urls: Vec<Url>,
    timeout: Duration,
    chain: String,
}

/// What resolvers answered, and which of them did not.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asked {
    /// The answer, or why there is none.
    pub result: Result<Answer, Error>,
    /// Those that did not answer, in the order in which they were given, whatever the result is.
    pub silent: Vec<Silence>,
}

impl Resolvers {
    /// Resolvers of mainnet at these addresses: `http://127.0.0.1:8480`, or `https://names.example/path`.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`]: no address at all, what is no address, one that is given twice,
    /// `https` without the feature `tls`. `localhost`, `127.0.0.1` and `[::1]` are one host, and a port
    /// that is left out is the usual one.
    pub fn new<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Resolvers, Error> {
        let mut read: Vec<Url> = Vec::new();
        for url in urls {
            let url = Url::parse(url.as_ref())?;
            if let Some(same) = read.iter().find(|before| before.is_same(&url)) {
                return Err(Error::InvalidUrl {
                    reason: format!("it is the same resolver as {same}, and one counts once"),
                    url: url.to_string(),
                });
            }
            read.push(url);
        }
        if read.is_empty() {
            return Err(Error::InvalidUrl {
                url: "nothing".into(),
                reason: "give at least one, such as http://127.0.0.1:8480".into(),
            });
        }
        Ok(Resolvers {
            agent: ask::agent(None),
            urls: read,
            timeout: TIMEOUT,
            chain: "mainnet".into(),
        })
    }

    /// Another limit of time for each resolver, from the name's look-up to the last byte of it; at most a
    /// year.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Resolvers {
        self.timeout = timeout.min(LONGEST);
        self
    }

    /// Another chain: `mainnet`, `testnet4`, `signet` or `regtest`. Each resolver is asked which one it
    /// follows before it is asked for the name, and one of another chain does not count.
    #[must_use]
    pub fn of_chain(mut self, chain: impl Into<String>) -> Resolvers {
        self.chain = chain.into();
        self
    }

    /// Asks all of them through a proxy: `http://proxy.example:3128`.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`], which does not repeat it: a proxy's address may have a password in it.
    pub fn proxy(mut self, url: &str) -> Result<Resolvers, Error> {
        let proxy = ureq::Proxy::new(url).map_err(|_| Error::InvalidUrl {
            url: "what was given for a proxy".into(),
            reason: "it has the form http://HOST:PORT".into(),
        })?;
        self.agent = ask::agent(Some(proxy));
        Ok(self)
    }

    /// The key that a name of a service stands for, as these resolvers agree.
    ///
    /// # Errors
    /// [`Error::InvalidName`], before anybody is asked; [`Error::Unanswered`],
    /// [`Error::NotSynced`] and [`Error::Disagreement`] as above; [`Error::NotRegistered`],
    /// [`Error::Pending`] and [`Error::Revoked`] as from the database.
    pub fn resolve(&self, service: &str, name: &str, options: &Options) -> Result<Answer, Error> {
        self.ask(service, name, options).result
    }

    /// [`Resolvers::resolve`], and who did not answer beside it.
    pub fn ask(&self, service: &str, name: &str, options: &Options) -> Asked {
        let name = match error::parse(service, name) {
            Ok(name) => name,
            Err(error) => {
                return Asked {
                    result: Err(error),
                    silent: Vec::new(),
                };
            }
        };
        let (options, chain) = (*options, self.chain.clone());
        let mut names = self.start(0..self.urls.len(), move |call| {
            call.resolve(&name, &options, &chain)
        });
        let mut round = Round::new(&self.urls);
        let mut responders = Vec::new();
        let mut wanted = round.needed();
        let result = loop {
            names.gather(wanted, |index, response| {
                round.take(index, response, &mut responders)
            });
            let agreed = self.agreed(&responders, &mut round, &name.to_string());
            // Where a digest is lacking, one that was not waited for may make up for it.
            if agreed.is_none() && names.has_time() {
                wanted = 1;
                continue;
            }
            for index in names.pending() {
                round.note(index, Failure::silent("it took too long"));
            }
            break agreed.unwrap_or_else(|| Err(round.too_few()));
        };
        Asked {
            result,
            silent: round.silent(),
        }
    }

    /// The answer of those that answered, or the contradiction; `None` where they are too few.
    fn agreed(
        &self,
        responders: &[Responder],
        round: &mut Round,
        name: &str,
    ) -> Option<Result<Answer, Error>> {
        if responders.len() < round.needed() {
            return None;
        }
        let lowest = agree::lowest(responders)?;
        let common = &lowest.response.tip;
        let (level, ahead): (Vec<_>, Vec<_>) = responders.iter().partition(|responder| {
            let tip = &responder.response.tip;
            // Below the first height the digest stands still, and no block has one.
            tip.height == common.height || tip.digest == common.digest
        });
        let mut verdict = Ok(());
        for responder in &level {
            let block = Some(&responder.response.tip);
            verdict = verdict.and_then(|()| agree::on_registry(lowest, responder, block));
        }
        let height = common.height;
        let ahead_of = ahead.iter().map(|responder| responder.index);
        let mut digests = self.start(ahead_of, move |call| call.digest(height));
        let mut confirmed = level.len();
        let missing = round.needed().saturating_sub(confirmed);
        digests.gather(missing, |index, block| match block {
            Ok(block) => {
                let other = ahead.iter().find(|responder| responder.index == index);
                if let (Some(other), Ok(())) = (other, &verdict) {
                    verdict = agree::on_registry(lowest, other, block.as_ref());
                }
                confirmed += 1;
                true
            }
            Err(failure) => {
                round.note(index, failure);
                false
            }
        });
        for index in digests.pending() {
            round.note(index, Failure::silent("it took too long"));
        }
        // Also those without a digest: what was heard is not passed over.
        for responder in responders {
            verdict = verdict.and_then(|()| agree::on_name(lowest, responder, name));
        }
        match verdict {
            Err(disagreement) => Some(Err(disagreement)),
            Ok(()) if confirmed >= round.needed() => Some(lowest.response.result.clone()),
            Ok(()) => None,
        }
    }

    fn start<T: Send + 'static>(
        &self,
        indices: impl Iterator<Item = usize>,
        question: impl Fn(&Call) -> Result<T, Failure> + Clone + Send + 'static,
    ) -> Requests<T> {
        let deadline = Instant::now() + self.timeout;
        let calls = indices.filter_map(|index| {
            let call = Call {
                agent: self.agent.clone(),
                url: self.urls.get(index)?.clone(),
                deadline,
            };
            Some((index, call))
        });
        Requests::start(calls, deadline, question)
    }
}

/// Who has not answered, of all that were asked.
struct Round<'u> {
    urls: &'u [Url],
    failed: Vec<(usize, Failure)>,
}

impl Round<'_> {
    fn new(urls: &[Url]) -> Round<'_> {
        Round {
            urls,
            failed: Vec::new(),
        }
    }

    /// Puts a response to the others, or notes why there is none; says which it was.
    fn take(
        &mut self,
        index: usize,
        response: Result<Validated, Failure>,
        responders: &mut Vec<Responder>,
    ) -> bool {
        match (response, self.urls.get(index).cloned()) {
            (Ok(response), Some(url)) => {
                let at = responders.partition_point(|before| before.index < index);
                let responder = Responder {
                    index,
                    url,
                    response,
                };
                responders.insert(at, responder);
                true
            }
            (Err(failure), _) => {
                self.note(index, failure);
                false
            }
            (Ok(_), None) => false,
        }
    }

    fn note(&mut self, index: usize, failure: Failure) {
        // Digests may be asked for again; the first reason stands.
        if self.failed.iter().all(|(noted, _)| *noted != index) {
            self.failed.push((index, failure));
            self.failed.sort_by_key(|(index, _)| *index);
        }
    }

    fn answered(&self) -> usize {
        self.urls.len() - self.failed.len()
    }

    /// More than half.
    fn needed(&self) -> usize {
        self.urls.len() / 2 + 1
    }

    fn silent(&self) -> Vec<Silence> {
        let failed = self.failed.iter();
        let silence = |(index, failure): &(usize, Failure)| {
            let url = self.urls.get(*index)?.to_string();
            let reason = match failure {
                Failure::Silent(reason) => reason.clone(),
                Failure::NotSynced {
                    tip_height,
                    node_height,
                } => error::behind(*tip_height, *node_height),
            };
            Some(Silence { url, reason })
        };
        failed.filter_map(silence).collect()
    }

    /// The error where too few have answered.
    fn too_few(&self) -> Error {
        let answered = self.answered();
        let behind: Vec<_> = self
            .failed
            .iter()
            .filter_map(|(_, failure)| match failure {
                Failure::NotSynced {
                    tip_height,
                    node_height,
                } => Some((*tip_height, *node_height)),
                Failure::Silent(_) => None,
            })
            .collect();
        match behind.iter().max() {
            Some(&(tip_height, node_height)) if answered + behind.len() >= self.needed() => {
                Error::NotSynced {
                    tip_height,
                    node_height,
                }
            }
            _ => Error::Unanswered {
                answered,
                needed: self.needed(),
                silent: self.silent(),
            },
        }
    }
}
