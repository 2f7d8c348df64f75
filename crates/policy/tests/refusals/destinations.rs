//! `[destinations]`: each setting is bounded, and what is left out has a value.

use custodyd_policy::{
    DAY_MS, DestinationClass, HOUR_MS, LookAlike, Policy, PolicyFault, Probe, SECOND_MS,
};

use super::common::{ALLOW, HEAD};
use super::{after_head, refused};

fn accepted(rest: &str) -> Policy {
    Policy::parse(&format!("{HEAD}{ALLOW}{rest}")).unwrap()
}

#[test]
fn what_is_left_out_is_four_characters_a_day_and_ten_times() {
    let policy = accepted("[destinations]\nprobe = {}\nlook_alike = {}\n");
    let terms = policy.destinations();
    let four = LookAlike {
        prefix: 4,
        suffix: 4,
    };
    let ten = Probe {
        window_ms: DAY_MS,
        times: 10,
    };
    assert_eq!((terms.look_alike, terms.probe), (four, ten));
    assert_eq!(terms.cool_off_ms, DAY_MS);
    assert_eq!(terms.screening, None);
    assert_eq!(accepted("").destinations(), terms);
}

#[test]
fn what_is_written_counts() {
    let policy = accepted(
        "[destinations]\ncool_off = \"2h\"\nlook_alike = { prefix = 0, suffix = 6 }\n\
         probe = { window = \"1h\", times = 3 }\nscreening = { required_for = [\"new\", \"known\"] }\n",
    );
    let terms = policy.destinations();
    let look_alike = LookAlike {
        prefix: 0,
        suffix: 6,
    };
    assert_eq!(
        (terms.cool_off_ms, terms.look_alike),
        (2 * HOUR_MS, look_alike)
    );
    assert_eq!((terms.probe.window_ms, terms.probe.times), (HOUR_MS, 3));
    let screening = terms.screening.as_ref().unwrap();
    assert_eq!(screening.deadline_ms, 10 * SECOND_MS);
    let classes = [DestinationClass::Known, DestinationClass::New];
    assert!(screening.required_for.iter().eq(&classes));
}

#[test]
fn characters_that_too_many_addresses_share() {
    for table in [
        "{ prefix = 0, suffix = 0 }",
        "{ prefix = 3, suffix = 0 }",
        "{ prefix = 17 }",
        "{ suffix = 256 }",
        "{ suffix = 18446744073709551615 }",
    ] {
        let (line, fault) = after_head(&format!("[destinations]\nlook_alike = {table}\n"));
        refused!(fault, PolicyFault::LookAlike { .. }, "together at least 4");
        assert_eq!(line, 2);
    }
}

#[test]
fn a_probe_of_any_payment_or_of_old_ones() {
    for times in ["0", "1", "1000001"] {
        let (_, fault) = after_head(&format!("[destinations]\nprobe = {{ times = {times} }}\n"));
        refused!(fault, PolicyFault::ProbeTimes { .. }, "times = 10");
    }
    let (_, fault) = after_head("[destinations]\nprobe = { window = \"31d\" }\n");
    refused!(
        fault,
        PolicyFault::DestinationsTooLong { .. },
        "destinations.probe.window is at most 30d"
    );
}

#[test]
fn a_screening_of_nothing_or_of_what_is_denied_anyway() {
    for classes in ["[]", "[\"blocked\"]", "[\"new\", \"blocked\"]"] {
        let (_, fault) = after_head(&format!(
            "[destinations]\nscreening = {{ required_for = {classes} }}\n"
        ));
        refused!(fault, PolicyFault::ScreeningClasses, "denied unasked");
    }
    let (_, fault) = after_head(
        "[destinations]\nscreening = { required_for = [\"new\"], deadline = \"11m\" }\n",
    );
    refused!(
        fault,
        PolicyFault::DestinationsTooLong { .. },
        "destinations.screening.deadline is at most 10m"
    );
}

#[test]
fn the_longest_probe_window_and_screening_are_accepted() {
    let longest = "[destinations]\nprobe = { window = \"30d\" }\nscreening = { required_for = [\"new\"], deadline = \"600s\" }\n";
    let source = format!("{}{longest}{}", crate::HEAD, crate::ALLOW);
    if let Err(error) = custodyd_policy::Policy::parse(&source) {
        panic!("{error}");
    }
}
