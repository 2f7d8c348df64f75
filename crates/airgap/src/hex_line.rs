//! Files of one line of hexadecimal: short values that a person may have to read, compare or type.

/// Lower-case hexadecimal and a line end.
pub(crate) fn write(bytes: &[u8]) -> Vec<u8> {
    let mut line = hex::encode(bytes).into_bytes();
    line.push(b'\n');
    line
}

/// Reads what [`write`] wrote; a missing line end is forgiven, since editors and people drop it.
pub(crate) fn read(line: &[u8]) -> Option<Vec<u8>> {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    lower_hex(std::str::from_utf8(line).ok()?)
}

/// Hexadecimal in lower case, the one spelling that is accepted.
pub(crate) fn lower_hex(text: &str) -> Option<Vec<u8>> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    hex::decode(text).ok()
}
