//! While keys that lie wrapped are made and used, and while the canary brings one in: an error or nothing lost.

use custodyd_faultshim::{Code, Function, Injection, Rules};
use custodyd_hsm::{Curve, Hsm as _, Token, make_wrapping_key};

use crate::fixture::{self, Fixture, key, pin, with_shim};

each_code_of! { wrapped:
    a_key_that_cannot_be_wrapped_is_not_handed_out: while_wrapping(WrapKey);
    a_key_that_cannot_be_unwrapped_is_not_handed_out: while_wrapping(UnwrapKey);
    a_session_key_that_cannot_be_destroyed_hinders_nobody: while_wrapping(DestroyObject);
    a_canary_that_cannot_be_brought_in_is_never_sound: while_drawing_nonces(CreateObject);
}

fn while_wrapping(fixture: &Fixture, function: Function) {
    let text = |text: String| text.replace("back_off_ms = 20", "back_off_ms = 0");
    let profile = fixture.profile_with(text);
    make_wrapping_key(
        &profile,
        pin(),
        "so-pin-1".to_owned().into(),
        &key(200),
        "wrapping",
    )
    .unwrap();
    let token = Token::open(&profile, pin(), 1).unwrap();
    let make = || token.generate_wrapped(&key(1), &key(200), Curve::Secp256k1);
    make().unwrap();
    let open = fixture.counts().sessions_open();
    for code in Code::all() {
        let before = fixture.counts().injected();
        fixture.set_rules(&Rules::none().every(function, Injection::Code(code)));
        let made = make();
        if let Ok(made) = &made {
            // A code that comes after the work is done may be borne; what was made must then be good.
            fixture.set_rules(&Rules::none());
            token.check_wrapped(made).unwrap();
        } else {
            let shown = format!("{made:?}");
            assert!(!shown.contains(fixture::PIN), "{shown}");
        }
        assert!(
            fixture.counts().injected() > before,
            "{code} was never returned"
        );
        fixture.set_rules(&Rules::none());
        make().unwrap_or_else(|error| panic!("after {code}: {error}"));
        assert!(
            fixture.counts().sessions_open() <= open,
            "sessions left open after {code}"
        );
    }
}

fn while_drawing_nonces(fixture: &Fixture, function: Function) {
    let text = |text: String| text.replace("back_off_ms = 20", "back_off_ms = 0");
    let token = Token::open(&fixture.profile_with(text), pin(), 1).unwrap();
    let sound = token.canary(32).unwrap();
    let open = fixture.counts().sessions_open();
    for code in Code::all() {
        let before = fixture.counts().injected();
        fixture.set_rules(&Rules::none().every(function, Injection::Code(code)));
        // An error, or the report that it can't be done here: never one that says the nonces are sound.
        if let Ok(report) = token.canary(32) {
            assert_ne!(report, sound, "{code}");
        }
        assert!(
            fixture.counts().injected() > before,
            "{code} was never returned"
        );
        fixture.set_rules(&Rules::none());
        assert_eq!(token.canary(32).unwrap(), sound, "after {code}");
        assert!(
            fixture.counts().sessions_open() <= open,
            "sessions left open after {code}"
        );
    }
}
