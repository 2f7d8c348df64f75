//! Reads a key pair off the token: its objects by id, its attributes, its public point.
//!
//! Only attributes named here are ever asked for; a private value (CKA_VALUE) is not among them.

use cryptoki::error::{Error, RvError};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, ObjectClass, ObjectHandle};
use cryptoki::session::Session;

use crate::attributes::{Flag, KeyAttributes};
use crate::ec;
use crate::error::HsmError;
use crate::fault::Fault;
use crate::key::{Curve, KeyId, KeyReport, PublicPoint};
use crate::quirks::Quirks;

/// A key pair as it lies on the token. The handle is valid in the session that read it.
pub(crate) struct Located {
    pub(crate) private: ObjectHandle,
    pub(crate) report: KeyReport,
}

/// The key pair with this id, if its private key is on the token.
pub(crate) fn locate(
    session: &Session,
    quirks: &Quirks,
    id: &KeyId,
) -> Result<Option<Located>, Fault> {
    let Some(private) = only(session, id, ObjectClass::PRIVATE_KEY, "private")? else {
        return Ok(None);
    };
    let kinds: Vec<AttributeType> = Flag::ALL
        .into_iter()
        .filter(|flag| !quirks.unsupported_attributes.contains(flag))
        .map(Flag::kind)
        .chain([AttributeType::Label])
        .collect();
    let attributes = read(session, quirks, private, &kinds)?;
    let label = attributes.iter().find_map(|attribute| match attribute {
        Attribute::Label(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    });
    let (curve, public) = public_half(session, quirks, id, private)?;
    let report = KeyReport {
        id: *id,
        label: label.unwrap_or_default(),
        curve,
        public,
        attributes: KeyAttributes::read(&attributes),
    };
    Ok(Some(Located { private, report }))
}

/// The ids of all private keys that have one of 16 bytes. Others are not ours.
pub(crate) fn ids(session: &Session, quirks: &Quirks) -> Result<Vec<KeyId>, Fault> {
    let template = [
        Attribute::Class(ObjectClass::PRIVATE_KEY),
        Attribute::Token(true),
    ];
    let mut ids = Vec::new();
    for handle in session.find_objects(&template)? {
        for attribute in read(session, quirks, handle, &[AttributeType::Id])? {
            if let Attribute::Id(bytes) = attribute
                && let Ok(bytes) = <[u8; 16]>::try_from(bytes)
            {
                ids.push(KeyId::from_bytes(bytes));
            }
        }
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// Refuses a key that could leave the token, or do more than sign.
pub(crate) fn require(report: &KeyReport, quirks: &Quirks) -> Result<(), HsmError> {
    match report.attributes.first_miss(&quirks.unsupported_attributes) {
        None => Ok(()),
        Some(flag) => Err(HsmError::KeyRefused {
            key: report.id,
            attribute: flag.name().into(),
            found: report.attributes.get(flag),
            required: flag.required().unwrap_or_default(),
        }),
    }
}

/// Refuses an object of which a flag isn't what it must be; a flag that the module doesn't know is wrong too.
pub(crate) fn demand(
    session: &Session,
    quirks: &Quirks,
    id: &KeyId,
    object: ObjectHandle,
    demanded: &[(Flag, bool)],
) -> Result<(), Fault> {
    let kinds: Vec<AttributeType> = demanded.iter().map(|(flag, _)| flag.kind()).collect();
    let read = KeyAttributes::read(&read(session, quirks, object, &kinds)?);
    for (flag, required) in demanded {
        let found = read.get(*flag);
        if found != Some(*required) {
            return Err(HsmError::KeyRefused {
                key: *id,
                attribute: flag.name().into(),
                found,
                required: *required,
            }
            .into());
        }
    }
    Ok(())
}

/// The one object of a class with this id.
pub(crate) fn only(
    session: &Session,
    id: &KeyId,
    class: ObjectClass,
    name: &'static str,
) -> Result<Option<ObjectHandle>, Fault> {
    let template = [
        Attribute::Class(class),
        Attribute::Id(id.as_bytes().to_vec()),
    ];
    let mut handles = session.find_objects(&template)?;
    let count = handles.len();
    match handles.pop() {
        found if count <= 1 => Ok(found),
        _ => Err(HsmError::KeyDuplicated {
            key: *id,
            class: name.into(),
            count,
        }
        .into()),
    }
}

/// Curve and point, from the public key object, or from the private one where a module keeps no public object.
fn public_half(
    session: &Session,
    quirks: &Quirks,
    id: &KeyId,
    private: ObjectHandle,
) -> Result<(Curve, PublicPoint), Fault> {
    let holder = only(session, id, ObjectClass::PUBLIC_KEY, "public")?.unwrap_or(private);
    public_of(session, quirks, id, holder)
}

/// Curve and point of the object that holds them.
pub(crate) fn public_of(
    session: &Session,
    quirks: &Quirks,
    id: &KeyId,
    holder: ObjectHandle,
) -> Result<(Curve, PublicPoint), Fault> {
    let (mut params, mut point) = (Vec::new(), Vec::new());
    for attribute in read(
        session,
        quirks,
        holder,
        &[AttributeType::EcParams, AttributeType::EcPoint],
    )? {
        match attribute {
            Attribute::EcParams(bytes) => params = bytes,
            Attribute::EcPoint(bytes) => point = bytes,
            _ => {}
        }
    }
    let curve =
        ec::decode_params(&params).ok_or_else(|| unreadable(id, "CKA_EC_PARAMS", &params))?;
    let public = ec::decode_point(curve, &point, quirks.ec_point)
        .ok_or_else(|| unreadable(id, "CKA_EC_POINT", &point))?;
    Ok((curve, public))
}

fn unreadable(id: &KeyId, attribute: &'static str, value: &[u8]) -> HsmError {
    let shown = value.get(..80).unwrap_or(value);
    HsmError::KeyUnreadable {
        key: *id,
        attribute: attribute.into(),
        value: format!("0x{}", hex::encode(shown)),
    }
}

pub(crate) fn read(
    session: &Session,
    quirks: &Quirks,
    object: ObjectHandle,
    kinds: &[AttributeType],
) -> Result<Vec<Attribute>, Fault> {
    if !quirks.attributes_one_by_one {
        return Ok(session.get_attributes(object, kinds)?);
    }
    let mut found = Vec::new();
    for kind in kinds {
        // Asked first whether it is there: a module that refuses the call need not have touched the buffer, and its
        // zeros would pass for CK_FALSE.
        match session.get_attribute_info(object, &[*kind]) {
            Ok(info) if matches!(info.as_slice(), [AttributeInfo::Available(_)]) => {
                found.extend(session.get_attributes(object, &[*kind])?);
            }
            // Unknown to the module: left out, and missed later if it is required.
            Ok(_) | Err(Error::Pkcs11(RvError::AttributeValueInvalid, _)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(found)
}
