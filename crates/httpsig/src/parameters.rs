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
        Self::read(field).map_or_else(|| Self::explain(field), Ok)
    }

    /// What has the one form that this profile takes; nothing for everything else. A general parser of structured fields costs six
    /// times as much for each request, so it is left to [`Parameters::explain`], and a test holds the two together.
    fn read(field: &str) -> Option<Self> {
        let (list, mut rest) = field.strip_prefix("sig1=(")?.split_once(')')?;
        let mut components = Vec::with_capacity(Component::ALL.len());
        for item in list.split(' ').filter(|_| !list.is_empty()) {
            let component = Component::from_name(unquoted(item)?)?;
            if components.contains(&component) {
                return None;
            }
            components.push(component);
        }
        let (mut created, mut keyid, mut nonce, mut algorithm) = (None, None, None, None);
        while !rest.is_empty() {
            let parameter = rest.strip_prefix(';')?;
            let end = parameter.find(';').unwrap_or(parameter.len());
            let (parameter, others) = parameter.split_at_checked(end)?;
            let (name, value) = parameter.split_once('=')?;
            let again = match name {
                "created" => created.replace(integer(value)?).is_some(),
                "keyid" => keyid.replace(unquoted(value)?).is_some(),
                "nonce" => nonce.replace(unquoted(value)?).is_some(),
                "alg" => algorithm
                    .replace(Algorithm::from_name(unquoted(value)?)?)
                    .is_some(),
                _ => true,
            };
            if again {
                return None;
            }
            rest = others;
        }
        let (keyid, nonce) = (keyid?, nonce?);
        check_keyid(keyid).ok()?;
        check_nonce(nonce).ok()?;
        Some(Self {
            keyid: keyid.to_owned(),
            created: created?,
            nonce: nonce.to_owned(),
            algorithm: algorithm?,
            components,
        })
    }

    /// The same by the grammar of RFC 9651, to say what is wrong.
    fn explain(field: &str) -> Result<Self, HttpSigError> {
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

/// An `sf-string` (RFC 9651 §3.3.3) without the quotes, if nothing in it is escaped. Which characters it may have is for its reader.
fn unquoted(text: &str) -> Option<&str> {
    let text = text.strip_prefix('"')?.strip_suffix('"')?;
    (!text.contains(['"', '\\'])).then_some(text)
}

/// An `sf-integer` (RFC 9651 §3.3.1) that is not negative, in the one spelling that it is serialized in.
fn integer(text: &str) -> Option<u64> {
    let plain = matches!(text.as_bytes(), [b'0'] | [b'1'..=b'9', ..]);
    let fits = text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    (plain && fits).then(|| text.parse().ok())?
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RIGHT: [&str; 4] = [
        "created=1700000000",
        "keyid=\"client/shop\"",
        "nonce=\"0123456789abcdef\"",
        "alg=\"ed25519\"",
    ];

    /// A piece of a field: often right, sometimes nearly.
    fn piece(
        right: &'static [&'static str],
        wrong: &'static [&'static str],
    ) -> BoxedStrategy<String> {
        prop_oneof![
            6 => prop::sample::select(right),
            1 => prop::sample::select(wrong),
        ]
        .prop_map(str::to_owned)
        .boxed()
    }

    fn component() -> BoxedStrategy<String> {
        piece(
            &[
                "\"@method\"",
                "\"@authority\"",
                "\"@path\"",
                "\"@query\"",
                "\"content-type\"",
                "\"idempotency-key\"",
            ],
            &[
                "@method",
                "\"@Method\"",
                "\"date\"",
                "\"@path\";req",
                "",
                "1",
                "\"a\\\"b\"",
                "\"a)b\"",
                "\"content-digest\"",
            ],
        )
    }

    fn parameter() -> BoxedStrategy<String> {
        prop::sample::select(
            &[
                "created=1700000000",
                "created=0",
                "keyid=\"client/shop\"",
                "keyid=\"operator/alice\"",
                "nonce=\"0123456789abcdef\"",
                "alg=\"ed25519\"",
                "alg=\"ecdsa-p256-sha256\"",
                "created",
                "created=-1",
                "created=01",
                "created=1.5",
                "created=999999999999999",
                "created=1000000000000000",
                "created=\"1\"",
                "keyid=client",
                "keyid=\"client/a;b\"",
                "keyid=\"client/\\\\\"",
                "nonce=\"short\"",
                "nonce=\"0123456789abcde=\"",
                "alg=ed25519",
                "alg=\"rsa\"",
                "expires=1",
                "tag=\"x\"",
                " nonce=\"0123456789abcdef\"",
                "",
            ][..],
        )
        .prop_map(str::to_owned)
        .boxed()
    }

    prop_compose! {
        fn fields()(
            label in piece(&["sig1="; 8], &["sig1", "sig2=", "Sig1=", " sig1=", "sig1= "]),
            components in prop::collection::vec(component(), 0..5),
            between in piece(&[" "; 8], &["  ", "", "\t"]),
            mut parameters in Just(RIGHT).prop_shuffle().prop_map(|right| right.map(str::to_owned).to_vec()),
            changed in prop::option::of((any::<prop::sample::Index>(), parameter())),
            another in prop::option::weighted(0.1, parameter()),
            end in piece(&[""; 8], &[" ", ",", ", sig2=()", ";", "sig1=()"]),
        ) -> String {
            if let Some((at, changed)) = changed {
                *at.get_mut(&mut parameters) = changed;
            }
            parameters.extend(another);
            let parameters: String = parameters.iter().map(|parameter| format!(";{parameter}")).collect();
            format!("{label}({}){parameters}{end}", components.join(&between))
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4_096))]

        #[test]
        fn what_is_read_is_what_the_general_parser_finds(field in fields(), at in any::<prop::sample::Index>(), odd in any::<char>(), damaged in prop::bool::weighted(0.1)) {
            let field: String = if damaged {
                let at = at.index(field.chars().count());
                field.chars().enumerate().map(|(place, was)| if place == at { odd } else { was }).collect()
            } else {
                field
            };
            prop_assert_eq!(Parameters::read(&field), Parameters::explain(&field).ok(), "{}", field);
        }
    }

    #[test]
    fn both_ways_of_reading_are_taken_by_that_test() {
        let right = "sig1=(\"@path\" \"@method\");nonce=\"0123456789abcdef\";created=0;alg=\"ed25519\";keyid=\"client/shop\"";
        assert!(Parameters::read(right).is_some());
        assert_eq!(Parameters::read(right), Parameters::explain(right).ok());
        let wrong = right.replace("created=0", "created=00");
        assert!(Parameters::read(&wrong).is_none());
        assert!(matches!(
            Parameters::parse(&wrong),
            Err(HttpSigError::NotCanonical { .. })
        ));
    }
}
