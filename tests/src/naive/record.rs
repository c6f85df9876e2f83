//! Records and commitments, from their bytes.

use sha2::{Digest as _, Sha256};

#[derive(Debug, Clone, PartialEq)]
pub enum Record {
    /// Service, then commitment.
    Reserve(String, [u8; 32]),
    /// Service and name, then key.
    Name((String, String), Vec<u8>),
}

/// H1 and H2.
pub fn commitment(name: &(String, String), key: &[u8], script: &[u8]) -> [u8; 32] {
    let tag = Sha256::digest(b"atname/reserve");
    let mut message = [tag, tag].concat();
    message.extend(format!("@{}!{}!", name.0, name.1).bytes());
    for byte in key {
        message.extend(format!("{byte:02x}").bytes());
    }
    message.extend(script);
    Sha256::digest(message).into()
}

/// R1 to R4.
pub fn record(script: &[u8]) -> Option<Record> {
    let data = match script.len() {
        3..=77 if script[1] as usize == script.len() - 2 => &script[2..],
        79..=83 if script[1] == 0x4c && script[2] as usize == script.len() - 3 => &script[3..],
        _ => return None,
    };
    if script[0] != 0x6a || data.is_empty() || data[0] != b'@' {
        return None;
    }
    let text = String::from_utf8(data[1..].to_vec()).ok()?;
    let parts: Vec<&str> = text.split('!').collect();
    if parts[0].len() > 14 || !is_label(parts[0]) {
        return None;
    }
    let service = parts[0].to_owned();
    match parts[..] {
        [_, digits] => Some(Record::Reserve(
            service,
            bytes(digits, 32)?.try_into().unwrap(),
        )),
        [_, name, digits] if is_label(name) => {
            Some(Record::Name((service, name.to_owned()), bytes(digits, 20)?))
        }
        _ => None,
    }
}

/// L1 and L2.
fn is_label(text: &str) -> bool {
    let mut good = !text.is_empty() && !text.starts_with('-') && !text.ends_with('-');
    good &= !text.contains("--");
    good && text
        .bytes()
        .all(|b| b"abcdefghijklmnopqrstuvwxyz0123456789-".contains(&b))
}

fn bytes(digits: &str, count: usize) -> Option<Vec<u8>> {
    let mut values = vec![];
    for digit in digits.bytes() {
        values.push(b"0123456789abcdef".iter().position(|d| *d == digit)? as u8);
    }
    let pairs: Vec<u8> = values
        .chunks(2)
        .map(|pair| pair[0] * 16 + pair[pair.len() - 1])
        .collect();
    (values.len() == 2 * count).then_some(pairs)
}
