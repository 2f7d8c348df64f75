//! C_GetAttributeValue: what a vendor encodes differently, and what an emulated key shows of itself.
#![allow(unsafe_code, reason = "calls the real module")]

use cryptoki_sys as c;

use crate::around::Call;
use crate::emulated::MARK;
use crate::real::ask;
use crate::rules::Injection;
use crate::shim::Shim;
use crate::template::{Template, answer, unavailable};

pub(crate) fn get_attribute_value(
    call: &Call,
    session: c::CK_SESSION_HANDLE,
    object: c::CK_OBJECT_HANDLE,
    template: &mut Template<'_>,
) -> c::CK_RV {
    let Call { shim, now, fault } = call;
    if let Some(Injection::Code(code)) = fault {
        // With these the specification has the attributes marked (PKCS#11 3.0 §5.7.5).
        if matches!(
            code.value(),
            c::CKR_ATTRIBUTE_SENSITIVE | c::CKR_ATTRIBUTE_TYPE_INVALID | c::CKR_BUFFER_TOO_SMALL
        ) {
            template.0.iter_mut().for_each(unavailable);
        }
        return code.value();
    }
    if now.manners.lacks.iter().any(|kind| template.has(*kind)) {
        // Nothing is marked: a caller that takes what lies in its buffers for an answer must be caught.
        return c::CKR_ATTRIBUTE_TYPE_INVALID;
    }
    let mut result = c::CKR_OK;
    for attribute in template.0.iter_mut() {
        match read(call, shim, session, object, attribute) {
            c::CKR_OK => {}
            code @ (c::CKR_ATTRIBUTE_SENSITIVE
            | c::CKR_ATTRIBUTE_TYPE_INVALID
            | c::CKR_BUFFER_TOO_SMALL) => result = code,
            code => return code,
        }
    }
    result
}

fn read(
    call: &Call,
    shim: &Shim,
    session: c::CK_SESSION_HANDLE,
    object: c::CK_OBJECT_HANDLE,
    attribute: &mut c::CK_ATTRIBUTE,
) -> c::CK_RV {
    let manners = call.now.manners;
    let emulated = || call.now.rules.emulate.is_some();
    let secret = || emulated() && shim.keys.secret(shim, session, object).is_some();
    match attribute.type_ {
        kind @ (c::CKA_EC_POINT | c::CKA_EC_PARAMS) => match fetch(shim, session, object, kind) {
            Ok(Some(value)) if kind == c::CKA_EC_POINT => answer(attribute, &manners.point(value)),
            Ok(Some(value)) => answer(attribute, &manners.params(value)),
            Ok(None) => {
                unavailable(attribute);
                c::CKR_ATTRIBUTE_TYPE_INVALID
            }
            Err(code) => code,
        },
        // Only keys that were asked for as sensitive and unextractable are marked; see `making`.
        c::CKA_SENSITIVE if secret() => answer(attribute, &[c::CK_TRUE]),
        c::CKA_EXTRACTABLE if secret() => answer(attribute, &[c::CK_FALSE]),
        c::CKA_ALWAYS_SENSITIVE | c::CKA_NEVER_EXTRACTABLE if secret() => {
            // True of a key that was made here, false of one brought in.
            match fetch(shim, session, object, c::CKA_LOCAL) {
                Ok(local) => answer(attribute, &local.unwrap_or_default()),
                Err(code) => code,
            }
        }
        c::CKA_VALUE if secret() => {
            unavailable(attribute);
            c::CKR_ATTRIBUTE_SENSITIVE
        }
        c::CKA_END_DATE if secret() => answer(attribute, &[]),
        _ => ask!(
            shim,
            C_GetAttributeValue(session, object, &raw mut *attribute, 1)
        ),
    }
}

/// One attribute of an object; none if it has no such attribute or doesn't show it.
pub(crate) fn fetch(
    shim: &Shim,
    session: c::CK_SESSION_HANDLE,
    object: c::CK_OBJECT_HANDLE,
    kind: c::CK_ATTRIBUTE_TYPE,
) -> Result<Option<Vec<u8>>, c::CK_RV> {
    let mut value = [0_u8; 256];
    let mut attribute = c::CK_ATTRIBUTE {
        type_: kind,
        pValue: value.as_mut_ptr().cast(),
        ulValueLen: value.len() as c::CK_ULONG,
    };
    match ask!(
        shim,
        C_GetAttributeValue(session, object, &raw mut attribute, 1)
    ) {
        c::CKR_OK => {}
        c::CKR_ATTRIBUTE_SENSITIVE | c::CKR_ATTRIBUTE_TYPE_INVALID => return Ok(None),
        code => return Err(code),
    }
    let length = usize::try_from(attribute.ulValueLen).unwrap_or_default();
    Ok(value.get(..length).map(<[u8]>::to_vec))
}

/// What makes an emulated key out of the private key that a template asks for.
pub(crate) fn disguise() -> Vec<(c::CK_ATTRIBUTE_TYPE, Vec<u8>)> {
    vec![
        (c::CKA_SENSITIVE, vec![c::CK_FALSE]),
        (c::CKA_EXTRACTABLE, vec![c::CK_TRUE]),
        (c::CKA_END_DATE, MARK.to_vec()),
    ]
}
