//! How long it takes to check each example policy and to prove what it promises.

use std::time::Instant;

use custodyd_policy::{
    Policy,
    analysis::{Claims, check, prove_all},
};
use custodyd_testbed::project;

use crate::{
    Failure,
    report::{Goal, Report},
};

/// The examples, and what their seconds are called.
const EXAMPLES: [(&str, &str); 3] = [
    ("small-exchange", "prove_exchange_s"),
    ("institutional-custodian", "prove_custodian_s"),
    ("payroll", "prove_payroll_s"),
];

pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    println!("prove: check and all proofs of each example policy");
    let mut slowest = 0.0_f64;
    for (name, id) in EXAMPLES {
        let folder = project().join("policies/examples").join(name);
        let read = |file: &str| std::fs::read_to_string(folder.join(file));
        let (source, promises) = (read("policy.toml")?, read("proofs.toml")?);
        let begun = Instant::now();
        let policy = Policy::parse(&source)?;
        check(&policy)?;
        let claims = Claims::parse(&policy, &promises)?;
        let proofs = prove_all(&policy, &claims);
        let seconds = begun.elapsed().as_secs_f64();
        if let Some(open) = proofs.iter().find(|proof| !proof.holds()) {
            return Err(format!("{name}: {open}").into());
        }
        report.add(id, seconds, "s", Goal::None);
        slowest = slowest.max(seconds);
    }
    report.add("prove_s", slowest, "s", Goal::Below(2.0));
    Ok(())
}
