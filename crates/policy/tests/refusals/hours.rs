//! Hours on no clock, and holidays that are nowhere written down.

use custodyd_policy::{Policy, PolicyFault};

use crate::common::{ALLOW, HEAD};
use crate::{refusal, refused};

fn source(calendars: &str, hours: &str) -> String {
    let hours = format!("from = \"09:00\", to = \"17:00\", {hours}");
    let rule =
        format!("[[rules]]\nid = \"r\"\neffect = \"deny\"\nwhen = {{ hours = {{ {hours} }} }}\n");
    format!("{HEAD}{calendars}{ALLOW}{rule}")
}

fn hours(calendars: &str, hours: &str) -> PolicyFault {
    let error = refusal(&source(calendars, hours));
    assert!(
        error.line.is_some_and(|line| line > HEAD.lines().count()),
        "{error}"
    );
    *error.fault
}

const TARGET: &str = "[calendars]\ntarget = [\"2026-12-25\"]\n";

#[test]
fn a_time_zone_that_does_not_exist_or_is_one_of_two() {
    for zone in ["Europe/Zuerich", "CET+1", "../zone", "", "europe/zurich"] {
        let fault = hours("", &format!("time_zone = \"{zone}\""));
        refused!(fault, PolicyFault::TimeZone { .. }, "Europe/Zurich");
    }
    let two = "time_zone = \"Europe/Zurich\", utc_offset_minutes = 60";
    refused!(
        hours("", two),
        PolicyFault::TwoClocks { .. },
        "write one of them"
    );
    assert!(Policy::parse(&source("", "time_zone = \"Europe/Zurich\"")).is_ok());
}

#[test]
fn holidays_that_are_nowhere_written_down() {
    refused!(
        hours("", "days = [\"holiday\"]"),
        PolicyFault::HolidayWithoutCalendar { .. },
        "holidays = \"target\""
    );
    refused!(
        hours(TARGET, "days = [\"mon\"], holidays = \"targte\""),
        PolicyFault::UnknownCalendar { .. },
        "write one of: target"
    );
    refused!(
        hours(TARGET, "holidays = \"target\""),
        PolicyFault::HolidaysWithoutDays { .. },
        "changes nothing"
    );
    refused!(
        hours(TARGET, "days = [\"xmas\"], holidays = \"target\""),
        PolicyFault::Syntax { .. },
        "`holiday`"
    );
    assert!(
        Policy::parse(&source(
            TARGET,
            "days = [\"mon\", \"holiday\"], holidays = \"target\""
        ))
        .is_ok()
    );
}

#[test]
fn a_calendar_without_dates_or_with_what_is_none() {
    let calendar = |dates: &str| {
        hours(
            &format!("[calendars]\ntarget = [{dates}]\n"),
            "days = [\"mon\"]",
        )
    };
    refused!(calendar(""), PolicyFault::EmptyCalendar { .. }, "no dates");
    for date in [
        "2026-02-29",
        "2026-1-1",
        "25.12.2026",
        "1969-12-31",
        "2026-12-25T00:00:00Z",
        "",
    ] {
        refused!(
            calendar(&format!("\"{date}\"")),
            PolicyFault::Date { .. },
            "\"2026-12-25\""
        );
    }
    refused!(
        calendar("\"2026-12-25\", \"2026-12-25\""),
        PolicyFault::DateTwice { .. },
        "name it once"
    );
    refused!(
        calendar("2026-12-25"),
        PolicyFault::Syntax { .. },
        "expected a string"
    );
}
