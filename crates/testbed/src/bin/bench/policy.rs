//! A verdict's cost, as `crates/policy/examples/verdict_cost.rs` measures it in a process of its own: its allocator counts,
//! which nothing else should pay for.

use std::process::Command;

use serde::Deserialize;

use crate::{
    Failure, program,
    report::{Goal, Report},
};

/// What the example prints.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cost {
    policy_p50_us: f64,
    policy_p99_us: f64,
    policy_growth: f64,
    policy_allocations: f64,
    policy_allocation_growth: f64,
    policy_book_mib: f64,
}

pub(crate) fn measure(report: &mut Report) -> Result<(), Failure> {
    println!(
        "policy: verdicts with 1,000 rules and 100 limits, after 10,000 and 10,000,000 withdrawals"
    );
    let output = Command::new(program("examples/verdict_cost")).output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let cost: Cost = serde_json::from_slice(&output.stdout)?;
    report.add(
        "policy_p50_us",
        cost.policy_p50_us,
        "µs",
        Goal::AtMost(20.0),
    );
    report.add(
        "policy_p99_us",
        cost.policy_p99_us,
        "µs",
        Goal::AtMost(100.0),
    );
    report.add(
        "policy_growth",
        cost.policy_growth,
        "ratio",
        Goal::AtMost(1.1),
    );
    report.add(
        "policy_allocations",
        cost.policy_allocations,
        "count",
        Goal::None,
    );
    let growth = cost.policy_allocation_growth;
    report.add("policy_alloc_growth", growth, "ratio", Goal::AtMost(1.001));
    report.add("policy_book_mib", cost.policy_book_mib, "MiB", Goal::None);
    Ok(())
}
