//! The field `Forwarded` (RFC 7239 §4), read as strictly as its grammar: tokens, quoted strings with their quoted pairs, and
//! nothing that is left over.
//!
//! A proxy appends to what came. So a reader who is lenient about quotes lets the client swallow the proxy's own words with a
//! quote that it leaves open; here such a field has no reading at all.

use std::{borrow::Cow, iter::Peekable, str::CharIndices};

/// What one proxy says of the hop before it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Element<'a> {
    /// Whom it asks for: the value of `for`, without quotes.
    pub(super) node: Option<Cow<'a, str>>,
    /// `proto` is https.
    pub(super) secure: bool,
}

/// The elements of a line, from its left; none if any of it is out of form.
pub(super) fn elements(line: &str) -> Option<Vec<Element<'_>>> {
    let mut rest = Rest {
        line,
        chars: line.char_indices().peekable(),
    };
    let mut elements = Vec::new();
    loop {
        elements.push(rest.element()?);
        match rest.chars.next() {
            None => return Some(elements),
            Some((_, ',')) => {}
            Some(_) => return None,
        }
    }
}

/// What of a line is not read yet.
struct Rest<'a> {
    line: &'a str,
    chars: Peekable<CharIndices<'a>>,
}

impl<'a> Rest<'a> {
    /// `[ forwarded-pair ] *( ";" [ forwarded-pair ] )`, up to a comma or the end.
    fn element(&mut self) -> Option<Element<'a>> {
        let mut element = Element::default();
        let mut proto = None;
        loop {
            self.skip_spaces();
            if !self.is_at([',', ';']) {
                let name = self.token()?;
                self.chars.next_if(|(_, c)| *c == '=')?;
                let value = self.value()?;
                // "Each parameter MUST NOT occur more than once": of two, a proxy and this reader could take different ones.
                let told = match name {
                    name if name.eq_ignore_ascii_case("for") => element.node.replace(value),
                    name if name.eq_ignore_ascii_case("proto") => proto.replace(value),
                    _ => None,
                };
                if told.is_some() {
                    return None;
                }
                self.skip_spaces();
            }
            if self.chars.next_if(|(_, c)| *c == ';').is_none() {
                break;
            }
        }
        element.secure = proto.is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
        Some(element)
    }

    /// `value = token / quoted-string`.
    fn value(&mut self) -> Option<Cow<'a, str>> {
        if self.chars.next_if(|(_, c)| *c == '"').is_some() {
            self.quoted().map(Cow::Owned)
        } else {
            self.token().map(Cow::Borrowed)
        }
    }

    /// What follows an opening quote, with the closing one (RFC 9110 §5.6.4).
    fn quoted(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let (_, mut c) = self.chars.next()?;
            match c {
                '"' => return Some(text),
                '\\' => (_, c) = self.chars.next()?,
                _ => {}
            }
            if !matches!(c, '\t' | ' '..='~') {
                return None;
            }
            text.push(c);
        }
    }

    /// At least one of the characters that need no quotes (RFC 9110 §5.6.2).
    fn token(&mut self) -> Option<&'a str> {
        let (begin, _) = *self.chars.peek()?;
        while self.chars.next_if(|(_, c)| is_token(*c)).is_some() {}
        let end = self.chars.peek().map_or(self.line.len(), |(at, _)| *at);
        self.line.get(begin..end).filter(|token| !token.is_empty())
    }

    /// Whether one of these or the end comes next.
    fn is_at(&mut self, ends: [char; 2]) -> bool {
        self.chars.peek().is_none_or(|(_, c)| ends.contains(c))
    }

    /// Spaces around commas are the list's (RFC 9110 §5.6.1); proxies put them around semicolons too.
    fn skip_spaces(&mut self) {
        while self
            .chars
            .next_if(|(_, c)| matches!(c, ' ' | '\t'))
            .is_some()
        {}
    }
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(line: &str) -> Option<Vec<String>> {
        let node = |element: Element<'_>| element.node.unwrap_or_default().into_owned();
        Some(elements(line)?.into_iter().map(node).collect())
    }

    #[test]
    fn elements_pairs_and_quoted_pairs_are_read_as_the_grammar_has_them() {
        for (line, expected) in [
            ("for=192.0.2.43", vec!["192.0.2.43"]),
            (r#"For="[2001:db8::17]:4711""#, vec!["[2001:db8::17]:4711"]),
            (
                "for=192.0.2.60; proto=http;by=203.0.113.43 , for=a",
                vec!["192.0.2.60", "a"],
            ),
            (r#"for="1\92\".,;=";;x=y"#, vec![r#"192".,;="#]),
            (
                r#"for=10.1.2.3;x="\"", for=192.0.2.1"#,
                vec!["10.1.2.3", "192.0.2.1"],
            ),
            (r#"host="for=10.0.0.1, for=10.0.0.2";for=a"#, vec!["a"]),
            ("proto=https,", vec!["", ""]),
            (r#"for="""#, vec![""]),
            ("", vec![""]),
        ] {
            let expected: Vec<_> = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(nodes(line), Some(expected), "{line}");
        }
        let secure = elements("proto=HTTPS, proto=http, for=https").unwrap();
        assert_eq!(
            secure.iter().map(|e| e.secure).collect::<Vec<_>>(),
            [true, false, false]
        );
    }

    #[test]
    fn what_is_out_of_form_has_no_reading() {
        for line in [
            r#"for=10.1.2.3;x="\"", for=192.0.2.1""#,
            r#"for=10.1.2.3;x=", for=192.0.2.1"#,
            r#"for=10.1.2.3;x="\", for=192.0.2.1"#,
            r#"for="10.1.2.3"x, for=192.0.2.1"#,
            r#"x="a""b""#,
            r#"x=a"b""#,
            "for=10.1.2.3 for=192.0.2.1",
            "for=10.1.2.3;For=192.0.2.1",
            "proto=http;proto=https",
            "for =10.1.2.3",
            "for= 10.1.2.3",
            "for=",
            "=10.1.2.3",
            "for",
            "192.0.2.43",
            "for=[2001:db8::17]",
            "for=192.0.2.43:80",
            r"for=1\92",
            "x=\"\u{7f}\"",
            "x=\"\u{e4}\"",
        ] {
            assert_eq!(nodes(line), None, "{line}");
        }
    }
}
