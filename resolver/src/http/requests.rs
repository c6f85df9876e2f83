//! Requests to several resolvers at the same time, and how long their responses are waited for.

use super::ask::Call;
use super::response::Failure;
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// How long others are waited for once enough have answered.
const GRACE: Duration = Duration::from_millis(500);

/// Requests under way, each in a thread of its own. A thread that is late ends by itself, and nobody
/// reads its response.
pub(super) struct Requests<T> {
    receiver: Receiver<(usize, Result<T, Failure>)>,
    pending: Vec<usize>,
    deadline: Instant,
}

impl<T: Send + 'static> Requests<T> {
    /// Asks each of these.
    pub(super) fn start(
        calls: impl Iterator<Item = (usize, Call)>,
        deadline: Instant,
        question: impl Fn(&Call) -> Result<T, Failure> + Clone + Send + 'static,
    ) -> Requests<T> {
        let (sender, receiver) = mpsc::channel();
        let pending = calls.map(|(index, call)| {
            let (own, question) = (sender.clone(), question.clone());
            let started = std::thread::Builder::new().spawn(move || {
                // Nobody listens any more where this comes too late.
                let _ = own.send((index, question(&call)));
            });
            if let Err(error) = started {
                let failure = Failure::silent(format!("it was not asked: {error}"));
                // The receiver is below.
                let _ = sender.send((index, Err(failure)));
            }
            index
        });
        Requests {
            pending: pending.collect(),
            receiver,
            deadline,
        }
    }

    /// Takes responses until all are there, the time is up, or [`GRACE`] after `enough` of them counted,
    /// as `take` says.
    pub(super) fn gather(
        &mut self,
        enough: usize,
        mut take: impl FnMut(usize, Result<T, Failure>) -> bool,
    ) {
        let mut counted = 0;
        let mut until = self.deadline;
        while !self.pending.is_empty() {
            if counted >= enough {
                // The earliest stands: what comes meanwhile does not put it off.
                until = until.min(Instant::now() + GRACE);
            }
            let left = until.saturating_duration_since(Instant::now());
            let Ok((index, response)) = self.receiver.recv_timeout(left) else {
                return;
            };
            self.pending.retain(|pending| *pending != index);
            counted += usize::from(take(index, response));
        }
    }

    /// Whether some may still answer in time.
    pub(super) fn has_time(&self) -> bool {
        !self.pending.is_empty() && Instant::now() < self.deadline
    }

    /// Those that have not answered.
    pub(super) fn pending(&self) -> impl Iterator<Item = usize> {
        self.pending.iter().copied()
    }
}
