//! Service and name, the two labels of a record (protocol, Records).

use core::fmt;
use core::hash::Hash;
use core::str::FromStr;

/// A text of 1 to `MAX` bytes: `a`-`z`, `0`-`9`, and single hyphens between them.
///
/// Labels are ordered as their bytes are.
// The zeros behind a shorter label sort before every byte a label can have, so the derived order is
// that of the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Label<const MAX: usize> {
    bytes: [u8; MAX],
    len: u8,
}

/// The service a name belongs to: a label of 1 to 14 bytes.
pub type Service = Label<14>;

/// A name within a service: a label of 1 to 36 bytes, and less where the service is long
/// ([`QualifiedName`]).
pub type Name = Label<36>;

/// Why a text is not a label, or not a name of its service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameError {
    /// There is nothing.
    Empty,
    /// More than `max` bytes.
    TooLong {
        /// The most that fit.
        max: usize,
    },
    /// A character that no label has.
    Character {
        /// Its offset in bytes, from 0.
        at: usize,
        /// The character.
        character: char,
    },
    /// A hyphen at the start, at the end, or after another.
    Hyphen {
        /// Its offset in bytes, from 0.
        at: usize,
    },
    /// Text that begins with `@` and is not `@service!name`.
    Form,
}

impl NameError {
    /// Offset in bytes, from 0, of what is wrong; for a text that is too long, of the first byte
    /// that does not fit.
    pub fn at(&self) -> usize {
        match *self {
            NameError::Empty | NameError::Form => 0,
            NameError::TooLong { max } => max,
            NameError::Character { at, .. } | NameError::Hyphen { at } => at,
        }
    }

    fn moved(self, by: usize) -> NameError {
        match self {
            NameError::Character { at, character } => NameError::Character {
                at: at + by,
                character,
            },
            NameError::Hyphen { at } => NameError::Hyphen { at: at + by },
            other => other,
        }
    }
}

impl fmt::Display for NameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NameError::Empty => f.write_str("it is empty"),
            NameError::TooLong { max } => write!(f, "it is longer than {max} characters"),
            NameError::Character { at, character } if character.is_ascii_uppercase() => write!(
                f,
                "'{character}' at position {} is upper case, and names are lower case",
                at + 1
            ),
            NameError::Character { at, character } => write!(
                f,
                "'{}' at position {} is none of a-z, 0-9 and '-'",
                character.escape_debug(),
                at + 1
            ),
            NameError::Hyphen { at } => write!(
                f,
                "the hyphen at position {} does not stand alone between letters or digits",
                at + 1
            ),
            NameError::Form => f.write_str("what begins with '@' is written @service!name"),
        }
    }
}

impl core::error::Error for NameError {}

impl<const MAX: usize> Label<MAX> {
    /// The label as text.
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..usize::from(self.len)).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Bytes of the label, 1 to `MAX`.
    #[expect(clippy::len_without_is_empty, reason = "a label is never empty")]
    pub fn len(&self) -> usize {
        usize::from(self.len)
    }
}

impl<const MAX: usize> FromStr for Label<MAX> {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let mut hyphen_allowed = false;
        for (at, character) in text.char_indices() {
            match character {
                'a'..='z' | '0'..='9' => hyphen_allowed = true,
                '-' if hyphen_allowed => hyphen_allowed = false,
                '-' => return Err(NameError::Hyphen { at }),
                _ => return Err(NameError::Character { at, character }),
            }
        }
        if text.is_empty() {
            return Err(NameError::Empty);
        }
        if !hyphen_allowed {
            return Err(NameError::Hyphen { at: text.len() - 1 });
        }
        let mut bytes = [0; MAX];
        bytes
            .get_mut(..text.len())
            .ok_or(NameError::TooLong { max: MAX })?
            .copy_from_slice(text.as_bytes());
        let len = u8::try_from(text.len()).map_err(|_| NameError::TooLong { max: MAX })?;
        Ok(Label { bytes, len })
    }
}

impl<const MAX: usize> fmt::Display for Label<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<const MAX: usize> fmt::Debug for Label<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A service and a name of it: what the registry is keyed by, ordered by service, then name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QualifiedName {
    service: Service,
    name: Name,
}

impl QualifiedName {
    /// The most bytes that a service and a name have together: a record of 80 bytes less `@`, two
    /// `!` and 40 digits.
    pub const MAX_LABELS: usize = 37;

    /// Joins the two, if the claim of the name fits in a record.
    ///
    /// # Errors
    /// [`NameError::TooLong`], with the most that a name of this service can have.
    pub fn new(service: Service, name: Name) -> Result<QualifiedName, NameError> {
        if service.len() + name.len() > Self::MAX_LABELS {
            return Err(NameError::TooLong {
                max: Self::MAX_LABELS - service.len(),
            });
        }
        Ok(QualifiedName { service, name })
    }

    /// Reads a name of `service`.
    ///
    /// # Errors
    /// Where `name` is no label, or too long for a name of that service.
    pub fn in_service(service: Service, name: &str) -> Result<QualifiedName, NameError> {
        let max = Self::MAX_LABELS - service.len();
        // No service is so short that a label of a name's own length would be the narrower bound.
        let name = name.parse().map_err(|error| match error {
            NameError::TooLong { .. } => NameError::TooLong { max },
            other => other,
        })?;
        Self::new(service, name)
    }

    /// Reads what a user writes: `name`, which is then of `default`, or `@service!name`.
    ///
    /// # Errors
    /// Where it is neither. Offsets of characters and hyphens count from the start of `text`, lengths
    /// are those of the label.
    pub fn parse(text: &str, default: Service) -> Result<QualifiedName, NameError> {
        let Some(full) = text.strip_prefix('@') else {
            return Self::in_service(default, text);
        };
        let (service, name) = full.split_once('!').ok_or(NameError::Form)?;
        let behind = 1 + service.len() + 1;
        let service = service.parse().map_err(|e: NameError| e.moved(1))?;
        Self::in_service(service, name).map_err(|e| e.moved(behind))
    }

    /// The service.
    pub fn service(&self) -> &Service {
        &self.service
    }

    /// The name within the service.
    pub fn name(&self) -> &Name {
        &self.name
    }
}

impl fmt::Display for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "@{}!{}", self.service, self.name)
    }
}

impl fmt::Debug for QualifiedName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;

    fn service() -> Service {
        "gittorrent".parse().unwrap()
    }

    fn parse(text: &str) -> Result<QualifiedName, NameError> {
        QualifiedName::parse(text, service())
    }

    #[test]
    fn what_a_user_writes_is_a_name_of_the_default_service_or_says_its_own() {
        let name = parse("cjb").unwrap();
        assert_eq!((name.service(), name.name().as_str()), (&service(), "cjb"));
        assert_eq!(parse("@gittorrent!cjb"), Ok(name));
        assert_eq!(parse("@a!b").unwrap().to_string(), "@a!b");
        assert_eq!(
            format!("{name:?} {:?}", name.name()),
            "@gittorrent!cjb \"cjb\""
        );
        assert_eq!(format!("{:5}|", name.name()), "cjb  |");
        assert_eq!(parse("@gittorrent"), Err(NameError::Form));
        assert_eq!(parse(""), Err(NameError::Empty));
        assert_eq!(parse("@a!"), Err(NameError::Empty));
    }

    #[test]
    fn offsets_count_from_the_start_of_the_text() {
        let character = |at, character| Err(NameError::Character { at, character });
        assert_eq!(parse("cjB"), character(2, 'B'));
        assert_eq!(parse("@aB!c"), character(2, 'B'));
        assert_eq!(parse("@ab!cD"), character(5, 'D'));
        assert_eq!(parse("@a-!c"), Err(NameError::Hyphen { at: 2 }));
        assert_eq!(parse("@a!-c"), Err(NameError::Hyphen { at: 3 }));
        assert_eq!(parse("@a!b!c"), character(4, '!'));
    }

    #[test]
    fn a_length_is_that_of_the_label() {
        let long = "b".repeat(37);
        assert_eq!(parse(&long), Err(NameError::TooLong { max: 27 }));
        assert_eq!(
            parse(&format!("@a!{long}")),
            Err(NameError::TooLong { max: 36 })
        );
        assert_eq!(
            parse(&format!("@{}!b", "a".repeat(15))),
            Err(NameError::TooLong { max: 14 })
        );
        assert_eq!("b".repeat(36).parse::<Name>().unwrap().len(), 36);
        assert_eq!(long.parse::<Name>(), Err(NameError::TooLong { max: 36 }));
        let name: Name = "b".repeat(28).parse().unwrap();
        assert_eq!(name.len(), 28);
        assert_eq!(
            QualifiedName::new(service(), name),
            Err(NameError::TooLong { max: 27 })
        );
    }

    #[test]
    fn errors_say_where() {
        let at = |error: NameError| (error.at(), error.to_string());
        let told = |text: &str| at(parse(text).unwrap_err());
        assert_eq!(told(""), (0, "it is empty".into()));
        assert_eq!(
            told(&"b".repeat(28)),
            (27, "it is longer than 27 characters".into())
        );
        assert_eq!(
            told("cJb"),
            (
                1,
                "'J' at position 2 is upper case, and names are lower case".into()
            )
        );
        assert_eq!(
            told("c\nb"),
            (1, "'\\n' at position 2 is none of a-z, 0-9 and '-'".into())
        );
        assert_eq!(
            told("cj-"),
            (
                2,
                "the hyphen at position 3 does not stand alone between letters or digits".into()
            )
        );
        assert_eq!(
            told("@cjb"),
            (0, "what begins with '@' is written @service!name".into())
        );
    }

    #[test]
    fn labels_are_ordered_as_their_bytes() {
        let label = |text: &str| -> Name { text.parse().unwrap() };
        let ordered = ["0", "a", "a-b", "a0", "aa", "ab", "b"];
        assert!(ordered.map(label).is_sorted());
    }
}
