//! Whatever the bytes: parsing ends without a panic; a refusal is one line that says what is wrong and, where the text
//! tells, on which line; what is accepted is accepted again and means the same.
#![no_main]

use custodyd_policy::Policy;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    match Policy::parse(text) {
        Ok(policy) => {
            let again = Policy::parse(policy.source()).expect("its own source");
            assert_eq!(again.hash(), policy.hash());
            assert!(policy.kinds_changed(&again).is_empty());
            // What was accepted could be done by the people it names.
            assert_eq!(policy.unmet_demand(policy.operators()), None);
        }
        Err(refusal) => {
            let says = refusal.to_string();
            assert!(!says.contains(['\n', '\r']), "several lines: {says}");
            assert!(says.len() < 2_000, "{} bytes: {says}", says.len());
        }
    }
});
