//! A policy against itself with its rules and limits in another order and under other names: no change.
#![no_main]

mod world;

use custodyd_policy::Policy;
use custodyd_policy::analysis::diff;
use libfuzzer_sys::arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(Some((old, new))) = two_spellings(&mut Unstructured::new(bytes)) else {
        return Corpus::Reject;
    };
    // Conditions may cut requests into more regions than are looked at.
    let Ok(difference) = diff(&old, &new) else {
        return Corpus::Reject;
    };
    assert!(
        difference.is_empty(),
        "{difference}\n{}\n{}",
        old.source(),
        new.source()
    );
    Corpus::Keep
});

fn two_spellings(u: &mut Unstructured<'_>) -> Result<Option<(Policy, Policy)>> {
    let Some(old) = world::any_policy(u)? else {
        return Ok(None);
    };
    let mut blocks: Vec<&str> = old.source().split("[[").collect();
    let mut text = format!("# Another spelling.\n{}", blocks.remove(0));
    while !blocks.is_empty() {
        let block = blocks.swap_remove(u.choose_index(blocks.len())?);
        text += &format!("[[{}", block.replace("id = \"", "id = \"other-"));
    }
    let new = Policy::parse(&text).expect("the same blocks in another order");
    Ok(Some((old, new)))
}
