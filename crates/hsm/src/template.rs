//! What a profile adds to the attributes of a new key: a closed list of booleans, none of which may weaken the key.

use std::collections::BTreeMap;

use cryptoki::object::Attribute;
use serde::Deserialize;

use crate::attributes::Flag;

/// `[template]`: attributes set beside, or instead of, those that every new key gets.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Templates {
    /// Of the private key.
    pub private: PrivateTemplate,
    /// Of the public key.
    pub public: PublicTemplate,
}

/// Booleans by CKA_ name for a private key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, bool>")]
pub struct PrivateTemplate(BTreeMap<Extra, bool>);

/// Booleans by CKA_ name for a public key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "BTreeMap<String, bool>")]
pub struct PublicTemplate(BTreeMap<Extra, bool>);

/// What may be set freely: it decides neither whether a key can leave, nor what it may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Extra {
    Modifiable,
    Copyable,
    WrapWithTrusted,
}

impl Extra {
    const ALL: [Self; 3] = [Self::Modifiable, Self::Copyable, Self::WrapWithTrusted];

    const fn name(self) -> &'static str {
        match self {
            Self::Modifiable => "CKA_MODIFIABLE",
            Self::Copyable => "CKA_COPYABLE",
            Self::WrapWithTrusted => "CKA_WRAP_WITH_TRUSTED",
        }
    }

    const fn attribute(self, value: bool) -> Attribute {
        match self {
            Self::Modifiable => Attribute::Modifiable(value),
            Self::Copyable => Attribute::Copyable(value),
            Self::WrapWithTrusted => Attribute::WrapWithTrusted(value),
        }
    }
}

impl PrivateTemplate {
    pub(crate) fn apply(&self, template: &mut Vec<Attribute>) {
        replace(&self.0, template);
    }
}

impl PublicTemplate {
    pub(crate) fn apply(&self, template: &mut Vec<Attribute>) {
        replace(&self.0, template);
    }
}

fn replace(extras: &BTreeMap<Extra, bool>, template: &mut Vec<Attribute>) {
    for (extra, value) in extras {
        let attribute = extra.attribute(*value);
        template.retain(|stated| stated.attribute_type() != attribute.attribute_type());
        template.push(attribute);
    }
}

impl TryFrom<BTreeMap<String, bool>> for PrivateTemplate {
    type Error = String;

    fn try_from(named: BTreeMap<String, bool>) -> Result<Self, String> {
        let fixed = |name: &str| {
            let flag = Flag::ALL.into_iter().find(|flag| flag.name() == name)?;
            // What only the token may set is no more to be asked for than its opposite.
            match flag.generated() {
                Some(value) if flag != Flag::Modifiable => Some(Some(value)),
                Some(_) => None,
                None => Some(None),
            }
        };
        sorted(named, fixed).map(Self)
    }
}

impl TryFrom<BTreeMap<String, bool>> for PublicTemplate {
    type Error = String;

    fn try_from(named: BTreeMap<String, bool>) -> Result<Self, String> {
        let fixed = |name: &str| match name {
            "CKA_TOKEN" | "CKA_VERIFY" => Some(Some(true)),
            "CKA_VERIFY_RECOVER" | "CKA_ENCRYPT" | "CKA_WRAP" | "CKA_DERIVE" => Some(Some(false)),
            // Has a quirk of its own. Nobody wraps with, or wraps, a public key.
            "CKA_PRIVATE" | "CKA_TRUSTED" | "CKA_WRAP_WITH_TRUSTED" => Some(None),
            _ => None,
        };
        sorted(named, fixed).map(Self)
    }
}

/// `fixed` gives, for a name whose value isn't free, the only value it may have, if the profile may name it at all.
fn sorted(
    named: BTreeMap<String, bool>,
    fixed: impl Fn(&str) -> Option<Option<bool>>,
) -> Result<BTreeMap<Extra, bool>, String> {
    let mut extras = BTreeMap::new();
    for (name, value) in named {
        match fixed(&name) {
            // Stated already, and so in every template.
            Some(Some(required)) if required == value => continue,
            Some(Some(required)) => {
                return Err(format!(
                    "{name} = {value} is refused: it must be {required}"
                ));
            }
            Some(None) => return Err(format!("{name} may not be set by a template")),
            None => {}
        }
        match Extra::ALL.into_iter().find(|extra| extra.name() == name) {
            Some(extra) => extras.insert(extra, value),
            None => return Err(format!("{name} is no attribute that a template may set")),
        };
    }
    Ok(extras)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Templates, String> {
        toml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn extra_attributes_replace_those_that_are_stated() {
        let templates = read(
            "[private]\nCKA_MODIFIABLE = true\nCKA_COPYABLE = false\nCKA_SENSITIVE = true\n[public]\nCKA_COPYABLE = false\nCKA_VERIFY = true",
        )
        .unwrap();
        let mut template = vec![Attribute::Modifiable(false), Attribute::Sign(true)];
        templates.private.apply(&mut template);
        assert_eq!(
            template,
            [
                Attribute::Sign(true),
                Attribute::Modifiable(true),
                Attribute::Copyable(false)
            ]
        );
        let mut template = vec![Attribute::Verify(true)];
        templates.public.apply(&mut template);
        assert_eq!(
            template,
            [Attribute::Verify(true), Attribute::Copyable(false)]
        );
    }

    #[test]
    fn a_template_that_weakens_a_key_is_refused_by_name() {
        for flag in Flag::ALL
            .into_iter()
            .filter(|flag| *flag != Flag::Modifiable)
        {
            let weaker = !flag.required().unwrap();
            let error = read(&format!("[private]\n{} = {weaker}", flag.name())).unwrap_err();
            assert!(error.contains(flag.name()), "{error}");
        }
        for line in [
            "CKA_LOCAL = true",
            "CKA_TRUSTED = true",
            "CKA_ALWAYS_AUTHENTICATE = true",
            "CKA_DESTROYABLE = false",
            "CKA_VALUE = true",
            "CKA_MODIFIABLE = 1",
        ] {
            assert!(read(&format!("[private]\n{line}")).is_err(), "{line}");
        }
        for line in [
            "CKA_TOKEN = false",
            "CKA_WRAP = true",
            "CKA_ENCRYPT = true",
            "CKA_TRUSTED = true",
            "CKA_PRIVATE = true",
        ] {
            let error = read(&format!("[public]\n{line}")).unwrap_err();
            assert!(error.contains(&line[..8]), "{error}");
        }
    }
}
