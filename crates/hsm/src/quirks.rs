//! Where modules differ, as data: what a vendor profile may say about its module's manners.

use serde::Deserialize;

use crate::attributes::Flag;
use crate::return_code::ReturnCode;

/// How CKA_EC_POINT is expected to be encoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EcPointForm {
    /// Whatever it turns out to be; the forms can't be confused.
    #[default]
    Any,
    /// A DER OCTET STRING or BIT STRING around the point.
    Der,
    /// The bare SEC1 point.
    Raw,
}

/// How CKA_EC_PARAMS is written when a key is generated. Reading accepts both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EcParamsForm {
    /// A DER OBJECT IDENTIFIER.
    #[default]
    Oid,
    /// A PrintableString with the curve's name.
    Name,
}

/// What is peculiar about a module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Quirks {
    /// Encoding of CKA_EC_POINT.
    pub ec_point: EcPointForm,
    /// Encoding of CKA_EC_PARAMS in templates.
    pub ec_params: EcParamsForm,
    /// Read attributes one by one: one unknown attribute spoils a whole C_GetAttributeValue there.
    pub attributes_one_by_one: bool,
    /// Attributes the module doesn't have; they are neither set nor demanded, nor is the public key's counterpart
    /// set (CKA_ENCRYPT of CKA_DECRYPT, CKA_WRAP of CKA_UNWRAP, CKA_VERIFY_RECOVER of CKA_SIGN_RECOVER).
    #[serde(deserialize_with = "flags")]
    pub unsupported_attributes: Vec<Flag>,
    /// CKA_PRIVATE of the public half. CloudHSM accepts only true.
    pub public_key_is_private: bool,
    /// Return codes that here mean "try again", beside those that always do: CKR_ names, or numbers as 0x… of a
    /// vendor's own.
    pub retry_codes: Vec<ReturnCode>,
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            ec_point: EcPointForm::Any,
            ec_params: EcParamsForm::Oid,
            attributes_one_by_one: false,
            unsupported_attributes: Vec::new(),
            public_key_is_private: false,
            retry_codes: Vec::new(),
        }
    }
}

fn flags<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Vec<Flag>, D::Error> {
    let names = Vec::<String>::deserialize(source)?;
    names
        .into_iter()
        .map(|name| {
            let flag = Flag::ALL.into_iter().find(|flag| flag.name() == name);
            match flag {
                Some(flag) if flag.may_be_unsupported() => Ok(flag),
                Some(_) => Err(serde::de::Error::custom(format!(
                    "{name} may not be unsupported: without it nobody knows whether a key can leave the token"
                ))),
                None => Err(serde::de::Error::custom(format!("{name} is no attribute that is set or read here"))),
            }
        })
        .collect()
}
