//! Finding entries. What is looked for by kind, person or id is read off the index of subjects, commit by commit; so a page
//! costs what it shows, however long the journal is.

use std::collections::BTreeMap;

use custodyd_policy::{ClientId, OperatorId, Timestamp};

use super::super::Fault;
use crate::{
    console::words::{Moment, spoken},
    engine::{read_event, subjects},
    journal::JournalRow,
    store::{Store, StoreError},
};

/// Entries on a page.
const PAGE: usize = 50;
/// Entries that are looked through for a page.
const MOST_READ: usize = 20_000;
/// Entries read in one go.
const AT_ONCE: u32 = 500;
/// Commits read off the index in one go.
const COMMITS: u32 = 64;
const DAY_MS: u64 = 24 * 3_600_000;

/// Kinds to choose from, as the journal names them.
pub(super) const KINDS: [&str; 41] = [
    "vault_created",
    "key_requested",
    "keys_requested",
    "key_made",
    "key_compromised",
    "withdrawal_requested",
    "withdrawal_judged",
    "approved",
    "rejected",
    "cancelled",
    "expired",
    "hold_ended",
    "planning_blocked",
    "screening_passed",
    "screening_refused",
    "prices_set",
    "transaction_planned",
    "transaction_signed",
    "transaction_broadcast",
    "transaction_included",
    "transaction_reorged",
    "transaction_final",
    "transaction_conflicted",
    "coins_observed",
    "account_observed",
    "fee_observed",
    "frozen",
    "unfreeze_voted",
    "unfrozen",
    "restore_accepted",
    "proposed",
    "proposal_approved",
    "proposal_vetoed",
    "proposal_passed",
    "proposal_enacted",
    "proposal_ended",
    "enrolled",
    "passkey_counted",
    "cold_export_requested",
    "cold_export_built",
    "cold_imported",
];

/// What is looked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::console::pages) struct Wanted {
    /// A kind of entry.
    pub(in crate::console::pages) kind: String,
    /// What it is about: an id, or `wallet/…`.
    pub(in crate::console::pages) about: String,
    /// Who did it: `operator/…` or `client/…`.
    pub(in crate::console::pages) by: String,
    /// The first day, `2026-03-04`.
    pub(in crate::console::pages) from: String,
    /// The last day.
    pub(in crate::console::pages) to: String,
    from_ms: Option<u64>,
    /// The first instant after the last day.
    to_ms: Option<u64>,
    /// Only entries before this one.
    before: Option<u64>,
}

/// One entry in the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console::pages) struct Line {
    pub(in crate::console::pages) seq: u64,
    pub(in crate::console::pages) kind: String,
    pub(in crate::console::pages) at: Moment,
    pub(in crate::console::pages) subjects: Vec<String>,
    /// The first 16 digits of its hash.
    pub(in crate::console::pages) hash: String,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) lines: Vec<Line>,
    /// Where the next page begins, if there may be one.
    pub(super) next: Option<u64>,
    /// Whether looking ended before the page was full.
    pub(super) cut: bool,
}

impl Wanted {
    /// Reads a query, strictly: what can't be in the index is not looked for there.
    pub(in crate::console::pages) fn read(query: &BTreeMap<String, String>) -> Result<Self, Fault> {
        let text = |name: &str| {
            query
                .get(name)
                .map(|text| text.trim().to_owned())
                .unwrap_or_default()
        };
        let wanted = Self {
            kind: text("kind"),
            about: text("about"),
            by: text("by"),
            from: text("from"),
            to: text("to"),
            from_ms: day(&text("from"))?,
            to_ms: day(&text("to"))?.map(|at| at.saturating_add(DAY_MS)),
            before: match text("before").as_str() {
                "" => None,
                number => Some(number.parse().map_err(|_| {
                    Fault::malformed("The place to go on before is not one that a page named.")
                })?),
            },
        };
        if !wanted.kind.is_empty() && !KINDS.contains(&wanted.kind.as_str()) {
            return Err(Fault::malformed("There is no kind of entry of that name."));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'/');
        if wanted.about.len() > 128 || !wanted.about.bytes().all(plain) {
            return Err(Fault::malformed(
                "An entry is about an id such as wd_…, tx_…, ex_…, pr_… or wallet/hot-ltc.",
            ));
        }
        let person = wanted.by.is_empty()
            || wanted
                .by
                .strip_prefix("operator/")
                .is_some_and(|id| id.parse::<OperatorId>().is_ok())
            || wanted
                .by
                .strip_prefix("client/")
                .is_some_and(|id| id.parse::<ClientId>().is_ok());
        if !person {
            return Err(Fault::malformed("Write operator/ or client/ and a name."));
        }
        Ok(wanted)
    }

    /// The address of the page that goes on before entry `before`.
    pub(super) fn address(&self, before: u64) -> String {
        let mut address = format!("/console/journal?before={before}");
        for (name, value) in [
            ("kind", &self.kind),
            ("about", &self.about),
            ("by", &self.by),
            ("from", &self.from),
            ("to", &self.to),
        ] {
            if !value.is_empty() {
                address.push_str(&format!("&{name}={value}"));
            }
        }
        address
    }

    /// What must all be among an entry's subjects, the rarest first.
    fn subjects(&self) -> Vec<String> {
        let kind = match self.kind.as_str() {
            "" => String::new(),
            kind => format!("kind/{kind}"),
        };
        let all = [self.about.clone(), self.by.clone(), kind];
        all.into_iter()
            .filter(|subject| !subject.is_empty())
            .collect()
    }
}

/// The first instant of a day, Unix milliseconds.
fn day(text: &str) -> Result<Option<u64>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let at: Result<Timestamp, _> = format!("{text}T00:00:00Z").parse();
    at.map(|at| Some(at.as_ms()))
        .map_err(|_| Fault::malformed("A day is written like 2026-03-04."))
}

/// The newest entries that match.
pub(super) async fn search(
    store: &Store,
    vault: &str,
    wanted: &Wanted,
    now: Timestamp,
) -> Result<Found, StoreError> {
    let last = store.last_head(vault).await?.map_or(0, |head| head.seq);
    let mut through = match wanted.to_ms {
        Some(at) => store.seq_at(vault, at).await?.saturating_sub(1),
        None => last,
    };
    if let Some(before) = wanted.before {
        through = through.min(before.saturating_sub(1));
    }
    let floor = match wanted.from_ms {
        Some(at) => store.seq_at(vault, at).await?.saturating_sub(1),
        None => 0,
    };
    let subjects = wanted.subjects();
    let mut reading = Reading {
        store,
        vault,
        subjects: &subjects,
        floor,
        now,
        read: 0,
        found: Found::default(),
    };
    match subjects.first() {
        Some(rarest) => reading.by_commits(rarest, through).await?,
        None => {
            reading.down(through, floor).await?;
        }
    }
    Ok(reading.found)
}

/// A search under way.
struct Reading<'a> {
    store: &'a Store,
    vault: &'a str,
    subjects: &'a [String],
    floor: u64,
    now: Timestamp,
    read: usize,
    found: Found,
}

impl Reading<'_> {
    /// Looks through the commits that speak of a subject, newest first.
    async fn by_commits(&mut self, subject: &str, through: u64) -> Result<(), StoreError> {
        let Some(head) = self.store.head_over(self.vault, through).await? else {
            return Ok(());
        };
        let mut newest = head.seq;
        loop {
            let commits = self
                .store
                .commits_about(self.vault, subject, newest, COMMITS)
                .await?;
            let Some(oldest) = commits.last().copied() else {
                return Ok(());
            };
            for head_seq in commits {
                if head_seq <= self.floor {
                    return Ok(());
                }
                let before = self.store.head_before(self.vault, head_seq).await?;
                let began = before.map_or(0, |head| head.seq).max(self.floor);
                if !self.down(head_seq.min(through), began).await? {
                    return Ok(());
                }
            }
            newest = oldest.saturating_sub(1);
        }
    }

    /// Looks through the entries from `through` down to above `floor`; says whether to go on.
    async fn down(&mut self, mut through: u64, floor: u64) -> Result<bool, StoreError> {
        while through > floor {
            let rows = self
                .store
                .journal_back(self.vault, through, floor, AT_ONCE)
                .await?;
            let Some(oldest) = rows.last().map(|row| row.seq) else {
                break;
            };
            for row in &rows {
                if self.found.lines.len() >= PAGE || self.read >= MOST_READ {
                    self.found.next = Some(row.seq.saturating_add(1));
                    self.found.cut = self.found.lines.len() < PAGE;
                    return Ok(false);
                }
                self.read = self.read.saturating_add(1);
                self.take(row);
            }
            through = oldest.saturating_sub(1);
        }
        Ok(true)
    }

    fn take(&mut self, row: &JournalRow) {
        let kind = format!("kind/{}", row.kind);
        // An entry that doesn't hold the id's text isn't about it: most are told so without being read.
        let may_match = self.subjects.iter().all(|subject| {
            let bare = subject
                .split_once('/')
                .map_or(subject.as_str(), |(_, name)| name);
            *subject == kind || (!subject.starts_with("kind/") && row.event.contains(bare))
        });
        if !may_match {
            return;
        }
        let found = subjects_of(row);
        if self
            .subjects
            .iter()
            .all(|s| *s == kind || found.contains(s))
        {
            self.found.lines.push(Line {
                seq: row.seq,
                kind: spoken(&row.kind),
                at: Moment::of(Timestamp::from_ms(row.at_ms), self.now),
                subjects: found,
                hash: hex::encode(row.hash).chars().take(16).collect(),
            });
        }
    }
}

/// What an entry is about, less its kind. An event that can't be read is about nothing; the audit says so.
pub(super) fn subjects_of(row: &JournalRow) -> Vec<String> {
    let Ok(recorded) = read_event(row) else {
        return Vec::new();
    };
    let found = subjects(&recorded.event).into_iter();
    found
        .filter(|subject| !subject.starts_with("kind/"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(query: &[(&str, &str)]) -> Result<Wanted, Fault> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Wanted::read(&query.iter().map(owned).collect())
    }

    #[test]
    fn what_is_looked_for_is_read_strictly_and_written_back_into_the_next_pages_address() {
        let wanted = read(&[
            ("kind", "approved"),
            ("by", "operator/alice"),
            ("from", "2026-03-04"),
            ("to", "2026-03-04"),
        ])
        .unwrap();
        assert_eq!(wanted.to_ms.unwrap() - wanted.from_ms.unwrap(), DAY_MS);
        assert_eq!(wanted.subjects(), ["operator/alice", "kind/approved"]);
        assert_eq!(
            wanted.address(7),
            "/console/journal?before=7&kind=approved&by=operator/alice&from=2026-03-04&to=2026-03-04"
        );
        for query in [
            ("kind", "approvedx"),
            ("about", "wd_1' OR 1=1"),
            ("about", "wd_%"),
            ("by", "alice"),
            ("by", "operator/Al ice"),
            ("from", "2026-13-01"),
            ("from", "yesterday"),
            ("before", "-1"),
        ] {
            assert!(read(&[query]).is_err(), "{query:?}");
        }
    }

    #[test]
    fn the_kinds_to_choose_from_are_those_that_the_journal_writes() {
        let source = include_str!("../../../../crates/vault/src/event/kind.rs");
        let written: Vec<&str> = source
            .split("=> \"")
            .skip(1)
            .filter_map(|rest| rest.split('"').next())
            .collect();
        assert_eq!(written, KINDS);
    }
}
