//! Compact JSON with the members of its objects in the order of RFC 8785 §3.2.3, put there while it is written: events are a hundred
//! values each, and most of sealing one was to make a tree of it, or to read its text once more.
//!
//! serde_json writes integers, and escapes strings, as RFC 8785 §3.2.2 does; what is left to do is the order. Whatever else a
//! text has is not decided here.

use std::io;

use serde::Serialize;
use serde_json::ser::{CharEscape, CompactFormatter, Formatter, Serializer};

use super::canonical::{CanonicalError, MAX_EXACT};

/// The text of `value`, its members in order, with room for so many bytes from the start; none where the order is not plainly that
/// of the keys' bytes (escapes, other than ASCII, the same key twice), or where somebody else wrote a part of it.
///
/// # Errors
/// What is not JSON, and a number that canonical JSON would round.
pub(super) fn ordered(
    value: &(impl Serialize + ?Sized),
    room: usize,
) -> Result<Option<String>, CanonicalError> {
    let mut ordered = Ordered {
        out: Vec::with_capacity(room),
        spare: Vec::with_capacity(room),
        objects: Vec::with_capacity(8),
        members: Vec::with_capacity(32),
        ..Ordered::default()
    };
    let written = value.serialize(&mut Serializer::with_formatter(io::sink(), &mut ordered));
    if let Some(number) = ordered.inexact {
        return Err(CanonicalError::InexactNumber(number));
    }
    written?;
    Ok((!ordered.doubtful)
        .then(|| String::from_utf8(ordered.out).ok())
        .flatten())
}

/// Refuses what is no integer within ±(2^53 − 1).
pub(super) fn check_number(token: &str) -> Result<(), CanonicalError> {
    let digits = token.strip_prefix('-').unwrap_or(token);
    let exact = digits
        .parse::<u64>()
        .is_ok_and(|magnitude| magnitude <= MAX_EXACT);
    if exact {
        Ok(())
    } else {
        Err(CanonicalError::InexactNumber(token.to_owned()))
    }
}

/// What was written so far. serde_json tells it what comes next, and the writer that it brings along gets nothing.
#[derive(Default)]
struct Ordered {
    out: Vec<u8>,
    /// Where members are put in order, kept for the next time.
    spare: Vec<u8>,
    /// The objects that are open, outermost first.
    objects: Vec<Object>,
    /// Their members, of the outermost first.
    members: Vec<Member>,
    /// A key is being written: its digits are no number.
    key: bool,
    /// The order is not plain, or the text is not all ours.
    doubtful: bool,
    /// The number that ended it.
    inexact: Option<String>,
}

/// Where an object's first member begins, in bytes, and how many members others have.
#[derive(Clone, Copy)]
struct Object {
    begin: usize,
    others: usize,
}

/// Where a member begins, where its key with its quotes ends, and where its value does.
#[derive(Clone, Copy, Default)]
struct Member {
    from: usize,
    key: usize,
    to: usize,
}

impl Ordered {
    fn push(&mut self, text: &[u8]) -> io::Result<()> {
        self.out.extend_from_slice(text);
        Ok(())
    }

    /// A number of so many bytes was written.
    fn number(&mut self, from: usize) -> io::Result<()> {
        if self.key {
            return Ok(());
        }
        let token = self.out.get(from..).unwrap_or_default();
        let token = String::from_utf8_lossy(token);
        if check_number(&token).is_err() {
            self.inexact = Some(token.into_owned());
            return Err(io::Error::other("inexact number"));
        }
        Ok(())
    }

    /// Writes the members of the object again, in order, if they are not.
    fn put_in_order(&mut self, Object { begin, others }: Object) {
        let out = &self.out;
        let key = |member: &Member| out.get(member.from..member.key).unwrap_or_default();
        let members = self.members.get_mut(others..).unwrap_or_default();
        let follow = |one: &Member, next: &Member| key(one) < key(next);
        if members.is_sorted_by(follow) {
            return;
        }
        members.sort_unstable_by(|one, next| key(one).cmp(key(next)));
        self.doubtful |= !members.is_sorted_by(follow);
        self.spare.clear();
        for member in members {
            if !self.spare.is_empty() {
                self.spare.push(b',');
            }
            let written = out.get(member.from..member.to);
            self.spare.extend_from_slice(written.unwrap_or_default());
        }
        self.out.truncate(begin);
        self.out.extend_from_slice(&self.spare);
    }
}

/// Whether a key, with its quotes, is ordered by its bytes as it would be by UTF-16: ASCII, and nothing escaped. The closing
/// quote comes before every other byte of such a key.
fn is_plain(key: &[u8]) -> bool {
    key.iter()
        .all(|byte| matches!(byte, b'"' | b'0'..=b'9' | b'A'..=b'Z' | b'_' | b'a'..=b'z'))
}

/// Numbers, as serde_json writes them.
macro_rules! numbers {
    ($($write:ident $number:ty),*) => {
        $(fn $write<W: ?Sized + io::Write>(&mut self, _: &mut W, value: $number) -> io::Result<()> {
            let from = self.out.len();
            CompactFormatter.$write(&mut self.out, value)?;
            self.number(from)
        })*
    };
}

/// What stands between values, always the same.
macro_rules! signs {
    ($($write:ident $sign:literal),*) => {
        $(fn $write<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
            self.push($sign)
        })*
    };
}

impl Formatter for &mut Ordered {
    numbers!(
        write_i8 i8, write_i16 i16, write_i32 i32, write_i64 i64, write_i128 i128,
        write_u8 u8, write_u16 u16, write_u32 u32, write_u64 u64, write_u128 u128,
        write_f32 f32, write_f64 f64
    );

    signs!(
        write_null b"null", begin_string b"\"", end_string b"\"",
        begin_array b"[", end_array b"]", begin_object_value b":"
    );

    fn write_bool<W: ?Sized + io::Write>(&mut self, _: &mut W, value: bool) -> io::Result<()> {
        self.push(if value { b"true" } else { b"false" })
    }

    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        _: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        self.push(fragment.as_bytes())
    }

    fn write_char_escape<W: ?Sized + io::Write>(
        &mut self,
        _: &mut W,
        escape: CharEscape,
    ) -> io::Result<()> {
        CompactFormatter.write_char_escape(&mut self.out, escape)
    }

    /// Digits in a spelling of somebody else's.
    fn write_number_str<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        digits: &str,
    ) -> io::Result<()> {
        self.write_raw_fragment(writer, digits)
    }

    fn write_raw_fragment<W: ?Sized + io::Write>(
        &mut self,
        _: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        self.doubtful = true;
        self.push(fragment.as_bytes())
    }

    fn begin_array_value<W: ?Sized + io::Write>(
        &mut self,
        _: &mut W,
        first: bool,
    ) -> io::Result<()> {
        self.push(if first { b"" } else { b"," })
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.out.push(b'{');
        self.objects.push(Object {
            begin: self.out.len(),
            others: self.members.len(),
        });
        Ok(())
    }

    fn begin_object_key<W: ?Sized + io::Write>(
        &mut self,
        _: &mut W,
        first: bool,
    ) -> io::Result<()> {
        if !first {
            self.out.push(b',');
        }
        self.members.push(Member {
            from: self.out.len(),
            ..Member::default()
        });
        self.key = true;
        Ok(())
    }

    fn end_object_key<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        self.key = false;
        if let Some(member) = self.members.last_mut() {
            member.key = self.out.len();
            self.doubtful |= !self.out.get(member.from..).is_some_and(is_plain);
        }
        Ok(())
    }

    fn end_object_value<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        if let Some(member) = self.members.last_mut() {
            member.to = self.out.len();
        }
        Ok(())
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, _: &mut W) -> io::Result<()> {
        if let Some(object) = self.objects.pop() {
            self.put_in_order(object);
            self.members.truncate(object.others);
        }
        self.push(b"}")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{json, value::RawValue};

    use super::*;

    /// Members in an order that is not theirs, at every depth, and what else serde makes objects of.
    #[derive(Serialize)]
    #[serde(tag = "type", rename_all = "snake_case")]
    enum Event {
        Last { b: Vec<Inner>, a: i64, aa: bool },
    }

    #[derive(Serialize)]
    enum Inner {
        Struct { z: u8, a: Option<&'static str> },
        Newtype(BTreeMap<u64, ()>),
        Tuple((), f64),
        Unit,
    }

    #[test]
    fn members_are_put_in_order_at_every_depth() {
        let event = Event::Last {
            b: vec![
                Inner::Struct {
                    z: 1,
                    a: Some("}\",\n"),
                },
                Inner::Newtype(BTreeMap::from([(9, ()), (10, ()), (u64::MAX, ())])),
                Inner::Tuple((), f64::NAN),
                Inner::Unit,
            ],
            a: -5,
            aa: true,
        };
        assert_eq!(
            ordered(&event, 0).unwrap().unwrap(),
            r#"{"a":-5,"aa":true,"b":[{"Struct":{"a":"}\",\n","z":1}},{"Newtype":{"10":null,"18446744073709551615":null,"9":null}},{"Tuple":[null,null]},"Unit"],"type":"last"}"#
        );
        for value in [json!({}), json!([]), json!([{}, [], {"a": {}}]), json!("")] {
            assert_eq!(ordered(&value, 9).unwrap(), Some(value.to_string()));
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        struct Twice;
        impl Serialize for Twice {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_map([("a", 1), ("a", 2)])
            }
        }
        assert_eq!(ordered(&Twice, 0).unwrap(), None);
        let raw = RawValue::from_string("{\"b\":1, \"a\":-0}".to_owned()).unwrap();
        assert_eq!(ordered(&[raw], 0).unwrap(), None);
        for key in ["é", "a\"", "a b", "\n", "a-b"] {
            let value = json!([{ key: 1 }]);
            assert_eq!(ordered(&value, 0).unwrap(), None, "{value}");
        }
    }

    #[test]
    fn a_number_is_an_exact_integer() {
        for (number, text) in [
            (0_i64, "0"),
            (9_007_199_254_740_991, "9007199254740991"),
            (-9_007_199_254_740_991, "-9007199254740991"),
        ] {
            assert_eq!(
                ordered(&[number], 0).unwrap(),
                Some(format!("[{text}]")),
                "{text}"
            );
        }
        for inexact in [
            ordered(&9_007_199_254_740_992_u64, 0),
            ordered(&-9_007_199_254_740_992_i128, 0),
            ordered(&[1.0], 0),
            ordered(&1e300, 0),
            ordered(&json!({"a": [0.5_f32]}), 0),
        ] {
            assert!(
                matches!(inexact, Err(CanonicalError::InexactNumber(_))),
                "{inexact:?}"
            );
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        let keyed = BTreeMap::from([(vec![1_u8], 1)]);
        assert!(matches!(ordered(&keyed, 0), Err(CanonicalError::Json(_))));
    }
}
