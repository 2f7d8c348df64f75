//! The real module, loaded once and never let go.
#![allow(unsafe_code, reason = "loads a C library")]

use std::path::Path;

use cryptoki_sys as c;

/// The real module and its functions.
pub(crate) struct Real {
    pub(crate) functions: c::CK_FUNCTION_LIST,
    /// Holds the library: the functions lie in it.
    _library: c::Pkcs11,
}

impl Real {
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        // SAFETY: the test names a PKCS#11 module, whose initialisers may run.
        let library = unsafe { c::Pkcs11::new(path) }.map_err(|error| error.to_string())?;
        let mut list = std::ptr::null_mut();
        // SAFETY: `list` is a valid place for one pointer (PKCS#11 3.0 §5.4.4).
        let code = unsafe { library.C_GetFunctionList(&raw mut list) };
        if code != c::CKR_OK || list.is_null() {
            return Err(format!("C_GetFunctionList of {} failed", path.display()));
        }
        // SAFETY: the module gave a list that is valid as long as it is loaded; a list of a later version begins alike.
        let functions = unsafe { *list };
        Ok(Self {
            functions,
            _library: library,
        })
    }
}

/// Calls a function of the real module.
macro_rules! ask {
    ($shim:expr, $function:ident($($argument:expr),* $(,)?)) => {
        match $shim.real.functions.$function {
            // SAFETY: the arguments are the caller's own, passed on unchanged, or point to live values of this frame.
            Some(function) => unsafe { function($($argument),*) },
            None => ::cryptoki_sys::CKR_FUNCTION_NOT_SUPPORTED,
        }
    };
}
pub(crate) use ask;
