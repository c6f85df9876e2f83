//! Resolving by asking resolvers over HTTP.
//!
//! | module | what it does |
//! | --- | --- |
//! | `url` | addresses |
//! | `ask` | one request to one resolver, within limits |
//! | `response` | whether a response has the form it must have |
//! | `agree` | whether several resolvers say the same |

mod agree;
mod ask;
mod response;
mod url;

use crate::error::{self, Silence};
use crate::{Answer, Error, Options};
use agree::Responder;
use ask::Call;
use response::Failure;
use std::sync::mpsc;
use std::time::{Duration, Instant};
use url::Url;

/// How long a resolver may take: 10 seconds.
const TIMEOUT: Duration = Duration::from_secs(10);

/// One or several resolvers that are asked over HTTP, all at the same time.
///
/// ```no_run
/// use atname_resolver::{Options, Resolvers};
///
/// let resolvers = Resolvers::new(["http://127.0.0.1:8480", "http://names.example"])?;
/// let answer = resolvers.resolve("gittorrent", "cjb", &Options::default())?;
/// println!("{}", answer.key_hex());
/// # Ok::<(), atname_resolver::Error>(())
/// ```
///
/// # When an answer is given
///
/// One resolver is believed. Of several, this has to hold, so that no minority of them can make up an
/// answer, whatever it keeps the others from saying:
///
/// 1. More than half of them answer, two of two, two of three. One that cannot be reached, that says
///    it is not in sync, or whose answer has not the form it must have, does not. The error is
///    [`Error::Unanswered`]; or [`Error::NotSynced`], where waiting for those that are not in sync may
///    be enough.
/// 2. None that answers contradicts another, be they many against one: else it is
///    [`Error::Disagreement`].
///    - They have the same registry: the digest at the lowest of their tips is the same in all.
///    - They say the same of the name: who claimed it, its key, whether it is final. Only, what is
///      pending at one tip may be final at a higher one.
///
/// The answer is the one with the lowest tip, which all others have confirmed; what it says of tip,
/// confirmations and state holds there.
///
/// A key that differs between two tips is most often no lie, but an update in the last blocks. Nothing
/// tells the two apart: a liar can pretend a tip above or below the others', and confirm any true
/// digest. So neither key is given, and the error says that the next minutes may settle it. So it is
/// with any other difference, such as a name that is registered at the higher tip only.
///
/// # Limits
///
/// Each resolver has 10 seconds ([`Resolvers::timeout`]), and as long again where digests are
/// compared; nothing waits for a slower one. At most 64 KiB of an answer are read, and no redirect is
/// followed. A proxy that the environment names (`HTTP_PROXY`, `HTTPS_PROXY`, `NO_PROXY`) is used.
///
/// Over plain `http` everybody on the way can say what they like in a resolver's name.
#[derive(Debug, Clone)]
pub struct Resolvers {
    agent: ureq::Agent,
    urls: Vec<Url>,
    timeout: Duration,
    chain: Option<String>,
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
    /// Resolvers at these addresses: `http://127.0.0.1:8480`, or `https://names.example/path`.
    ///
    /// # Errors
    /// [`Error::InvalidUrl`]: no address at all, what is no address, one that is given twice,
    /// `https` without the feature `tls`.
    pub fn new<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> Result<Resolvers, Error> {
        let mut read: Vec<Url> = Vec::new();
        for url in urls {
            let url = Url::parse(url.as_ref())?;
            if read.contains(&url) {
                return Err(Error::InvalidUrl {
                    url: url.to_string(),
                    reason: "it is given twice, and one resolver counts once".into(),
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
            agent: ask::agent(),
            urls: read,
            timeout: TIMEOUT,
            chain: None,
        })
    }

    /// Another limit of time for each resolver, from the name's look-up to the last byte of it.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Resolvers {
        self.timeout = timeout;
        self
    }

    /// Counts only resolvers of this chain: `mainnet`, `testnet4`, `signet` or `regtest`. Each is asked
    /// which one it follows before it is asked for the name.
    #[must_use]
    pub fn of_chain(mut self, chain: impl Into<String>) -> Resolvers {
        self.chain = Some(chain.into());
        self
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
        let options = *options;
        let mut round = Round::new(self.urls.len());
        let response = self.each(self.urls.iter().enumerate(), {
            let chain = self.chain.clone();
            move |call| call.resolve(&name, &options, chain.as_deref())
        });
        let mut responders = Vec::new();
        for (index, url, response) in response {
            match response {
                Ok(response) => responders.push(Responder {
                    index,
                    url,
                    response,
                }),
                Err(failure) => round.note(index, &url, failure),
            }
        }
        let result = self.agreed(&responders, &mut round, &name.to_string());
        Asked {
            result,
            silent: round.silent(),
        }
    }

    /// The answer of those that answered, where they are enough and agree.
    fn agreed(
        &self,
        responders: &[Responder],
        round: &mut Round,
        name: &str,
    ) -> Result<Answer, Error> {
        round.enough()?;
        let Some(lowest) = agree::lowest(responders) else {
            return Err(round.unanswered());
        };
        let common = &lowest.response.tip;
        let (level, ahead): (Vec<_>, Vec<_>) = responders.iter().partition(|responder| {
            // Below the first height the digest stands still, and no block has one.
            responder.response.tip.height == common.height
                || responder.response.tip.digest == common.digest
        });
        for responder in &level {
            agree::on_registry(lowest, responder, Some(&responder.response.tip))?;
        }
        let height = common.height;
        let urls = ahead
            .iter()
            .map(|responder| (responder.index, &responder.url));
        let blocks = self.each(urls, move |call| call.digest(height));
        let mut counted = level;
        for (responder, (index, url, block)) in ahead.into_iter().zip(blocks) {
            match block {
                Ok(block) => {
                    agree::on_registry(lowest, responder, block.as_ref())?;
                    counted.push(responder);
                }
                Err(failure) => round.note(index, &url, failure),
            }
        }
        round.enough()?;
        for responder in counted {
            agree::on_name(lowest, responder, name)?;
        }
        lowest.response.result.clone()
    }

    /// Asks several at the same time, each in a thread of its own, and waits no longer than the
    /// timeout: a thread that is late ends by itself, and nobody hears it. In the order in which they
    /// were given.
    fn each<'u, T: Send + 'static>(
        &self,
        urls: impl Iterator<Item = (usize, &'u Url)>,
        question: impl Fn(&Call) -> Result<T, Failure> + Clone + Send + 'static,
    ) -> Vec<(usize, Url, Result<T, Failure>)> {
        let deadline = Instant::now() + self.timeout;
        let (sender, receiver) = mpsc::channel();
        let mut asked: Vec<_> = urls
            .map(|(index, url)| {
                let call = Call {
                    agent: self.agent.clone(),
                    url: url.clone(),
                    deadline,
                };
                let (sender, question) = (sender.clone(), question.clone());
                let started = std::thread::Builder::new().spawn(move || {
                    // Nobody listens any more where this comes too late.
                    let _ = sender.send((index, question(&call)));
                });
                let pending = match started {
                    Ok(_) => Failure::silent("it took too long"),
                    Err(error) => Failure::silent(format!("it was not asked: {error}")),
                };
                (index, url.clone(), Err(pending))
            })
            .collect();
        drop(sender);
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((index, answer)) = receiver.recv_timeout(left) else {
                return asked;
            };
            if let Some(slot) = asked.iter_mut().find(|slot| slot.0 == index) {
                slot.2 = answer;
            }
        }
    }
}

/// Who has not answered, of how many.
struct Round {
    all: usize,
    failed: Vec<(usize, Silence, Failure)>,
}

impl Round {
    fn new(all: usize) -> Round {
        Round {
            all,
            failed: Vec::new(),
        }
    }

    fn note(&mut self, index: usize, url: &Url, failure: Failure) {
        let reason = match &failure {
            Failure::Silent(reason) => reason.clone(),
            Failure::NotSynced {
                tip_height,
                node_height,
            } => error::behind(*tip_height, *node_height),
        };
        let url = url.to_string();
        self.failed.push((index, Silence { url, reason }, failure));
        self.failed.sort_by_key(|(index, ..)| *index);
    }

    fn answered(&self) -> usize {
        self.all - self.failed.len()
    }

    /// More than half.
    fn needed(&self) -> usize {
        self.all / 2 + 1
    }

    fn silent(&self) -> Vec<Silence> {
        let silent = self.failed.iter();
        silent.map(|(_, silence, _)| silence.clone()).collect()
    }

    /// Whether enough have answered.
    fn enough(&self) -> Result<(), Error> {
        let answered = self.answered();
        if answered >= self.needed() {
            return Ok(());
        }
        let behind: Vec<_> = self
            .failed
            .iter()
            .filter_map(|(_, _, failure)| match failure {
                Failure::NotSynced {
                    tip_height,
                    node_height,
                } => Some((*tip_height, *node_height)),
                Failure::Silent(_) => None,
            })
            .collect();
        match behind.iter().max() {
            Some(&(tip_height, node_height)) if answered + behind.len() >= self.needed() => {
                Err(Error::NotSynced {
                    tip_height,
                    node_height,
                })
            }
            _ => Err(self.unanswered()),
        }
    }

    fn unanswered(&self) -> Error {
        Error::Unanswered {
            answered: self.answered(),
            needed: self.needed(),
            silent: self.silent(),
        }
    }
}
