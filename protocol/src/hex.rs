//! Lower-case hex, as records and answers write it.

use core::fmt;

/// Why a text is not the hex form of a fixed number of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HexError {
    /// The text has `found` bytes where `expected` digits belong.
    Length {
        /// Hex digits wanted: two a byte.
        expected: usize,
        /// Bytes of text given.
        found: usize,
    },
    /// The byte at this offset (from 0) is not one of `0`-`9`, `a`-`f`.
    Digit {
        /// Offset in bytes, from 0.
        at: usize,
    },
}

impl fmt::Display for HexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HexError::Length { expected, found } => {
                write!(
                    f,
                    "{expected} hex digits are needed, not {found} characters"
                )
            }
            HexError::Digit { at } => {
                write!(f, "character {} is not a lower-case hex digit", at + 1)
            }
        }
    }
}

impl core::error::Error for HexError {}

/// What a byte is worth as a digit; `NONE` where it is none.
#[expect(
    clippy::indexing_slicing,
    reason = "worked out when this is compiled, and a byte has 256 values"
)]
const VALUES: [u8; 256] = {
    let mut values = [NONE; 256];
    let mut digits: &[u8] = b"0123456789abcdef";
    let mut value = 0;
    while let [digit, rest @ ..] = digits {
        values[*digit as usize] = value;
        value += 1;
        digits = rest;
    }
    values
};
const NONE: u8 = 0xff;

fn value(digit: u8) -> u8 {
    VALUES.get(usize::from(digit)).copied().unwrap_or(NONE)
}

/// Reads exactly `N` bytes from `2 * N` lower-case digits; upper case never parses.
pub(crate) fn decode<const N: usize>(text: &[u8]) -> Result<[u8; N], HexError> {
    if text.len() != 2 * N {
        return Err(HexError::Length {
            expected: 2 * N,
            found: text.len(),
        });
    }
    let mut bytes = [0; N];
    let mut all = 0;
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        for digit in pair {
            let value = value(*digit);
            all |= value;
            *byte = (*byte << 4) | (value & 15);
        }
    }
    match all {
        0..=15 => Ok(bytes),
        _ => Err(HexError::Digit {
            at: text
                .iter()
                .position(|digit| value(*digit) == NONE)
                .unwrap_or_default(),
        }),
    }
}

pub(crate) fn write(bytes: impl IntoIterator<Item = u8>, out: &mut dyn fmt::Write) -> fmt::Result {
    for byte in bytes {
        out.write_char(digit(byte >> 4))?;
        out.write_char(digit(byte & 15))?;
    }
    Ok(())
}

fn digit(nibble: u8) -> char {
    char::from(match nibble {
        0..=9 => b'0' + nibble,
        _ => b'a' - 10 + nibble,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn reads_digits_and_says_which_is_wrong() {
        assert_eq!(decode::<2>(b"09af"), Ok([0x09, 0xaf]));
        assert_eq!(decode::<2>(b"0/af"), Err(HexError::Digit { at: 1 }));
        assert_eq!(decode::<2>(b"09a:"), Err(HexError::Digit { at: 3 }));
        assert_eq!(decode::<2>(b"09`f"), Err(HexError::Digit { at: 2 }));
        assert_eq!(decode::<2>(b"09ag"), Err(HexError::Digit { at: 3 }));
        assert_eq!(decode::<2>(b"09aF"), Err(HexError::Digit { at: 3 }));
        assert_eq!(
            decode::<2>(b"09af0"),
            Err(HexError::Length {
                expected: 4,
                found: 5
            })
        );
    }

    #[test]
    fn errors_say_which() {
        let told = |text: &[u8]| decode::<2>(text).unwrap_err().to_string();
        assert_eq!(told(b"0"), "4 hex digits are needed, not 1 characters");
        assert_eq!(
            decode::<20>(b"").unwrap_err().to_string(),
            "40 hex digits are needed, not 0 characters"
        );
        assert_eq!(told(b"00x0"), "character 3 is not a lower-case hex digit");
    }
}
