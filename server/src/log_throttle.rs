//! Lines of the log that a flood of requests would repeat: written once a minute, with a count.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const PAUSE: Duration = Duration::from_secs(60);

/// Decides which of many equal lines is written.
#[derive(Debug, Default)]
pub(crate) struct LogThrottle(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    written: Option<Instant>,
    left_out: u64,
}

impl LogThrottle {
    /// Counts one, and gives the number of those that nobody was told of yet, this one included,
    /// where it is time for a line.
    pub(crate) fn count(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.left_out += 1;
        if let Some(written) = state.written
            && now.saturating_duration_since(written) < PAUSE
        {
            return None;
        }
        state.written = Some(now);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_a_minute_counts_those_between() {
        let throttle = LogThrottle::default();
        let start = Instant::now();
        let after = |seconds| throttle.count(start + Duration::from_secs(seconds));
        assert_eq!(after(0), Some(1));
        assert_eq!([after(0), after(1), after(59)], [None; 3]);
        assert_eq!(after(60), Some(4));
        assert_eq!(after(119), None);
        assert_eq!(after(1000), Some(2));
    }
}
