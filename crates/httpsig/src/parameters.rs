//! `Signature-Input`: which components are covered, and the signature's parameters (RFC 9421 §2.3 and §4.1).

use std::fmt::Write as _;

use sfv::{BareItem, Dictionary, FieldType as _, InnerList, Item, ListEntry, Parser};

use crate::component::Component;
use crate::error::HttpSigError;
use crate::key::Algorithm;
use crate::keyid::Principal;
use crate::message::check_length;

/// The one label.
pub const LABEL: &str = "sig1";
/// The longest `Signature-Input`, in bytes.
pub const MAX_SIGNATURE_INPUT: usize = 512;
const LABEL_PREFIX: &str = "sig1=";

/// What `Signature-Input` says. Nothing of it is proven before the signature is verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameters {
    /// Whose key it claims to be: `client/<id>`, `operator/<id>` or `invitation/<key>`.
    pub keyid: String,
    /// When it was signed, Unix seconds.
    pub created: u64,
    /// 16 to 64 characters of base64url, never used twice by one key.
    pub nonce: String,
    /// What the signature is made with, `alg`. The key must be one for it.
    pub algorithm: Algorithm,
    /// The covered components in the signer's order, none twice.
    pub components: Vec<Component>,
}

impl Parameters {
    /// Reads a `Signature-Input` field of this profile.
    ///
    /// # Errors
    /// Names what is malformed, unknown, repeated or missing.
    pub fn parse(field: &str) -> Result<Self, HttpSigError> {
        check_length("signature-input", field.len(), MAX_SIGNATURE_INPUT)?;
        let members: Dictionary = Parser::new(field)
            .parse()
            .map_err(|fault| HttpSigError::SignatureInput(fault.to_string()))?;
        let list = only_signature(&members)?;
        let parsed = Self {
            components: read_components(&list.items)?,
            ..Self::read_parameters(&list.params)?
        };
        // The parser takes the last of repeated members and skips spaces. One request has one text here, so that what
        // was signed is what stands in the field.
        let canonical = members.serialize().unwrap_or_default();
        if canonical != field {
            return Err(HttpSigError::NotCanonical { canonical });
        }
        Ok(parsed)
    }

    /// The owner of the key.
    ///
    /// # Errors
    /// `Keyid` if the field was set to something that [`Parameters::parse`] would have refused.
    pub fn principal(&self) -> Result<Principal, HttpSigError> {
        self.keyid.parse()
    }

    /// The field that [`Parameters::parse`] reads.
    pub(crate) fn to_field(&self) -> Result<String, HttpSigError> {
        check_keyid(&self.keyid)?;
        check_nonce(&self.nonce)?;
        let mut field = String::with_capacity(256);
        field.push_str(LABEL_PREFIX);
        for (at, component) in self.components.iter().enumerate() {
            field.push(if at == 0 { '(' } else { ' ' });
            write!(field, "{component}").expect("a String takes all that is written");
        }
        write!(
            field,
            ");created={};keyid=\"{}\";nonce=\"{}\";alg=\"{}\"",
            self.created, self.keyid, self.nonce, self.algorithm
        )
        .expect("a String takes all that is written");
        Ok(field)
    }

    fn read_parameters(read: &sfv::Parameters) -> Result<Self, HttpSigError> {
        let (mut created, mut keyid, mut nonce, mut alg) = (None, None, None, None);
        for (name, value) in read {
            match name.as_str() {
                "created" => created = value.as_integer().map(i64::from),
                "keyid" => keyid = text(value),
                "nonce" => nonce = text(value),
                "alg" => alg = text(value),
                other => return Err(HttpSigError::UnknownParameter(other.to_owned())),
            }
        }
        let created = created.ok_or(HttpSigError::MissingParameter("created"))?;
        let keyid = keyid.ok_or(HttpSigError::MissingParameter("keyid"))?;
        let nonce = nonce.ok_or(HttpSigError::MissingParameter("nonce"))?;
        let alg = alg.ok_or(HttpSigError::MissingParameter("alg"))?;
        let algorithm =
            Algorithm::from_name(alg).ok_or_else(|| HttpSigError::Algorithm(alg.to_owned()))?;
        check_keyid(keyid)?;
        check_nonce(nonce)?;
        Ok(Self {
            keyid: keyid.to_owned(),
            created: u64::try_from(created).map_err(|_| HttpSigError::Created(created))?,
            nonce: nonce.to_owned(),
            algorithm,
            components: Vec::new(),
        })
    }
}

/// The text after `sig1=`, which is the value of `@signature-params` in the signature base.
pub(crate) fn signature_params(field: &str) -> Option<&str> {
    field.strip_prefix(LABEL_PREFIX)
}

fn only_signature(members: &Dictionary) -> Result<&InnerList, HttpSigError> {
    let mut found = members.iter();
    match (found.next(), found.next()) {
        (Some((label, ListEntry::InnerList(list))), None) if label.as_str() == LABEL => Ok(list),
        (None, _) => Err(HttpSigError::Label(String::new())),
        _ => {
            let labels: Vec<&str> = members.keys().map(|label| label.as_str()).collect();
            Err(HttpSigError::Label(labels.join(", ")))
        }
    }
}

fn read_components(items: &[Item]) -> Result<Vec<Component>, HttpSigError> {
    let mut components = Vec::with_capacity(Component::ALL.len());
    for item in items {
        let component = text(&item.bare_item)
            .filter(|_| item.params.is_empty())
            .and_then(Component::from_name)
            .ok_or_else(|| HttpSigError::UnknownComponent(item.serialize()))?;
        if components.contains(&component) {
            return Err(HttpSigError::RepeatedComponent(component));
        }
        components.push(component);
    }
    Ok(components)
}

fn text(value: &BareItem) -> Option<&str> {
    value.as_string().map(|text| text.as_str())
}

fn check_keyid(keyid: &str) -> Result<(), HttpSigError> {
    keyid.parse::<Principal>().map(|_| ())
}

fn check_nonce(nonce: &str) -> Result<(), HttpSigError> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if !(16..=64).contains(&nonce.len()) || !nonce.bytes().all(allowed) {
        return Err(HttpSigError::Nonce(nonce.to_owned()));
    }
    Ok(())
}
