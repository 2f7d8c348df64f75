//! Every metric of the daemon: its name, kind, unit, labels and meaning. What `/metrics` says of one comes from here, and so
//! does the table in docs/MONITORING.md; a test compares page, table and a running daemon.
//!
//! Labels are bounded: by the configuration, by the policy in force, or by a list in this program. None holds a person, an
//! address or an id of anything.

mod engine;
mod hsm;
mod money;
mod outside;

use metrics::Unit;

/// What kind of series a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, and begins anew with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size, with sum and count.
    Histogram(Buckets),
}

/// Upper bounds of a histogram's buckets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Buckets {
    /// Seconds, from a millisecond to ten seconds.
    Latency,
    /// Things taken together, from one to five hundred.
    Batch,
}

impl Buckets {
    /// The bounds, ascending.
    pub fn bounds(self) -> &'static [f64] {
        match self {
            Self::Latency => &[
                0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 10.0,
            ],
            Self::Batch => &[1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0],
        }
    }
}

impl Kind {
    /// As Prometheus' text format has it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
        }
    }
}

/// From when on a metric has series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Since the start of any daemon.
    Always,
    /// Since the first of what it counts, or where the configuration asks for it.
    Later,
}

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name. It doesn't change; what must change gets another name.
    pub name: &'static str,
    /// What kind of series.
    pub kind: Kind,
    /// In what it is measured; plain numbers have none.
    pub unit: &'static str,
    /// Names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What it tells, in one sentence.
    pub help: &'static str,
    /// From when on.
    pub shown: Shown,
}

impl Metric {
    const fn new(
        name: &'static str,
        kind: Kind,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self {
            name,
            kind,
            unit: "",
            labels,
            help,
            shown: Shown::Always,
        }
    }

    const fn counter(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(name, Kind::Counter, labels, help)
    }

    const fn gauge(
        name: &'static str,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(name, Kind::Gauge, labels, help)
    }

    const fn histogram(
        name: &'static str,
        buckets: Buckets,
        labels: &'static [&'static str],
        help: &'static str,
    ) -> Self {
        Self::new(name, Kind::Histogram(buckets), labels, help)
    }

    const fn within(mut self, unit: &'static str) -> Self {
        self.unit = unit;
        self
    }

    const fn later(mut self) -> Self {
        self.shown = Shown::Later;
        self
    }

    /// The unit as the metrics library knows it.
    pub(super) fn library_unit(&self) -> Unit {
        match self.unit {
            "seconds" => Unit::Seconds,
            "bytes" => Unit::Bytes,
            _ => Unit::Count,
        }
    }
}

/// All of them, by subject.
pub fn all() -> impl Iterator<Item = &'static Metric> {
    [
        engine::METRICS,
        money::METRICS,
        hsm::METRICS,
        outside::METRICS,
    ]
    .into_iter()
    .flatten()
}

/// The metric of this name.
pub fn find(name: &str) -> Option<&'static Metric> {
    all().find(|metric| metric.name == name)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_and_say_their_kind_and_unit() {
        let mut seen = BTreeSet::new();
        for metric in all() {
            let Metric {
                name, kind, unit, ..
            } = metric;
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("custodyd_"), "{name}");
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            for word in ["seconds", "bytes"] {
                assert_eq!(name.ends_with(word), *unit == word, "{name}: {unit}");
            }
            assert!(
                !metric.help.is_empty() && !metric.help.ends_with('.'),
                "{name}"
            );
        }
    }
}
