//! The function list, and the C functions in it.
#![allow(unsafe_code, reason = "C functions over C pointers")]
#![allow(non_snake_case, reason = "named by the specification")]

use cryptoki_sys as c;
use cryptoki_sys::{
    CK_ATTRIBUTE, CK_BBOOL, CK_BYTE, CK_FLAGS, CK_FUNCTION_LIST, CK_INFO, CK_MECHANISM,
    CK_MECHANISM_INFO, CK_MECHANISM_TYPE, CK_NOTIFY, CK_OBJECT_HANDLE, CK_RV, CK_SESSION_HANDLE,
    CK_SESSION_INFO, CK_SLOT_ID, CK_SLOT_INFO, CK_TOKEN_INFO, CK_ULONG, CK_USER_TYPE, CK_UTF8CHAR,
};
use std::os::raw::c_void;

use crate::around::around;
use crate::counts::Extra;
use crate::function::Function;
use crate::making::{self, Pair};
use crate::reading;
use crate::real::ask;
use crate::shim;
use crate::signing::{self, Signing};
use crate::template::Template;

/// The one symbol that a module must export (PKCS#11 3.0 §5.4.4).
///
/// # Safety
/// `list` must be a valid place for a pointer, or null.
#[unsafe(no_mangle)]
pub(crate) unsafe extern "C" fn C_GetFunctionList(list: *mut *mut CK_FUNCTION_LIST) -> CK_RV {
    if list.is_null() {
        return c::CKR_ARGUMENTS_BAD;
    }
    if shim::get().is_none() {
        return c::CKR_GENERAL_ERROR;
    }
    // SAFETY: not null, and the caller says that it is valid. Callers only read the list.
    unsafe { *list = (&raw const LIST).cast_mut() };
    c::CKR_OK
}

/// Functions that are counted, may be hit by a fault, and are else passed on.
macro_rules! forwarded {
    ($($name:ident = $function:ident($($argument:ident: $kind:ty),*), on $session:expr;)*) => {$(
        unsafe extern "C" fn $function($($argument: $kind),*) -> CK_RV {
            around(Function::$name, $session, |call| ask!(call.shim, $function($($argument),*)))
        }
    )*};
}

/// Functions that neither custodyd nor OpenSC's tools use.
macro_rules! unsupported {
    ($($function:ident($($kind:ty),*);)*) => {$(
        unsafe extern "C" fn $function($(_: $kind),*) -> CK_RV {
            c::CKR_FUNCTION_NOT_SUPPORTED
        }
    )*};
}

forwarded! {
    Initialize = C_Initialize(arguments: *mut c_void), on None;
    GetInfo = C_GetInfo(info: *mut CK_INFO), on None;
    GetSlotList = C_GetSlotList(present: CK_BBOOL, slots: *mut CK_SLOT_ID, count: *mut CK_ULONG), on None;
    GetSlotInfo = C_GetSlotInfo(slot: CK_SLOT_ID, info: *mut CK_SLOT_INFO), on None;
    GetMechanismList = C_GetMechanismList(slot: CK_SLOT_ID, list: *mut CK_MECHANISM_TYPE, count: *mut CK_ULONG), on None;
    GetMechanismInfo = C_GetMechanismInfo(slot: CK_SLOT_ID, kind: CK_MECHANISM_TYPE, info: *mut CK_MECHANISM_INFO), on None;
    InitToken = C_InitToken(slot: CK_SLOT_ID, pin: *mut CK_UTF8CHAR, length: CK_ULONG, label: *mut CK_UTF8CHAR), on None;
    InitPIN = C_InitPIN(session: CK_SESSION_HANDLE, pin: *mut CK_UTF8CHAR, length: CK_ULONG), on Some(session);
    SetPIN = C_SetPIN(session: CK_SESSION_HANDLE, old: *mut CK_UTF8CHAR, old_length: CK_ULONG, new: *mut CK_UTF8CHAR, new_length: CK_ULONG), on Some(session);
    GetSessionInfo = C_GetSessionInfo(session: CK_SESSION_HANDLE, info: *mut CK_SESSION_INFO), on Some(session);
    Logout = C_Logout(session: CK_SESSION_HANDLE), on Some(session);
    CopyObject = C_CopyObject(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG, copy: *mut CK_OBJECT_HANDLE), on Some(session);
    DestroyObject = C_DestroyObject(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE), on Some(session);
    GetObjectSize = C_GetObjectSize(session: CK_SESSION_HANDLE, object: CK_OBJECT_HANDLE, size: *mut CK_ULONG), on Some(session);
    FindObjects = C_FindObjects(session: CK_SESSION_HANDLE, objects: *mut CK_OBJECT_HANDLE, most: CK_ULONG, count: *mut CK_ULONG), on Some(session);
    FindObjectsFinal = C_FindObjectsFinal(session: CK_SESSION_HANDLE), on Some(session);
    EncryptInit = C_EncryptInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, key: CK_OBJECT_HANDLE), on Some(session);
    Encrypt = C_Encrypt(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG), on Some(session);
    DecryptInit = C_DecryptInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, key: CK_OBJECT_HANDLE), on Some(session);
    Decrypt = C_Decrypt(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG), on Some(session);
    DigestInit = C_DigestInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM), on Some(session);
    Digest = C_Digest(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, length: CK_ULONG, out: *mut CK_BYTE, out_length: *mut CK_ULONG), on Some(session);
    VerifyInit = C_VerifyInit(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, key: CK_OBJECT_HANDLE), on Some(session);
    Verify = C_Verify(session: CK_SESSION_HANDLE, data: *mut CK_BYTE, length: CK_ULONG, signature: *mut CK_BYTE, signature_length: CK_ULONG), on Some(session);
    GenerateKey = C_GenerateKey(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, template: *mut CK_ATTRIBUTE, count: CK_ULONG, key: *mut CK_OBJECT_HANDLE), on Some(session);
    WrapKey = C_WrapKey(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, wrapping: CK_OBJECT_HANDLE, key: CK_OBJECT_HANDLE, out: *mut CK_BYTE, length: *mut CK_ULONG), on Some(session);
    UnwrapKey = C_UnwrapKey(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, unwrapping: CK_OBJECT_HANDLE, wrapped: *mut CK_BYTE, length: CK_ULONG, template: *mut CK_ATTRIBUTE, count: CK_ULONG, key: *mut CK_OBJECT_HANDLE), on Some(session);
    DeriveKey = C_DeriveKey(session: CK_SESSION_HANDLE, mechanism: *mut CK_MECHANISM, base: CK_OBJECT_HANDLE, template: *mut CK_ATTRIBUTE, count: CK_ULONG, key: *mut CK_OBJECT_HANDLE), on Some(session);
    SeedRandom = C_SeedRandom(session: CK_SESSION_HANDLE, seed: *mut CK_BYTE, length: CK_ULONG), on Some(session);
    GenerateRandom = C_GenerateRandom(session: CK_SESSION_HANDLE, random: *mut CK_BYTE, length: CK_ULONG), on Some(session);
    WaitForSlotEvent = C_WaitForSlotEvent(flags: CK_FLAGS, slot: *mut CK_SLOT_ID, reserved: *mut c_void), on None;
}

unsafe extern "C" fn C_Finalize(reserved: *mut c_void) -> CK_RV {
    around(Function::Finalize, None, |call| {
        let code = ask!(call.shim, C_Finalize(reserved));
        if code == c::CKR_OK {
            call.shim.sessions.all_closed(None, &call.shim.counts);
            call.shim.keys.forget();
        }
        code
    })
}

unsafe extern "C" fn C_GetTokenInfo(slot: CK_SLOT_ID, info: *mut CK_TOKEN_INFO) -> CK_RV {
    around(Function::GetTokenInfo, None, |call| {
        let code = ask!(call.shim, C_GetTokenInfo(slot, info));
        if let (c::CKR_OK, Some(most)) = (code, call.now.max_sessions()) {
            // SAFETY: the module accepted the place for the info and filled it.
            let info = unsafe { &mut *info };
            info.ulMaxSessionCount = most;
            info.ulMaxRwSessionCount = most;
        }
        code
    })
}

unsafe extern "C" fn C_OpenSession(
    slot: CK_SLOT_ID,
    flags: CK_FLAGS,
    application: *mut c_void,
    notify: CK_NOTIFY,
    session: *mut CK_SESSION_HANDLE,
) -> CK_RV {
    around(Function::OpenSession, None, |call| {
        let shim = call.shim;
        if call.now.manners.read_write_only && flags & c::CKF_RW_SESSION == 0 {
            return c::CKR_FUNCTION_FAILED;
        }
        let open = shim.sessions.count() as CK_ULONG;
        if call.now.max_sessions().is_some_and(|most| open >= most) {
            return c::CKR_SESSION_COUNT;
        }
        let code = ask!(
            shim,
            C_OpenSession(slot, flags, application, notify, session)
        );
        if code == c::CKR_OK {
            // SAFETY: the module accepted the place for the handle and filled it.
            shim.sessions
                .opened(unsafe { *session }, slot, &shim.counts);
        }
        code
    })
}

unsafe extern "C" fn C_CloseSession(session: CK_SESSION_HANDLE) -> CK_RV {
    around(Function::CloseSession, Some(session), |call| {
        let code = ask!(call.shim, C_CloseSession(session));
        if matches!(
            code,
            c::CKR_OK | c::CKR_SESSION_HANDLE_INVALID | c::CKR_SESSION_CLOSED
        ) {
            call.shim.sessions.closed(session, &call.shim.counts);
        }
        code
    })
}

unsafe extern "C" fn C_CloseAllSessions(slot: CK_SLOT_ID) -> CK_RV {
    around(Function::CloseAllSessions, None, |call| {
        let code = ask!(call.shim, C_CloseAllSessions(slot));
        if code == c::CKR_OK {
            call.shim.sessions.all_closed(Some(slot), &call.shim.counts);
        }
        code
    })
}

unsafe extern "C" fn C_Login(
    session: CK_SESSION_HANDLE,
    user: CK_USER_TYPE,
    pin: *mut CK_UTF8CHAR,
    length: CK_ULONG,
) -> CK_RV {
    around(Function::Login, Some(session), |call| {
        let given = match usize::try_from(length) {
            Ok(length) if !pin.is_null() => {
                // SAFETY: C_Login's caller says that `length` bytes are there.
                unsafe { std::slice::from_raw_parts(pin, length) }
            }
            _ => &[],
        };
        // The security officer's PIN has no form.
        let known = match user {
            c::CKU_USER => call.now.manners.pin(given),
            _ => Some(given),
        };
        let Some(known) = known else {
            return c::CKR_PIN_INCORRECT;
        };
        let (pin, length) = (known.as_ptr().cast_mut(), known.len() as CK_ULONG);
        let code = ask!(call.shim, C_Login(session, user, pin, length));
        if code == c::CKR_OK {
            call.shim.counts.extra(Extra::Logins);
        }
        code
    })
}

unsafe extern "C" fn C_CreateObject(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
    object: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the caller's own pointers, for this call.
    let template = unsafe { Template::new(template, count) };
    around(Function::CreateObject, Some(session), |call| {
        making::create_object(call, session, &template, object)
    })
}

unsafe extern "C" fn C_GetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    // SAFETY: the caller's own pointers, for this call.
    let mut template = unsafe { Template::new(template, count) };
    around(Function::GetAttributeValue, Some(session), |call| {
        reading::get_attribute_value(call, session, object, &mut template)
    })
}

unsafe extern "C" fn C_SetAttributeValue(
    session: CK_SESSION_HANDLE,
    object: CK_OBJECT_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    // SAFETY: the caller's own pointers, for this call.
    let template = unsafe { Template::new(template, count) };
    around(Function::SetAttributeValue, Some(session), |call| {
        making::set_attribute_value(call, session, object, &template)
    })
}

unsafe extern "C" fn C_FindObjectsInit(
    session: CK_SESSION_HANDLE,
    template: *mut CK_ATTRIBUTE,
    count: CK_ULONG,
) -> CK_RV {
    // SAFETY: the caller's own pointers, for this call.
    let template = unsafe { Template::new(template, count) };
    around(Function::FindObjectsInit, Some(session), |call| {
        making::find_objects_init(call, session, &template)
    })
}

unsafe extern "C" fn C_GenerateKeyPair(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    public: *mut CK_ATTRIBUTE,
    publics: CK_ULONG,
    private: *mut CK_ATTRIBUTE,
    privates: CK_ULONG,
    public_handle: *mut CK_OBJECT_HANDLE,
    private_handle: *mut CK_OBJECT_HANDLE,
) -> CK_RV {
    // SAFETY: the caller's own pointers, for this call.
    let (public, private) = unsafe {
        (
            Template::new(public, publics),
            Template::new(private, privates),
        )
    };
    let pair = Pair {
        public,
        private,
        mechanism,
        public_handle,
        private_handle,
    };
    around(Function::GenerateKeyPair, Some(session), |call| {
        making::generate_key_pair(call, session, &pair)
    })
}

unsafe extern "C" fn C_SignInit(
    session: CK_SESSION_HANDLE,
    mechanism: *mut CK_MECHANISM,
    key: CK_OBJECT_HANDLE,
) -> CK_RV {
    around(Function::SignInit, Some(session), |call| {
        signing::sign_init(call, session, mechanism, key)
    })
}

unsafe extern "C" fn C_Sign(
    session: CK_SESSION_HANDLE,
    data: *mut CK_BYTE,
    data_length: CK_ULONG,
    signature: *mut CK_BYTE,
    signature_length: *mut CK_ULONG,
) -> CK_RV {
    let signing = Signing {
        session,
        data,
        data_length,
        signature,
        signature_length,
    };
    match shim::get() {
        Some(shim) if signature.is_null() => signing.ask_length(shim),
        _ => around(Function::Sign, Some(session), |call| signing.sign(call)),
    }
}

unsupported! {
    C_GetOperationState(CK_SESSION_HANDLE, *mut CK_BYTE, *mut CK_ULONG);
    C_SetOperationState(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, CK_OBJECT_HANDLE, CK_OBJECT_HANDLE);
    C_EncryptUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG);
    C_EncryptFinal(CK_SESSION_HANDLE, *mut CK_BYTE, *mut CK_ULONG);
    C_DecryptUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG);
    C_DecryptFinal(CK_SESSION_HANDLE, *mut CK_BYTE, *mut CK_ULONG);
    C_DigestUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG);
    C_DigestKey(CK_SESSION_HANDLE, CK_OBJECT_HANDLE);
    C_DigestFinal(CK_SESSION_HANDLE, *mut CK_BYTE, *mut CK_ULONG);
    C_SignUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG);
    C_SignFinal(CK_SESSION_HANDLE, *mut CK_BYTE, *mut CK_ULONG);
    C_SignRecoverInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE);
    C_SignRecover(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG);
    C_VerifyUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG);
    C_VerifyFinal(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG);
    C_VerifyRecoverInit(CK_SESSION_HANDLE, *mut CK_MECHANISM, CK_OBJECT_HANDLE);
    C_VerifyRecover(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG);
    C_DigestEncryptUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG);
    C_DecryptDigestUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG);
    C_SignEncryptUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG);
    C_DecryptVerifyUpdate(CK_SESSION_HANDLE, *mut CK_BYTE, CK_ULONG, *mut CK_BYTE, *mut CK_ULONG);
    C_GetFunctionStatus(CK_SESSION_HANDLE);
    C_CancelFunction(CK_SESSION_HANDLE);
}

macro_rules! list {
    ($($function:ident)*) => {
        static LIST: CK_FUNCTION_LIST = CK_FUNCTION_LIST {
            version: c::CK_VERSION { major: 2, minor: 40 },
            $($function: Some($function)),*
        };
    };
}

list! {
    C_Initialize C_Finalize C_GetInfo C_GetFunctionList C_GetSlotList C_GetSlotInfo C_GetTokenInfo C_GetMechanismList
    C_GetMechanismInfo C_InitToken C_InitPIN C_SetPIN C_OpenSession C_CloseSession C_CloseAllSessions C_GetSessionInfo
    C_GetOperationState C_SetOperationState C_Login C_Logout C_CreateObject C_CopyObject C_DestroyObject C_GetObjectSize
    C_GetAttributeValue C_SetAttributeValue C_FindObjectsInit C_FindObjects C_FindObjectsFinal C_EncryptInit C_Encrypt
    C_EncryptUpdate C_EncryptFinal C_DecryptInit C_Decrypt C_DecryptUpdate C_DecryptFinal C_DigestInit C_Digest
    C_DigestUpdate C_DigestKey C_DigestFinal C_SignInit C_Sign C_SignUpdate C_SignFinal C_SignRecoverInit C_SignRecover
    C_VerifyInit C_Verify C_VerifyUpdate C_VerifyFinal C_VerifyRecoverInit C_VerifyRecover C_DigestEncryptUpdate
    C_DecryptDigestUpdate C_SignEncryptUpdate C_DecryptVerifyUpdate C_GenerateKey C_GenerateKeyPair C_WrapKey C_UnwrapKey
    C_DeriveKey C_SeedRandom C_GenerateRandom C_GetFunctionStatus C_CancelFunction C_WaitForSlotEvent
}
