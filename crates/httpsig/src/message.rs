//! The parts of a request that a signature covers, checked for form before any of them is put into a signature base.
//!
//! Invariant: a [`Message`] that was made holds no line feed, and has one spelling for one meaning, so two different
//! requests never have the same signature base.

use crate::component::Component;
use crate::digest;
use crate::error::HttpSigError;

/// The longest body, in bytes: a bundle of a few hundred cold transactions with their previous ones.
pub const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// The longest path with query, in bytes.
pub const MAX_TARGET: usize = 2048;
/// The longest `Idempotency-Key`, in bytes.
pub const MAX_IDEMPOTENCY_KEY: usize = 255;
const MAX_METHOD: usize = 16;
const MAX_AUTHORITY: usize = 260;
const MAX_CONTENT_TYPE: usize = 128;
const MAX_CONTENT_DIGEST: usize = 128;

/// What of a request can be covered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Message<'a> {
    pub(crate) method: &'a str,
    pub(crate) authority: &'a str,
    pub(crate) target: &'a str,
    pub(crate) content_digest: Option<&'a str>,
    pub(crate) content_type: Option<&'a str>,
    pub(crate) idempotency_key: Option<&'a str>,
}

impl<'a> Message<'a> {
    /// Refuses parts out of form, and a `Content-Digest` that is not the body's.
    pub(crate) fn check(&self, body: &[u8]) -> Result<(), HttpSigError> {
        self.check_form()?;
        self.check_body(body)
    }

    /// As [`Message::check`], of a request whose body has not come yet.
    pub(crate) fn check_head(&self) -> Result<(), HttpSigError> {
        self.check_form()?;
        if let Some(sent) = self.content_digest {
            check_length("content-digest", sent.len(), MAX_CONTENT_DIGEST)?;
            digest::check_form(sent)?;
        }
        Ok(())
    }

    /// All but the digest, whose form is the body's to tell.
    fn check_form(&self) -> Result<(), HttpSigError> {
        check_method(self.method)?;
        check_authority(self.authority)?;
        check_target(self.target)?;
        if let Some(value) = self.content_type {
            check_field("content-type", value, MAX_CONTENT_TYPE, true)?;
        }
        if let Some(value) = self.idempotency_key {
            check_field("idempotency-key", value, MAX_IDEMPOTENCY_KEY, false)?;
        }
        Ok(())
    }

    /// Refuses a body without a digest, and one that is another's.
    pub(crate) fn check_body(&self, body: &[u8]) -> Result<(), HttpSigError> {
        check_length("body", body.len(), MAX_BODY_BYTES)?;
        if !body.is_empty() {
            for component in [Component::ContentDigest, Component::ContentType] {
                if self.value(component).is_none() {
                    return Err(HttpSigError::BodyWithout(component));
                }
            }
        }
        if let Some(sent) = self.content_digest {
            check_length("content-digest", sent.len(), MAX_CONTENT_DIGEST)?;
            digest::check(sent, body)?;
        }
        Ok(())
    }

    /// The component's value, or `None` if this request doesn't have it.
    pub(crate) fn value(&self, component: Component) -> Option<&'a str> {
        let query = self.target.find('?').unwrap_or(self.target.len());
        match component {
            Component::Method => Some(self.method),
            Component::Authority => Some(self.authority),
            Component::Path => self.target.get(..query),
            Component::Query => self.target.get(query..).filter(|text| !text.is_empty()),
            Component::ContentDigest => self.content_digest,
            Component::ContentType => self.content_type,
            Component::IdempotencyKey => self.idempotency_key,
        }
    }
}

pub(crate) fn check_length(
    part: &'static str,
    length: usize,
    limit: usize,
) -> Result<(), HttpSigError> {
    if length > limit {
        return Err(HttpSigError::TooLong {
            part,
            length,
            limit,
        });
    }
    Ok(())
}

fn check_method(method: &str) -> Result<(), HttpSigError> {
    check_length("method", method.len(), MAX_METHOD)?;
    if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Err(HttpSigError::Method(method.to_owned()));
    }
    Ok(())
}

/// RFC 9421 §2.2.3 normalises to lower case; here another case is refused, so that there is nothing to normalise.
fn check_authority(authority: &str) -> Result<(), HttpSigError> {
    check_length("authority", authority.len(), MAX_AUTHORITY)?;
    let allowed = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' | b':' | b'[' | b']');
    if authority.is_empty() || !authority.bytes().all(allowed) {
        return Err(HttpSigError::Authority(authority.to_owned()));
    }
    Ok(())
}

/// Origin form (RFC 9112 §3.2.1) of the characters of RFC 3986, the path normalised already: RFC 9421 §2.2.6 signs the
/// normalised path, and a router that normalises differently must not be led elsewhere.
fn check_target(target: &str) -> Result<(), HttpSigError> {
    check_length("target", target.len(), MAX_TARGET)?;
    let fault = |fault| {
        Err(HttpSigError::Target {
            target: target.to_owned(),
            fault,
        })
    };
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, query),
        None => (target, ""),
    };
    if !path.starts_with('/') {
        return fault("it does not begin with a slash");
    }
    if path
        .split('/')
        .any(|segment| segment == "." || segment == "..")
    {
        return fault("it has a dot segment");
    }
    if !path.bytes().all(|byte| is_pchar(byte) || byte == b'/')
        || !query
            .bytes()
            .all(|byte| is_pchar(byte) || matches!(byte, b'/' | b'?'))
    {
        return fault("it has a character that must be percent-encoded");
    }
    // The first piece stands before any percent sign.
    let mut escapes = target
        .split('%')
        .skip(1)
        .map(|rest| rest.get(..2).and_then(escaped));
    if escapes.any(|octet| octet.is_none_or(is_unreserved)) {
        return fault("it has a percent-encoding that is broken, lower-case or needless");
    }
    Ok(())
}

/// The octet of an upper-case escape.
fn escaped(digits: &str) -> Option<u8> {
    let upper = |byte: u8| matches!(byte, b'0'..=b'9' | b'A'..=b'F');
    digits
        .bytes()
        .all(upper)
        .then(|| u8::from_str_radix(digits, 16).ok())
        .flatten()
}

/// RFC 3986 §2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §3.3, the percent sign standing for an escape.
fn is_pchar(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@%".contains(&byte)
}

/// Visible ASCII, and single spaces inside where `spaces`.
fn check_field(
    field: &'static str,
    value: &str,
    limit: usize,
    spaces: bool,
) -> Result<(), HttpSigError> {
    check_length(field, value.len(), limit)?;
    let allowed = |byte: u8| byte.is_ascii_graphic() || (spaces && byte == b' ');
    if value.is_empty() || value.trim() != value || !value.bytes().all(allowed) {
        return Err(HttpSigError::FieldValue {
            field,
            value: value.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_has_one_spelling() {
        for target in [
            "/",
            "/v1/withdrawals",
            "/v1/withdrawals?state=final&cursor=a%2Fb",
            "/v1/x?",
            "/a/%2F/b",
        ] {
            assert_eq!(check_target(target), Ok(()), "{target}");
        }
        for target in [
            "",
            "*",
            "v1",
            "http://host/v1",
            "/v1/../v2",
            "/./v1",
            "/v1/..",
            "/a b",
            "/a#b",
            "/a\nb",
            "/a%",
            "/a%2",
            "/a%2f",
            "/a%zz",
            "/%41",
            "/%2e%2e/v1",
            "/%2E%2E/v1",
            "/ä",
            "/a?b#c",
            "/a?\"",
            "/a?%ä",
        ] {
            assert!(
                matches!(check_target(target), Err(HttpSigError::Target { .. })),
                "{target}"
            );
        }
        assert!(matches!(
            check_target(&"/".repeat(MAX_TARGET + 1)),
            Err(HttpSigError::TooLong { .. })
        ));
    }

    #[test]
    fn a_query_is_signed_with_its_question_mark_even_if_empty() {
        let message = |target| Message {
            method: "GET",
            authority: "localhost",
            target,
            content_digest: None,
            content_type: None,
            idempotency_key: None,
        };
        // RFC 9421 §2.2.7
        let vectors = [
            ("/path", "/path", None),
            ("/path?", "/path", Some("?")),
            (
                "/path?param=value&foo=bar&baz=bat%2Dman",
                "/path",
                Some("?param=value&foo=bar&baz=bat%2Dman"),
            ),
        ];
        for (target, path, query) in vectors {
            assert_eq!(message(target).value(Component::Path), Some(path));
            assert_eq!(message(target).value(Component::Query), query);
        }
    }
}
