//! The table and target/bench.json.

use std::path::Path;

use serde::Serialize;

use crate::Failure;

/// What a value is held against.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    /// Only shown.
    None,
    AtLeast(f64),
    AtMost(f64),
    Below(f64),
}

impl Goal {
    fn is_met(self, value: f64) -> bool {
        match self {
            Self::None => true,
            Self::AtLeast(least) => value >= least,
            Self::AtMost(most) => value <= most,
            Self::Below(bound) => value < bound,
        }
    }
}

impl std::fmt::Display for Goal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::AtLeast(least) => write!(f, ">= {least}"),
            Self::AtMost(most) => write!(f, "<= {most}"),
            Self::Below(bound) => write!(f, "< {bound}"),
        }
    }
}

#[derive(Debug, Serialize)]
struct Row {
    id: &'static str,
    value: f64,
    unit: &'static str,
    goal: String,
    ok: bool,
}

/// Rows measured in this run.
#[derive(Debug, Default)]
pub(crate) struct Report(Vec<Row>);

impl Report {
    pub(crate) fn add(&mut self, id: &'static str, value: f64, unit: &'static str, goal: Goal) {
        self.0.push(Row {
            id,
            value,
            unit,
            goal: goal.to_string(),
            ok: goal.is_met(value),
        });
    }

    /// Prints the table.
    pub(crate) fn print(&self) {
        println!(
            "\n{:<22} {:>12} {:<6} {:<10} ok",
            "id", "value", "unit", "goal"
        );
        for row in &self.0 {
            let ok = if row.ok { "yes" } else { "NO" };
            println!(
                "{:<22} {:>12.2} {:<6} {:<10} {ok}",
                row.id, row.value, row.unit, row.goal
            );
        }
    }

    /// Writes the file.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        std::fs::write(path, serde_json::to_string_pretty(&self.0)?)?;
        Ok(())
    }
}
