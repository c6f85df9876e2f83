//! HTTP messages as the proxies take them: whole from one side, before anything goes to the other.

use crate::bitcoind::Result;
use std::io::BufRead;

/// One message, a request or an answer.
pub(crate) struct Message {
    /// Up to the empty line, which is part of it.
    pub(crate) head: Vec<u8>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// Reads the next one; `None` where the other side has hung up.
    pub(crate) fn read(from: &mut impl BufRead) -> Result<Option<Message>> {
        let mut head = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            head.extend_from_slice(line.as_bytes());
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse()?;
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        from.read_exact(&mut body)?;
        Ok(Some(Message { head, body }))
    }

    /// An answer of our own.
    pub(crate) fn answer(status: u16, body: Vec<u8>) -> Message {
        let length = body.len();
        let head = format!("HTTP/1.1 {status} Proxy\r\ncontent-length: {length}\r\n\r\n");
        Message {
            head: head.into_bytes(),
            body,
        }
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        [&self.head[..], &self.body].concat()
    }
}
