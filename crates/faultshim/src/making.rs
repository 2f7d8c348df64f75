//! C_GenerateKeyPair, C_CreateObject, C_SetAttributeValue, C_FindObjectsInit: templates that a vendor refuses, and keys
//! that are secretly made readable.
#![allow(unsafe_code, reason = "calls the real module")]

use cryptoki_sys as c;

use crate::around::Call;
use crate::manner::Manners;
use crate::reading::disguise;
use crate::real::ask;
use crate::template::{Rewritten, Template};

/// What C_GenerateKeyPair is given and gives back.
pub(crate) struct Pair<'a> {
    pub(crate) public: Template<'a>,
    pub(crate) private: Template<'a>,
    pub(crate) mechanism: *mut c::CK_MECHANISM,
    pub(crate) public_handle: *mut c::CK_OBJECT_HANDLE,
    pub(crate) private_handle: *mut c::CK_OBJECT_HANDLE,
}

pub(crate) fn generate_key_pair(
    call: &Call,
    session: c::CK_SESSION_HANDLE,
    pair: &Pair<'_>,
) -> c::CK_RV {
    let (shim, manners) = (call.shim, call.now.manners);
    for template in [&pair.public, &pair.private] {
        if let Some(code) = refused(manners, template) {
            return code;
        }
    }
    let oid = pair
        .public
        .value(c::CKA_EC_PARAMS)
        .and_then(|params| manners.oid(params));
    let mut public = Rewritten::of(
        &pair.public,
        oid.map(|oid| vec![(c::CKA_EC_PARAMS, oid)])
            .unwrap_or_default(),
    );
    let mut private = Rewritten::of(&pair.private, readable(call, &pair.private));
    if call.now.rules.ignore_wrap_with_trusted {
        private.drop_all(c::CKA_WRAP_WITH_TRUSTED);
    }
    let ((public, publics), (private, privates)) = (public.parts(), private.parts());
    let code = ask!(
        shim,
        C_GenerateKeyPair(
            session,
            pair.mechanism,
            public,
            publics,
            private,
            privates,
            pair.public_handle,
            pair.private_handle,
        )
    );
    if code == c::CKR_OK {
        shim.sessions.made_key();
    }
    code
}

pub(crate) fn create_object(
    call: &Call,
    session: c::CK_SESSION_HANDLE,
    template: &Template<'_>,
    object: *mut c::CK_OBJECT_HANDLE,
) -> c::CK_RV {
    if let Some(code) = refused(call.now.manners, template) {
        return code;
    }
    let private_ec = template.number(c::CKA_CLASS) == Some(c::CKO_PRIVATE_KEY)
        && template.number(c::CKA_KEY_TYPE) == Some(c::CKK_EC);
    let changes = if private_ec {
        readable(call, template)
    } else {
        Vec::new()
    };
    let mut rewritten = Rewritten::of(template, changes);
    let (attributes, count) = rewritten.parts();
    ask!(
        call.shim,
        C_CreateObject(session, attributes, count, object)
    )
}

pub(crate) fn set_attribute_value(
    call: &Call,
    session: c::CK_SESSION_HANDLE,
    object: c::CK_OBJECT_HANDLE,
    template: &Template<'_>,
) -> c::CK_RV {
    if call.now.manners.fixed_id && template.has(c::CKA_ID) {
        return c::CKR_ATTRIBUTE_READ_ONLY;
    }
    let mut copy = Rewritten::of(template, Vec::new());
    let (attributes, count) = copy.parts();
    ask!(
        call.shim,
        C_SetAttributeValue(session, object, attributes, count)
    )
}

pub(crate) fn find_objects_init(
    call: &Call,
    session: c::CK_SESSION_HANDLE,
    template: &Template<'_>,
) -> c::CK_RV {
    if call.now.manners.no_data && template.number(c::CKA_CLASS) == Some(c::CKO_DATA) {
        return c::CKR_ATTRIBUTE_VALUE_INVALID;
    }
    let mut copy = Rewritten::of(template, Vec::new());
    let (attributes, count) = copy.parts();
    ask!(call.shim, C_FindObjectsInit(session, attributes, count))
}

/// Changes for a private key that is to be emulated. One that its maker wants readable stays as it is.
fn readable(call: &Call, template: &Template<'_>) -> Vec<(c::CK_ATTRIBUTE_TYPE, Vec<u8>)> {
    let sealed = template.flag(c::CKA_SENSITIVE) == Some(true)
        && template.flag(c::CKA_EXTRACTABLE) == Some(false);
    if call.now.rules.emulate.is_some() && sealed {
        disguise()
    } else {
        Vec::new()
    }
}

fn refused(manners: &Manners, template: &Template<'_>) -> Option<c::CK_RV> {
    if manners.no_data && template.number(c::CKA_CLASS) == Some(c::CKO_DATA) {
        return Some(c::CKR_ATTRIBUTE_VALUE_INVALID);
    }
    if manners.lacks.iter().any(|kind| template.has(*kind)) {
        return Some(c::CKR_ATTRIBUTE_TYPE_INVALID);
    }
    let falsely = |kind: &c::CK_ATTRIBUTE_TYPE| template.flag(*kind) == Some(false);
    manners
        .only_true
        .iter()
        .any(falsely)
        .then_some(c::CKR_ATTRIBUTE_VALUE_INVALID)
}
