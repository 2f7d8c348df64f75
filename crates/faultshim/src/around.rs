//! What happens around each call: it is counted, and it may meet a fault.
#![allow(unsafe_code, reason = "one fault is a real segmentation fault")]

use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use cryptoki_sys as c;

use crate::counts::Extra;
use crate::function::Function;
use crate::real::ask;
use crate::rules::Injection;
use crate::shim::{self, InForce, Shim};

/// One call, as the functions that may alter their work see it.
pub(crate) struct Call {
    pub(crate) shim: &'static Shim,
    pub(crate) now: Arc<InForce>,
    /// A fault that only the function itself can bring about.
    pub(crate) fault: Option<Injection>,
}

/// Counts a call, lets it meet its fault, and does `work` unless the fault stands in its way.
pub(crate) fn around(
    function: Function,
    session: Option<c::CK_SESSION_HANDLE>,
    work: impl FnOnce(&Call) -> c::CK_RV,
) -> c::CK_RV {
    let Some(shim) = shim::get() else {
        return c::CKR_GENERAL_ERROR;
    };
    let now = shim.in_force();
    shim.counts.call(function);
    let idle = now.rules.idle_ms.map(Duration::from_millis);
    if let Some(session) = session
        && shim.sessions.was_idle(session, idle.or(now.manners.idle))
    {
        return lose(shim, Some(session));
    }
    let fault = now.fault(function);
    if fault.is_some() {
        shim.counts.extra(Extra::Injected);
    }
    let mut call = Call { shim, now, fault };
    match fault {
        None => work(&call),
        Some(Injection::Code(code)) => match function {
            // See `Injection::Code`.
            Function::CloseSession => {
                work(&call);
                code.value()
            }
            // Some of its codes say something about the attributes that were asked for.
            Function::GetAttributeValue => work(&call),
            _ => code.value(),
        },
        Some(Injection::DelayMs(pause)) => {
            sleep(Duration::from_millis(pause));
            work(&call)
        }
        Some(Injection::LateMs(pause)) => {
            let code = work(&call);
            sleep(Duration::from_millis(pause));
            code
        }
        Some(Injection::Hang) => {
            while Arc::ptr_eq(&call.now, &shim.in_force()) {
                sleep(Duration::from_millis(2));
            }
            // A hang of the old rules must not be mistaken for a fault of the new ones.
            call.fault = None;
            work(&call)
        }
        Some(Injection::Crash) => crash(),
        Some(Injection::LostSession) => lose(shim, session),
        Some(Injection::LostLogin) => {
            if let Some(session) = session {
                ask!(shim, C_Logout(session));
            }
            c::CKR_USER_NOT_LOGGED_IN
        }
        Some(
            Injection::WrongSignature
            | Injection::HighS
            | Injection::RepeatedNonce
            | Injection::BiasedNonce(_),
        ) => work(&call),
    }
}

fn lose(shim: &Shim, session: Option<c::CK_SESSION_HANDLE>) -> c::CK_RV {
    if let Some(session) = session {
        ask!(shim, C_CloseSession(session));
        shim.sessions.closed(session, &shim.counts);
    }
    c::CKR_SESSION_HANDLE_INVALID
}

fn crash() -> ! {
    // SAFETY: none. The first page is never mapped, so this write raises SIGSEGV, as a module's own fault would.
    unsafe { std::ptr::without_provenance_mut::<u64>(8).write_volatile(0) };
    std::process::abort()
}
