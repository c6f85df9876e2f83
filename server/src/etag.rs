//! Entity tags: the tip's digest and the form of the answer, compared without a query.

use crate::accept::Format;
use axum::http::{HeaderMap, HeaderValue, header};
use std::fmt;
use std::num::NonZeroU32;

/// A weak entity tag (RFC 9110, 8.8.3).
///
/// It names no name: a client may only send it back to the path that it came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ETag(String);

impl ETag {
    /// The tag of an answer that follows from the registry at a digest and from its form. `form`
    /// holds letters, digits, `-` and `.` only.
    pub(crate) fn new(digest: impl fmt::Display, form: impl fmt::Display) -> ETag {
        ETag(format!("{digest}-{form}"))
    }

    /// The tag of what a name resolves to.
    pub(crate) fn of_name(
        tip: &atname_store::Tip,
        format: Format,
        depth: NonZeroU32,
        pending: bool,
    ) -> ETag {
        let pending = if pending { "-pending" } else { "" };
        let format = format.as_str();
        ETag::new(tip.digest, format_args!("{format}-{depth}{pending}"))
    }
}

impl ETag {
    /// The value of the header. There always is one, as [`ETag::new`] says what a form may hold.
    pub(crate) fn header(&self) -> Option<HeaderValue> {
        HeaderValue::try_from(self.to_string()).ok()
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "W/\"{}\"", self.0)
    }
}

/// What a request says in `If-None-Match` (RFC 9110, 13.1.2).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct IfNoneMatch(Vec<HeaderValue>);

impl IfNoneMatch {
    /// Takes all lines of it; what is no entity tag is passed over when they are read.
    pub(crate) fn new(headers: &HeaderMap) -> IfNoneMatch {
        let lines = headers.get_all(header::IF_NONE_MATCH);
        IfNoneMatch(lines.iter().cloned().collect())
    }

    fn lines(&self) -> impl Iterator<Item = &str> {
        let lines = self.0.iter().filter_map(|line| line.to_str().ok());
        lines.map(str::trim)
    }

    /// Whether it lists the tag. The comparison is the weak one: `W/` makes no difference.
    pub(crate) fn lists(&self, tag: &ETag) -> bool {
        // Between quotation marks a comma is part of the tag: every second piece is one.
        self.lines()
            .any(|line| line.split('"').skip(1).step_by(2).any(|t| t == tag.0))
    }

    /// Whether it is `*`: true of whatever there is an answer for.
    pub(crate) fn any(&self) -> bool {
        self.lines().any(|line| line == "*")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists(lines: &[&'static str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::IF_NONE_MATCH, HeaderValue::from_static(line));
        }
        IfNoneMatch::new(&headers).lists(&ETag::new("ab", "json-1"))
    }

    #[test]
    fn tags_are_compared_weakly_in_lists_over_lines() {
        assert_eq!(ETag::new("ab", "json-1").to_string(), "W/\"ab-json-1\"");
        assert!(lists(&["\"ab-json-1\""]));
        assert!(lists(&["W/\"ab-json-1\""]));
        assert!(lists(&["\"x\", W/\"a,b\" ,W/\"ab-json-1\""]));
        assert!(lists(&["\"x\"", "\"ab-json-1\""]));
        assert!(!lists(&[]));
        assert!(!lists(&["*"]));
        assert!(!lists(&["ab-json-1"]));
        assert!(!lists(&["\"ab-json-2\""]));
        assert!(!lists(&["\"x\"ab-json-1\"y\""]));
        assert!(!lists(&["\""]));
    }
}
