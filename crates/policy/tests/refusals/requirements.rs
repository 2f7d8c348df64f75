//! Requirements that nobody could meet, or that say less than they seem to; organisations that are none.

use custodyd_policy::{Policy, PolicyFault, Tier};

use crate::common::{ALLOW, HEAD};
use crate::{refusal, refused, rule};

fn ask(list: &str) -> PolicyFault {
    rule(&format!("effect = \"require\"\nrequire = [{list}]"))
}

fn with_organisations(organisations: &str, list: &str) -> Result<Policy, Box<PolicyFault>> {
    let head = HEAD.replace(
        "[governance]",
        &format!("[organisations]\n{organisations}\n[governance]"),
    );
    let rule = format!("[[rules]]\nid = \"r\"\neffect = \"require\"\nrequire = [{list}]\n");
    Policy::parse(&format!("{head}{ALLOW}{rule}")).map_err(|error| {
        assert!(error.line.is_some(), "no line: {error}");
        error.fault
    })
}

const T1: &str = "{ group = \"treasury\", quorum = 1 }";
const T2: &str = "{ group = \"treasury\", quorum = 2 }";
const S1: &str = "{ group = \"security\", quorum = 1 }";
const S2: &str = "{ group = \"security\", quorum = 2 }";

#[test]
fn a_requirement_of_no_known_form() {
    for one in [
        "{}",
        "{ group = \"treasury\" }",
        "{ quorum = 2 }",
        &format!("{{ any_of = [{T1}], all_of = [{S1}] }}"),
        &format!("{{ group = \"treasury\", quorum = 1, any_of = [{S1}] }}"),
        &format!("{{ organisations = 2, all_of = [{S1}] }}"),
    ] {
        refused!(
            ask(one),
            PolicyFault::RequirementForm { .. },
            "{ any_of = […] }"
        );
    }
    refused!(
        ask("{ any_of = [] }"),
        PolicyFault::NoRequirements { .. },
        "empty list"
    );
    refused!(
        ask("{ one_of = [] }"),
        PolicyFault::Syntax { .. },
        "unknown field `one_of`"
    );
}

#[test]
fn an_alternative_that_nobody_could_take() {
    let choice = |other: &str| ask(&format!("{{ any_of = [{T1}, {other}] }}"));
    refused!(
        choice("{ group = \"security\", quorum = 3 }"),
        PolicyFault::QuorumAboveGroup { .. },
        "at most 2"
    );
    refused!(
        choice("{ group = \"board\", quorum = 1 }"),
        PolicyFault::UnknownGroup { .. },
        "no group \"board\""
    );
    // Carol is in both groups, and there are four people.
    let all =
        "{ all_of = [{ group = \"treasury\", quorum = 3 }, { group = \"security\", quorum = 2 }] }";
    refused!(
        choice(all),
        PolicyFault::QuorumsOverlap { .. },
        "2 of security and 3 of treasury cannot be met"
    );
    refused!(
        ask(&format!(
            "{{ group = \"treasury\", quorum = 3 }}, {{ any_of = [{S1}, {S2}] }}"
        )),
        PolicyFault::QuorumsOverlap { .. },
        "3 of treasury and 2 of security cannot be met"
    );
}

#[test]
fn what_is_asked_for_twice_in_one_breath() {
    refused!(
        ask(&format!("{T1}, {{ all_of = [{S1}, {T2}] }}")),
        PolicyFault::GroupTwice { .. },
        "the higher quorum"
    );
    refused!(
        ask(&format!(
            "{{ any_of = [{S1}, {T1}, {{ any_of = [{T1}] }}] }}"
        )),
        PolicyFault::RequirementTwice { .. },
        "\"1 of treasury\" is written twice"
    );
    let choice = format!("{{ any_of = [{S1}, {T1}] }}");
    refused!(
        ask(&format!("{choice}, {choice}")),
        PolicyFault::RequirementTwice { .. },
        "write it once"
    );
}

#[test]
fn requirements_beyond_what_anybody_reads() {
    let deep = |levels: usize| {
        let (open, close) = ("{ any_of = [".repeat(levels), "] }".repeat(levels));
        format!("{open}{T1}{close}")
    };
    refused!(
        ask(&deep(5)),
        PolicyFault::RequirementTooDeep { .. },
        "4 deep"
    );
    let source = format!(
        "{HEAD}{ALLOW}[[rules]]\nid = \"r\"\neffect = \"require\"\nrequire = [{}]\n",
        deep(4)
    );
    assert!(Policy::parse(&source).is_ok());
    refused!(ask(&deep(10_000)), PolicyFault::Syntax { .. }, "");
    let many = format!("{{ any_of = [{}] }}", format!("{T1}, ").repeat(33));
    refused!(
        ask(&many),
        PolicyFault::TooManyQuorums { found: 33, .. },
        "at most 32"
    );
    // Three of ten alternatives each: a thousand ways.
    let groups: String = (0..10)
        .map(|g| format!("g{g} = [\"p{g}\", \"q{g}\", \"r{g}\"]\n"))
        .collect();
    let head = HEAD.replace("[governance]", &format!("{groups}[governance]"));
    let choice = |quorum: u32| {
        let list: Vec<_> = (0..10)
            .map(|g| format!("{{ group = \"g{g}\", quorum = {quorum} }}"))
            .collect();
        format!("{{ any_of = [{}] }}", list.join(", "))
    };
    let list = format!("{}, {}, {}", choice(1), choice(2), choice(3));
    let source =
        format!("{head}{ALLOW}[[rules]]\nid = \"r\"\neffect = \"require\"\nrequire = [{list}]\n");
    refused!(
        refusal(&source).fault,
        PolicyFault::TooManyWays { .. },
        "more than 256 ways"
    );
}

#[test]
fn choices_that_are_few_by_rule_and_many_together() {
    let groups: String = (0..16).map(|g| format!("g{g:02} = [\"p{g}\"]\n")).collect();
    let head = HEAD.replace("[governance]", &format!("{groups}[governance]"));
    let choice = |n: usize| {
        let group = |g: usize| format!("{{ group = \"g{g:02}\", quorum = 1 }}");
        format!("{{ any_of = [{}, {}] }}", group(2 * n), group(2 * n + 1))
    };
    // Eight choices of two: 256 ways for each rule.
    let list = (0..8).map(choice).collect::<Vec<_>>().join(", ");
    let rules = |count: usize| -> String {
        let rule =
            |n| format!("[[rules]]\nid = \"r{n}\"\neffect = \"require\"\nrequire = [{list}]\n");
        (0..count).map(rule).collect()
    };
    let with = |count| format!("{head}{ALLOW}{}", rules(count));
    assert!(Policy::parse(&with(4)).is_ok());
    refused!(
        refusal(&with(5)).fault,
        PolicyFault::TooManyWays { .. },
        "more than 1024"
    );
}

#[test]
fn organisations_that_the_people_do_not_belong_to() {
    let acme = "acme = [\"alice\", \"bob\"]";
    let two = "{ group = \"treasury\", quorum = 2, organisations = 2 }";
    refused!(
        with_organisations(acme, two).unwrap_err(),
        PolicyFault::OrganisationsAboveGroup { represented: 1, .. },
        "[organisations]"
    );
    assert!(with_organisations(&format!("{acme}\numbrella = [\"carol\"]"), two).is_ok());
    refused!(
        ask(two),
        PolicyFault::OrganisationsAboveGroup { represented: 0, .. },
        "belong to 0"
    );
    for organisations in [0, 3] {
        let list =
            format!("{{ group = \"treasury\", quorum = 2, organisations = {organisations} }}");
        refused!(
            ask(&list),
            PolicyFault::OrganisationsOutOfRange { .. },
            "from 1 to 2"
        );
    }
    for (organisations, says) in [
        ("acme = []", "nobody in it"),
        ("acme = [\"zoe\"]", "in no group"),
        ("acme = [\"alice\", \"alice\"]", "one organisation, once"),
        (
            "acme = [\"alice\"]\numbrella = [\"alice\"]",
            "named in \"acme\"",
        ),
    ] {
        let fault = with_organisations(organisations, T1)
            .unwrap_err()
            .to_string();
        assert!(fault.contains(says), "{fault}");
    }
}

#[test]
fn more_operators_than_can_be_looked_at_one_by_one() {
    let names = |count: usize| {
        (0..count)
            .map(|n| format!("\"p{n}\""))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let with = |count| {
        HEAD.replace(
            "[governance]",
            &format!("many = [{}]\n[governance]", names(count)),
        ) + ALLOW
    };
    refused!(
        refusal(&with(257)).fault,
        PolicyFault::TooManyOperators,
        "at most 256"
    );
    assert!(Policy::parse(&with(252)).is_ok());
}

#[test]
fn a_tier_whose_floor_is_written_twice_or_not_at_all() {
    let warm = |floor: &str| {
        format!(
            "{}{ALLOW}",
            HEAD.replace("warm = { group = \"treasury\" }", floor)
        )
    };
    for floor in [
        "warm = { hold = \"1h\" }".to_owned(),
        "warm = { quorum = 2 }".to_owned(),
        format!("warm = {{ group = \"treasury\", require = [{T2}] }}"),
        format!("warm = {{ quorum = 2, require = [{T2}] }}"),
    ] {
        refused!(
            refusal(&warm(&floor)).fault,
            PolicyFault::FloorForm { .. },
            "tiers.warm"
        );
    }
    refused!(
        refusal(&warm("warm = { require = [] }")).fault,
        PolicyFault::NoRequirements { .. },
        "tiers.warm"
    );
    let both = Policy::parse(&warm(&format!("warm = {{ require = [{T2}, {S1}] }}"))).unwrap();
    let floor = both.tier_floor(Tier::Warm).unwrap();
    assert_eq!(
        floor.requirement.to_string(),
        "1 of security and 2 of treasury"
    );
    // A list of one is the same as the short form.
    let list = Policy::parse(&warm(&format!("warm = {{ require = [{T2}] }}"))).unwrap();
    let short = Policy::parse(&warm("warm = { group = \"treasury\" }")).unwrap();
    assert_eq!(list.tier_floor(Tier::Warm), short.tier_floor(Tier::Warm));
}

#[test]
fn as_many_quorums_and_ways_as_there_may_be_are_accepted() {
    let choice = |n: usize, quorum: u32| {
        let group = |m: usize| format!("{{ group = \"g-{n}-{m}\", quorum = {quorum} }}");
        format!(
            "{{ any_of = [{}, {}, {}, {}] }}",
            group(0),
            group(1),
            group(2),
            group(3)
        )
    };
    let groups = |choices: usize| -> String {
        let names = (0..choices).flat_map(|n| (0..4).map(move |m| (n, m)));
        names
            .map(|(n, m)| format!("g-{n}-{m} = [\"p-{n}-{m}\"]\n"))
            .collect()
    };
    let parse = |list: String, choices| {
        let head = HEAD.replace("[groups]", &format!("[groups]\n{}", groups(choices)));
        let rule = format!("[[rules]]\nid = \"r\"\neffect = \"require\"\nrequire = [{list}]\n");
        Policy::parse(&format!("{head}{ALLOW}{rule}")).map_err(|error| error.fault.to_string())
    };
    // Four choices of four: 256 ways. And 32 quorums that are alternatives.
    let four: Vec<String> = (0..4).map(|n| choice(n, 1)).collect();
    assert_eq!(parse(four.join(", "), 4).err(), None);
    let eight: Vec<String> = (0..8).map(|n| choice(n, 1)).collect();
    assert_eq!(
        parse(format!("{{ any_of = [{}] }}", eight.join(", ")), 8).err(),
        None
    );
}
