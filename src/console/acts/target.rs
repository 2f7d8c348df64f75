//! What may be done from the console: a list. Whatever isn't on it is refused, signed or not.

use custodyd_vault::ExportId;

use crate::{problem::Problem, stored_request::Stated};

/// What an act is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Target {
    /// Handed to the engine.
    Write,
    /// Handed to the engine, with a bundle.
    Import,
    /// Answered here.
    Read(Download),
}

/// Something that leaves the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Download {
    /// A cold export's bundle.
    Bundle(ExportId),
    /// Rows of the journal: those after `after`, up to and with `until`.
    Journal {
        /// 0 for all.
        after: u64,
        /// The last row.
        until: u64,
    },
}

impl Target {
    /// What a statement is about.
    ///
    /// # Errors
    /// 403: nothing that is done from the console.
    pub(super) fn of(stated: &Stated) -> Result<Self, Problem> {
        match stated {
            Stated::Approval(_) | Stated::Governance(_) => Ok(Self::Write),
            Stated::Act(act) => Self::named(&act.method, &act.target),
        }
    }

    /// What a method and target of the API name.
    ///
    /// # Errors
    /// As [`Target::of`].
    pub(super) fn named(method: &str, target: &str) -> Result<Self, Problem> {
        let parts: Vec<&str> = target
            .strip_prefix("/v1/")
            .unwrap_or_default()
            .split('/')
            .collect();
        match (method, parts.as_slice()) {
            (
                "POST",
                ["freeze" | "unfreeze" | "proposals" | "withdrawals"]
                | ["cold", "exports"]
                | ["wallets", _, "addresses"],
            ) => Ok(Self::Write),
            ("POST", ["cold", "imports"]) => Ok(Self::Import),
            ("GET", ["cold", "exports", id, "bundle"]) => {
                let id = id.parse();
                let id = id.map_err(|_| Problem::not_found("there is no such export"))?;
                Ok(Self::Read(Download::Bundle(id)))
            }
            ("GET", _) if let Some((after, until)) = rows(target) => {
                Ok(Self::Read(Download::Journal { after, until }))
            }
            _ => Err(Problem::forbidden(format!(
                "{method} {target} is not done from the console"
            ))),
        }
    }
}

/// `/console/journal/export?after=0&until=9`
fn rows(target: &str) -> Option<(u64, u64)> {
    let query = target.strip_prefix("/console/journal/export?after=")?;
    let (after, until) = query.split_once("&until=")?;
    let number = |text: &str| {
        let number: u64 = text.parse().ok()?;
        (number.to_string() == text).then_some(number)
    };
    Some((number(after)?, number(until)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_on_the_list_is_refused() {
        let export = "GET /v1/cold/exports/ex_00000000000000000000000000000001/bundle";
        for named in [
            "POST /v1/freeze",
            "POST /v1/wallets/hot-ltc/addresses",
            "POST /v1/cold/imports",
            export,
            "GET /console/journal/export?after=0&until=18446744073709551615",
        ] {
            let (method, target) = named.split_once(' ').unwrap();
            assert!(Target::named(method, target).is_ok(), "{named}");
        }
        for other in [
            "GET /v1/freeze",
            "POST /v1/enrolments",
            "POST /v1/withdrawals/simulate",
            "POST /v1/withdrawals/wd_00000000000000000000000000000000/approvals",
            "POST /v1/proposals/pr_00000000000000000000000000000000/vetoes",
            "PUT /v1/prices",
            "GET /v1/journal",
            "GET /v1/cold/exports/../bundle",
            "GET /console/journal/export?after=00&until=9",
            "GET /console/journal/export?after=1&until=9&x=1",
            "POST /v1/freeze?x=1",
            "POST freeze",
            "DELETE /v1/proposals",
        ] {
            let (method, target) = other.split_once(' ').unwrap();
            assert!(Target::named(method, target).is_err(), "{other}");
        }
    }
}
