//! PEM (RFC 7468): the text form of keys and certificates.

use base64ct::{Base64, Encoding};

use crate::secret::{Secret, SecretBuffer};

/// One block of a PEM file.
pub struct Block<'a> {
    /// `PRIVATE KEY`, `CERTIFICATE`.
    pub label: &'a str,
    /// It has a header of the older form of encryption (`Proc-Type: 4,ENCRYPTED`).
    pub encrypted: bool,
    /// What it holds; `None` where that is no base64.
    pub der: Option<Secret>,
}

/// The blocks of a PEM text, in its order. What stands between them is a comment.
pub fn blocks(text: &[u8]) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut open: Option<(&str, bool, SecretBuffer)> = None;
    for line in text.split(|b| matches!(b, b'\n' | b'\r')) {
        let line = line.trim_ascii();
        if let Some(label) = edge(line, b"-----BEGIN ") {
            open = Some((label, false, SecretBuffer::with_capacity(4096)));
        } else if let Some(label) = edge(line, b"-----END ") {
            if let Some((begun, encrypted, content)) = open.take()
                && begun == label
            {
                found.push(Block {
                    label,
                    encrypted,
                    der: decode(content.as_bytes()),
                });
            }
        } else if let Some((_, encrypted, content)) = &mut open {
            if line.contains(&b':') {
                *encrypted |= line.ends_with(b"ENCRYPTED");
            } else {
                content.push(line);
            }
        }
    }
    found
}

/// The label in a first or last line.
fn edge<'a>(line: &'a [u8], mark: &[u8]) -> Option<&'a str> {
    let label = line.strip_prefix(mark)?.strip_suffix(b"-----")?;
    std::str::from_utf8(label).ok()
}

fn decode(text: &[u8]) -> Option<Secret> {
    let text = std::str::from_utf8(text).ok()?;
    Base64::decode_vec(text).ok().map(Secret::new)
}

#[cfg(test)]
mod tests {
    use super::blocks;

    #[test]
    fn blocks_in_their_order() {
        let text = b"Bag Attributes\r\n-----BEGIN A B-----\r\nAQID\r\nBA==\r\n-----END A B-----\r\n\
                     -----BEGIN C-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES\n\nBQ==\n-----END C-----\n\
                     -----BEGIN D-----\n!\n-----END D-----\n-----BEGIN E-----\nAQ==\n-----END F-----\n-----BEGIN G-----";
        let found = blocks(text);
        let seen: Vec<_> = found
            .iter()
            .map(|b| (b.label, b.encrypted, b.der.as_ref().map(|der| der.expose())))
            .collect();
        assert_eq!(
            seen,
            [
                ("A B", false, Some(&[1, 2, 3, 4][..])),
                ("C", true, Some(&[5][..])),
                ("D", false, None),
            ]
        );
    }
}
