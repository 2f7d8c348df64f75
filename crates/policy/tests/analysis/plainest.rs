//! Of the requests that refute a claim the plainest is shown: one that takes nothing but asking for it.

use custodyd_policy::analysis::{Answer, Claims, prove_all};
use custodyd_policy::{DestinationClass, Facts};

use crate::{head, parse};

fn allow(id: &str, when: &str) -> String {
    format!("[[rules]]\nid = \"{id}\"\neffect = \"allow\"\nwhen = {{ tier = [\"hot\"], {when} }}\n")
}

/// The request that refutes that what is said of is never allowed.
fn refuting(rules: &str, when: &str) -> Facts {
    let policy = parse(&head(rules));
    let text = format!("[[prove]]\nid = \"c\"\nclaim = \"never\"\nwhen = {{ {when} }}\n");
    let claims = Claims::parse(&policy, &text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let proof = prove_all(&policy, &claims).pop().unwrap();
    let Answer::False { counterexample } = proof.answer else {
        panic!("{proof}");
    };
    counterexample.steps[0].facts.clone()
}

/// What somebody who only asks for it can't bring about.
fn known(facts: &Facts) -> (DestinationClass, Vec<String>) {
    let flags = facts.flags.iter().map(ToString::to_string);
    let tags = facts.tags.iter().map(ToString::to_string);
    (facts.class, flags.chain(tags).collect())
}

fn words(class: DestinationClass, words: &[&str]) -> (DestinationClass, Vec<String>) {
    (class, words.iter().map(ToString::to_string).collect())
}

#[test]
fn a_new_destination_without_a_tag_is_shown_rather_than_a_known_one_with_it() {
    let tagged = allow("tagged", "destination = [\"known\"], tag = [\"t\"]");
    let new = allow("new", "destination = [\"new\"]");
    for rules in [format!("{tagged}{new}"), format!("{new}{tagged}")] {
        let facts = refuting(&rules, "tier = [\"hot\"]");
        assert_eq!(known(&facts), words(DestinationClass::New, &[]));
    }
}

#[test]
fn a_destination_that_is_seen_for_the_first_time_takes_nothing_but_asking() {
    let alike = allow("alike", "destination = [\"new\"], flag = [\"look-alike\"]");
    let first = allow("first", "destination = [\"new\"], flag = [\"first-seen\"]");
    let facts = refuting(&format!("{alike}{first}"), "tier = [\"hot\"]");
    assert_eq!(known(&facts), words(DestinationClass::New, &["first-seen"]));
}

#[test]
fn of_requests_that_take_as_much_the_first_found_is_shown() {
    let known_to_us = allow("known", "destination = [\"known\"]");
    for own in [
        "destination = [\"own\"]",
        "destination = [\"own\"], tag = [\"t\"]",
    ] {
        let facts = refuting(
            &format!("{known_to_us}{}", allow("own", own)),
            "tier = [\"hot\"]",
        );
        assert_eq!(known(&facts), words(DestinationClass::Known, &[]));
    }
}

#[test]
fn the_plainest_is_looked_for_in_every_part_of_what_a_claim_is_about() {
    let rules = allow("u", "destination = [\"known\"], tag = [\"u\"]")
        + &allow("t", "destination = [\"new\"], tag = [\"t\"]");
    let facts = refuting(&rules, "tag = [\"t\", \"u\"]");
    assert_eq!(known(&facts), words(DestinationClass::New, &["t"]));
}

/// Ten rules that ask for something where a known destination has a tag: over a thousand regions.
fn asking() -> String {
    let rule = |number: u32| {
        format!(
            "[[rules]]\nid = \"ask-{number}\"\neffect = \"require\"\nhold = \"1h\"\nwhen = {{ destination = [\"known\"], tag = [\"t{number}\"] }}\n"
        )
    };
    (0..10).map(rule).collect()
}

#[test]
fn the_search_for_a_plainer_request_ends_after_a_thousand_regions() {
    let rules = allow("known", "destination = [\"known\"]") + &asking();
    let facts = refuting(&rules, "tier = [\"hot\"]");
    // The 1,024th region, the last one, has no tag.
    assert_eq!(known(&facts), words(DestinationClass::Known, &["t0"]));
}

#[test]
fn the_search_that_has_ended_looks_at_no_further_part() {
    let rules = allow("first", "destination = [\"new\"], tag = [\"a\"]")
        + &allow("second", "destination = [\"known\"], tag = [\"b\"]")
        + &asking();
    let facts = refuting(&rules, "tag = [\"a\", \"b\"]");
    assert_eq!(known(&facts), words(DestinationClass::Known, &["b", "t0"]));
}
