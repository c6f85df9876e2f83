//! Records: the content of one `OP_RETURN` output (protocol, Records). Parsing is total.

use crate::commitment::Commitment;
use crate::hex;
use crate::key::Key;
use crate::label::{QualifiedName, Service};
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The opcode that begins a data output; a script that begins with it owns nothing.
pub const OP_RETURN: u8 = 0x6a;
const OP_PUSHDATA1: u8 = 0x4c;

/// The most bytes that a record has.
pub const MAX_SIZE: usize = 80;

/// What a transaction says to the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Record {
    /// `@service!` and 64 hex digits: a hash is published, and nobody knows of which name.
    Reserve {
        /// The service that the name will be of.
        service: Service,
        /// What the claim will have to open.
        commitment: Commitment,
    },
    /// `@service!name!` and 40 hex digits: a claim, or an update where the transaction spends the
    /// name's owner coin.
    Claim {
        /// Service and name.
        name: QualifiedName,
        /// The key that the name is to stand for.
        key: Key,
    },
}

/// The content of a script that is `OP_RETURN` and exactly one minimal push of 1 to 80 bytes.
pub fn payload(script: &[u8]) -> Option<&[u8]> {
    let (len, data) = match script {
        [OP_RETURN, len @ 1..=75, data @ ..] => (len, data),
        [OP_RETURN, OP_PUSHDATA1, len @ 76..=80, data @ ..] => (len, data),
        _ => return None,
    };
    (data.len() == usize::from(*len)).then_some(data)
}

impl Record {
    /// The record that an output with this script_pubkey holds, if it holds one.
    pub fn from_script(script: &[u8]) -> Option<Record> {
        payload(script).and_then(Record::parse)
    }

    /// Reads the bytes of a record; upper case and anything left over never parse. What parses has at
    /// most [`MAX_SIZE`] bytes, since labels and digits are bounded.
    pub fn parse(bytes: &[u8]) -> Option<Record> {
        let text = core::str::from_utf8(bytes).ok()?;
        let (service, rest) = text.strip_prefix('@')?.split_once('!')?;
        let service = service.parse().ok()?;
        match rest.split_once('!') {
            None => Some(Record::Reserve {
                service,
                commitment: rest.parse().ok()?,
            }),
            Some((name, key)) => Some(Record::Claim {
                name: QualifiedName::in_service(service, name).ok()?,
                key: key.parse().ok()?,
            }),
        }
    }

    /// The script_pubkey of the output that holds the record: at most 83 bytes.
    pub fn to_script(&self) -> Vec<u8> {
        let text: String = self.to_string();
        let mut script = Vec::with_capacity(3 + text.len());
        script.push(OP_RETURN);
        if text.len() > 75 {
            script.push(OP_PUSHDATA1);
        }
        // A label is at most 50 bytes and the digits at most 64: a record is never over 80.
        script.push(text.len() as u8);
        script.extend_from_slice(text.as_bytes());
        script
    }
}

impl fmt::Display for Record {
    /// Writes the bytes of the record, all ASCII.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Record::Reserve {
                service,
                commitment,
            } => {
                write!(f, "@{service}!")?;
                hex::write(*commitment.as_bytes(), f)
            }
            Record::Claim { name, key } => {
                write!(f, "{name}!")?;
                hex::write(*key.as_bytes(), f)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    #[test]
    fn the_longest_records_fill_the_script() {
        let commitment = Commitment::from_bytes([0xab; 32]);
        let service: Service = "a".repeat(14).parse().unwrap();
        let reserve = Record::Reserve {
            service,
            commitment,
        };
        let claim = Record::Claim {
            name: QualifiedName::in_service(service, &"b".repeat(23)).unwrap(),
            key: Key::from_bytes([0xcd; Key::SIZE]),
        };
        for record in [reserve, claim] {
            assert_eq!(record.to_string().len(), MAX_SIZE);
            assert_eq!(record.to_script().len(), MAX_SIZE + 3);
            assert_eq!(Record::parse(record.to_string().as_bytes()), Some(record));
        }
    }

    #[test]
    fn a_payload_is_one_minimal_push() {
        let push = |head: &[u8], size: usize| [head, &vec![b'x'; size]].concat();
        for size in 1..=75 {
            assert_eq!(
                payload(&push(&[0x6a, size], size.into())),
                Some(&*vec![b'x'; size.into()])
            );
        }
        for size in 76..=80 {
            let script = push(&[0x6a, 0x4c, size], size.into());
            assert_eq!(payload(&script), Some(&*vec![b'x'; size.into()]));
        }
        for none in [
            push(&[0x6a, 0x00], 0),
            push(&[0x6a, 0x4c, 75], 75),
            push(&[0x6a, 0x4c, 81], 81),
            push(&[0x6a, 76], 76),
            push(&[0x6a, 0x4c, 0], 0),
        ] {
            assert_eq!(payload(&none), None, "{none:02x?}");
        }
    }
}
