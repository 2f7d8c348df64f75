//! Every return code of PKCS#11 3.0, from every function that this crate calls: the right class of error, no crash, no
//! session left open, and work goes on when the fault is over.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

#[path = "../fixture/mod.rs"]
mod fixture;

/// A test for each function, and the list of them. `way(Function, …)` calls `way(fixture, Function::Function, …)`.
macro_rules! each_code_of {
    ($module:ident: $($test:ident: $way:ident($function:ident $(, $argument:expr)*);)*) => {
        /// The functions that return each code here.
        pub(super) const TRIED: &[Function] = &[$(Function::$function),*];

        $(
            #[test]
            fn $test() {
                with_shim(concat!(stringify!($module), "::", stringify!($test)), |fixture| {
                    $way(fixture, Function::$function $(, $argument)*);
                });
            }
        )*
    };
}

mod ceremony;
mod classes;
mod opening;
mod working;
mod wrapped;

use std::collections::BTreeSet;

use classes::Expected;
use custodyd_faultshim::Code;
use custodyd_hsm::{Curve, Hsm as _, HsmError, Token};
use fixture::{Fixture, LONG, TRIED, key, pin};

/// Behind each test of the suite that goes through the shim stands the other half: nothing else was called
/// (`fixture/tried.rs`).
#[test]
fn every_function_in_use_is_made_to_return_every_code() {
    let here = [
        opening::TRIED,
        working::TRIED,
        wrapped::TRIED,
        ceremony::TRIED,
    ]
    .concat();
    let here: BTreeSet<_> = here.into_iter().collect();
    assert_eq!(here, TRIED.iter().copied().collect());
}

pub(crate) fn open(fixture: &Fixture) -> Result<Token, HsmError> {
    let text = |text: String| {
        text.replace("back_off_ms = 20", "back_off_ms = 0")
            .replace("open_ms = 30000", "open_ms = 2000")
    };
    Token::open(&fixture.profile_with(text), pin(), 1)
}

pub(crate) fn sign(token: &Token) -> Result<(), HsmError> {
    token
        .sign(&key(1), Curve::Secp256k1, [1; 32], LONG)
        .map(drop)
}

pub(crate) fn assert_ends(result: Result<(), HsmError>, expected: Expected, code: Code) {
    let ended = result.as_ref().copied().map_err(HsmError::class);
    assert_eq!(ended, expected, "{code}: {result:?}");
    if let Err(error) = result {
        let shown = format!("{error} {error:?}");
        assert!(!shown.contains(fixture::PIN), "{shown}");
    }
}
