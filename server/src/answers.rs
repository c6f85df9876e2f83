//! Finished answers of one tip, for the names that many ask for.

use crate::accept::Format;
use axum::body::Bytes;
use std::hash::{BuildHasher as _, RandomState};

/// The most that one place takes: 1 KiB. A target and its answer have some 500 bytes.
const MOST: usize = 1 << 10;

/// A table in which each question has one place, and takes it from whichever was there before.
///
/// So it needs no record of what was used when, and cannot grow. What many ask for is soon back in its
/// place, and what nobody asks for again is forgotten. Its hash has a secret of its own: nobody can
/// choose names that push another one out.
pub(crate) struct Answers {
    places: Box<[Option<Kept>]>,
    hasher: RandomState,
}

struct Kept {
    target: Box<str>,
    format: Format,
    body: Bytes,
}

impl Answers {
    /// A table of so many places, each of 1 KiB at most.
    pub(crate) fn new(places: usize) -> Answers {
        Answers {
            places: std::iter::repeat_with(|| None).take(places).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The answer to a path and query in a form.
    pub(crate) fn get(&self, target: &str, format: Format) -> Option<Bytes> {
        let kept = self.places.get(self.place(target, format)?)?.as_ref()?;
        (kept.format == format && *kept.target == *target).then(|| kept.body.clone())
    }

    /// Keeps an answer, unless it is a very long one.
    pub(crate) fn keep(&mut self, target: &str, format: Format, body: &Bytes) {
        if target.len() + body.len() > MOST {
            return;
        }
        let place = self.place(target, format);
        if let Some(place) = place.and_then(|place| self.places.get_mut(place)) {
            *place = Some(Kept {
                target: target.into(),
                format,
                body: body.clone(),
            });
        }
    }

    fn place(&self, target: &str, format: Format) -> Option<usize> {
        let hash = self.hasher.hash_one((target, format));
        (hash as usize).checked_rem(self.places.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_kept_for_its_target_and_form_until_another_takes_its_place() {
        let mut answers = Answers::new(1);
        let one = Bytes::from_static(b"one");
        answers.keep("/a", Format::Json, &one);
        assert_eq!(answers.get("/a", Format::Json), Some(one));
        assert_eq!(answers.get("/a", Format::Text), None);
        assert_eq!(answers.get("/b", Format::Json), None);
        answers.keep("/b", Format::Text, &Bytes::from_static(b"two"));
        assert_eq!(answers.get("/a", Format::Json), None);
        assert!(answers.get("/b", Format::Text).is_some());
    }

    #[test]
    fn what_is_very_long_is_not_kept() {
        let mut answers = Answers::new(8);
        let long = Bytes::from(vec![b'x'; MOST]);
        answers.keep("/a", Format::Json, &long);
        assert_eq!(answers.get("/a", Format::Json), None);
        assert_eq!(Answers::new(0).get("/a", Format::Json), None);
    }
}
