//! Compact JSON with the members of its objects in the order of RFC 8785 §3.2.3, without a tree of it: events are a hundred
//! values each, and most of sealing one was to allocate them.
//!
//! serde_json writes integers, and escapes strings, as RFC 8785 §3.2.2 does; what is left to do is the order. Whatever else a
//! text has is not decided here.

use memchr::memchr2;

use super::canonical::{CanonicalError, MAX_EXACT};

/// Deepest nesting that is looked into.
const DEEPEST: usize = 64;

/// The text, its members in order; none where the order is not plainly that of the keys' bytes (escapes, other than ASCII, the
/// same key twice), or the text is not as serde_json writes it.
///
/// # Errors
/// A number that canonical JSON would round.
pub(super) fn ordered(text: &str) -> Result<Option<String>, CanonicalError> {
    let mut walk = Walk {
        text,
        at: 0,
        out: String::with_capacity(text.len()),
        spare: String::with_capacity(text.len()),
        members: Vec::with_capacity(32),
    };
    Ok(match walk.value(0)? {
        Some(()) if walk.at == text.len() => Some(walk.out),
        _ => None,
    })
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

/// How far the text was read and written. What a method returns is none where it gives up.
struct Walk<'a> {
    text: &'a str,
    at: usize,
    out: String,
    /// Where members are put in order, kept for the next time.
    spare: String,
    /// The members of the objects that are open, outermost first.
    members: Vec<Member<'a>>,
}

/// A member, as it was written.
struct Member<'a> {
    key: &'a str,
    from: usize,
    to: usize,
}

impl<'a> Walk<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Passes one byte, if it is this one.
    fn pass(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        if is {
            self.at = self.at.saturating_add(1);
        }
        is
    }

    fn value(&mut self, depth: usize) -> Result<Option<()>, CanonicalError> {
        if depth > DEEPEST {
            return Ok(None);
        }
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => Ok(self.string().map(|string| self.out.push_str(string))),
            Some(b'-' | b'0'..=b'9') => {
                let number = self.token();
                check_number(number)?;
                // The one integer with two spellings.
                Ok((number != "-0").then(|| self.out.push_str(number)))
            }
            Some(_) => {
                let word = self.token();
                let known = matches!(word, "true" | "false" | "null");
                Ok(known.then(|| self.out.push_str(word)))
            }
            None => Ok(None),
        }
    }

    /// What stands up to the next comma or bracket: a number or a word.
    fn token(&mut self) -> &'a str {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let length = rest
            .bytes()
            .position(|byte| matches!(byte, b',' | b']' | b'}'))
            .unwrap_or(rest.len());
        self.at = self.at.saturating_add(length);
        rest.get(..length).unwrap_or_default()
    }

    /// A string with its quotes.
    fn string(&mut self) -> Option<&'a str> {
        let rest = self.text.get(self.at..)?;
        let mut looked = 1_usize;
        let end = loop {
            let found = memchr2(b'"', b'\\', rest.as_bytes().get(looked..)?)?;
            let at = looked.checked_add(found)?;
            if rest.as_bytes().get(at) == Some(&b'"') {
                break at;
            }
            // A backslash, and whatever it escapes.
            looked = at.checked_add(2)?;
        };
        let length = end.saturating_add(1);
        self.at = self.at.saturating_add(length);
        rest.get(..length)
    }

    fn array(&mut self, depth: usize) -> Result<Option<()>, CanonicalError> {
        self.pass(b'[');
        self.out.push('[');
        if !self.pass(b']') {
            loop {
                if self.value(depth.saturating_add(1))?.is_none() {
                    return Ok(None);
                }
                if self.pass(b',') {
                    self.out.push(',');
                } else if self.pass(b']') {
                    break;
                } else {
                    return Ok(None);
                }
            }
        }
        self.out.push(']');
        Ok(Some(()))
    }

    fn object(&mut self, depth: usize) -> Result<Option<()>, CanonicalError> {
        self.pass(b'{');
        self.out.push('{');
        let begin = self.out.len();
        let others = self.members.len();
        if !self.pass(b'}') {
            loop {
                let Some(key) = self.string().filter(|key| is_plain(key)) else {
                    return Ok(None);
                };
                let from = self.out.len();
                self.out.push_str(key);
                self.out.push(':');
                if !self.pass(b':') || self.value(depth.saturating_add(1))?.is_none() {
                    return Ok(None);
                }
                let to = self.out.len();
                self.members.push(Member { key, from, to });
                if self.pass(b',') {
                    self.out.push(',');
                } else if self.pass(b'}') {
                    break;
                } else {
                    return Ok(None);
                }
            }
        }
        if !self.put_in_order(begin, others) {
            return Ok(None);
        }
        self.members.truncate(others);
        self.out.push('}');
        Ok(Some(()))
    }

    /// Writes the members after the first `others` again, in order, if they are not; says whether they have an order.
    fn put_in_order(&mut self, begin: usize, others: usize) -> bool {
        let members = self.members.get_mut(others..).unwrap_or_default();
        let ordered = |members: &[Member<'_>]| members.is_sorted_by(|one, next| one.key < next.key);
        if ordered(members) {
            return true;
        }
        members.sort_unstable_by_key(|member| member.key);
        if !ordered(members) {
            return false;
        }
        self.spare.clear();
        for member in members {
            if !self.spare.is_empty() {
                self.spare.push(',');
            }
            let written = self.out.get(member.from..member.to);
            self.spare.push_str(written.unwrap_or_default());
        }
        self.out.truncate(begin);
        self.out.push_str(&self.spare);
        true
    }
}

/// Whether a key, with its quotes, is ordered by its bytes as it would be by UTF-16: ASCII, and nothing escaped. The closing
/// quote comes before every other byte of such a key but space and exclamation mark.
fn is_plain(key: &str) -> bool {
    key.bytes()
        .all(|byte| matches!(byte, b'"' | b'0'..=b'9' | b'A'..=b'Z' | b'_' | b'a'..=b'z'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_put_in_order_at_every_depth() {
        let text = r#"{"type":"x","b":[{"z":1,"a":{"d":"}\",","c":null}},[],{}],"a":-5,"aa":true}"#;
        assert_eq!(
            ordered(text).unwrap().unwrap(),
            r#"{"a":-5,"aa":true,"b":[{"a":{"c":null,"d":"}\","},"z":1},[],{}],"type":"x"}"#
        );
    }

    #[test]
    fn what_is_not_plain_is_left_to_others() {
        let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"é":1}"#,
            r#"{"a\"":1}"#,
            r#"{"a b":1}"#,
            r#"{"a": 1}"#,
            r#"{"a":1"#,
            r#"{"a"}"#,
            "[1 ]",
            "[1",
            "nil",
            "-0",
            "\"a",
            "\"a\\",
            "1]",
            "",
            &deep,
        ] {
            let ordered = ordered(text);
            assert!(matches!(ordered, Ok(None) | Err(_)), "{text}: {ordered:?}");
        }
    }

    #[test]
    fn a_number_is_an_exact_integer() {
        for number in ["0", "9007199254740991", "-9007199254740991"] {
            assert_eq!(ordered(number).unwrap().as_deref(), Some(number));
        }
        for number in ["9007199254740992", "-9007199254740992", "1.0", "1e3", "-"] {
            assert!(ordered(number).is_err(), "{number}");
        }
    }
}
