//! JSON texts of documents and events.

use serde::{Serialize, ser::Error as _};

/// The text of `value`, with room for so many bytes from the start: a text that outgrows its room is copied each time.
pub(crate) fn text(
    value: &(impl Serialize + ?Sized),
    room: usize,
) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::with_capacity(room);
    serde_json::to_writer(&mut bytes, value)?;
    String::from_utf8(bytes).map_err(serde_json::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_serde_json_writes_whatever_room_it_had() {
        let value = serde_json::json!({"é\n": [1, "\u{1f512}", null, {"a": 0.5}]});
        for room in [0, 1, 1_000] {
            assert_eq!(text(&value, room).unwrap(), value.to_string());
        }
        assert!(text(&std::collections::BTreeMap::from([(vec![1_u8], 1)]), 8).is_err());
    }
}
