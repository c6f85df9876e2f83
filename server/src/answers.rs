//! A cache of finished answers at one tip, for the names that many ask for.

use crate::accept::Format;
use atname_protocol::QualifiedName;
use axum::body::Bytes;
use std::hash::{BuildHasher as _, RandomState};

/// The longest answer that is kept: 1 KiB. They have some 450 bytes.
const MOST: usize = 1 << 10;

/// A table in which each name and form has one place, and takes it from whichever was there before.
///
/// So it needs no record of what was used when, and cannot grow. What many ask for is soon back in its
/// place, and what nobody asks for again is forgotten. Its hash has a secret of its own: nobody can
/// choose names that push another one out.
pub(crate) struct Answers {
    places: Box<[Option<Kept>]>,
    hasher: RandomState,
}

struct Kept {
    name: QualifiedName,
    format: Format,
    body: Bytes,
}

impl Answers {
    /// A table of so many places, each of some 1 KiB at most.
    pub(crate) fn new(places: usize) -> Answers {
        Answers {
            places: std::iter::repeat_with(|| None).take(places).collect(),
            hasher: RandomState::new(),
        }
    }

    /// The answer about a name in a form.
    pub(crate) fn get(&self, name: &QualifiedName, format: Format) -> Option<Bytes> {
        let kept = self.places.get(self.place(name, format)?)?.as_ref()?;
        (kept.format == format && kept.name == *name).then(|| kept.body.clone())
    }

    /// Keeps an answer, unless it is a very long one.
    pub(crate) fn keep(&mut self, name: &QualifiedName, format: Format, body: &Bytes) {
        if body.len() > MOST {
            return;
        }
        let place = self.place(name, format);
        if let Some(place) = place.and_then(|place| self.places.get_mut(place)) {
            *place = Some(Kept {
                name: *name,
                format,
                body: body.clone(),
            });
        }
    }

    fn place(&self, name: &QualifiedName, format: Format) -> Option<usize> {
        let hash = self.hasher.hash_one((name, format));
        (hash as usize).checked_rem(self.places.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> QualifiedName {
        QualifiedName::parse(text, "gittorrent".parse().unwrap()).unwrap()
    }

    #[test]
    fn an_answer_is_kept_for_its_name_and_form_until_another_takes_its_place() {
        let mut answers = Answers::new(1);
        let one = Bytes::from_static(b"one");
        answers.keep(&name("a"), Format::Json, &one);
        assert_eq!(answers.get(&name("a"), Format::Json), Some(one));
        assert_eq!(answers.get(&name("a"), Format::Text), None);
        assert_eq!(answers.get(&name("b"), Format::Json), None);
        answers.keep(&name("b"), Format::Text, &Bytes::from_static(b"two"));
        assert_eq!(answers.get(&name("a"), Format::Json), None);
        assert!(answers.get(&name("b"), Format::Text).is_some());
    }

    #[test]
    fn what_is_very_long_is_not_kept() {
        let mut answers = Answers::new(8);
        let long = Bytes::from(vec![b'x'; MOST + 1]);
        answers.keep(&name("a"), Format::Json, &long);
        assert_eq!(answers.get(&name("a"), Format::Json), None);
        assert_eq!(Answers::new(0).get(&name("a"), Format::Json), None);
    }
}
