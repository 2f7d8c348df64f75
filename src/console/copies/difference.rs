//! Where two rows of a payout differ, in words: every column, and every member of the document. Nothing that was edited goes
//! unnoticed because it can't be read, or reads the same.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::store::WithdrawalRow;

/// Differences of one payout that are told.
const MOST_TOLD: usize = 24;
/// Characters of a value that are told.
const LONGEST: usize = 400;

/// One place at which the database says something else.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Difference {
    /// What it is.
    pub what: String,
    /// What the engine knows.
    pub known: String,
    /// What the database says.
    pub stored: String,
}

/// A row as it came out of the database.
#[derive(Debug)]
pub(in crate::console) enum Stored {
    /// Readable.
    Row(Box<WithdrawalRow>),
    /// Not there.
    Missing,
    /// There, and nothing that the daemon would have written; the reason.
    Unreadable(String),
}

/// Where a stored row differs from the one that the engine's state calls for; nowhere, if nobody touched it.
pub(in crate::console) fn differences(
    known: Option<&WithdrawalRow>,
    stored: &Stored,
) -> Vec<Difference> {
    let whole = |known: &str, stored: &str| vec![told("the withdrawal", known, stored)];
    match (known, stored) {
        (None, Stored::Missing) => Vec::new(),
        (None, _) => whole("no such withdrawal", "a withdrawal of this id"),
        (Some(_), Stored::Missing) => whole("this withdrawal", "nothing: its row is gone"),
        (Some(_), Stored::Unreadable(why)) => whole("this withdrawal", why),
        (Some(known), Stored::Row(row)) if *known == **row => Vec::new(),
        (Some(known), Stored::Row(row)) => of_rows(known, row),
    }
}

fn of_rows(known: &WithdrawalRow, stored: &WithdrawalRow) -> Vec<Difference> {
    let read = |row: &WithdrawalRow| serde_json::from_str::<Value>(&row.document).ok();
    let mut found = Vec::new();
    match (read(known), read(stored)) {
        (Some(ours), Some(theirs)) => walk("", Some(&ours), Some(&theirs), &mut found),
        (_, theirs) => found.push(told(
            "the document",
            &known.document,
            &theirs.map_or_else(
                || format!("no JSON: {}", stored.document),
                |json| json.to_string(),
            ),
        )),
    }
    let nobody = |asked: &Option<String>| match asked {
        Some(names) => names.trim().to_owned(),
        None => "nobody".to_owned(),
    };
    let columns = [
        ("asked for by", known.client.clone(), stored.client.clone()),
        (
            "idempotency key",
            known.idempotency_key.clone(),
            stored.idempotency_key.clone(),
        ),
        ("listed as", known.state.clone(), stored.state.clone()),
        (
            "listed under wallet",
            known.wallet.clone(),
            stored.wallet.clone(),
        ),
        (
            "listed from entry",
            known.created_seq.to_string(),
            stored.created_seq.to_string(),
        ),
        (
            "in the queue of",
            nobody(&known.asked),
            nobody(&stored.asked),
        ),
        (
            "place in the queue",
            known.queue_rank.to_string(),
            stored.queue_rank.to_string(),
        ),
    ];
    let columns = columns.iter().filter(|(_, ours, theirs)| ours != theirs);
    found.extend(columns.map(|(what, ours, theirs)| told(what, ours, theirs)));
    if found.is_empty() {
        // The same values, and yet not the same bytes: spaces, or members that no reader takes.
        found.push(told("the document", &known.document, &stored.document));
    }
    found.truncate(MOST_TOLD);
    found
}

/// Goes down both documents together.
fn walk(path: &str, known: Option<&Value>, stored: Option<&Value>, found: &mut Vec<Difference>) {
    let below = |step: &str| match path {
        "" => step.replace('_', " "),
        path => format!("{path}, {}", step.replace('_', " ")),
    };
    match (known, stored) {
        _ if known == stored || found.len() > MOST_TOLD => {}
        (Some(Value::Object(ours)), Some(Value::Object(theirs))) => {
            let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
            for name in names {
                walk(&below(name), ours.get(name), theirs.get(name), found);
            }
        }
        (Some(Value::Array(ours)), Some(Value::Array(theirs))) => {
            for place in 0..ours.len().max(theirs.len()) {
                let step = format!("{}.", place.saturating_add(1));
                walk(&below(&step), ours.get(place), theirs.get(place), found);
            }
        }
        _ => found.push(told(path, &said(known), &said(stored))),
    }
}

fn said(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn told(what: &str, known: &str, stored: &str) -> Difference {
    let short = |text: &str| match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    };
    Difference {
        what: what.to_owned(),
        known: short(known),
        stored: short(stored),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row() -> WithdrawalRow {
        WithdrawalRow {
            vault: "main".to_owned(),
            id: "wd_1".to_owned(),
            client: "shop".to_owned(),
            idempotency_key: "k".to_owned(),
            state: "awaiting_approval".to_owned(),
            created_seq: 7,
            document: r#"{"amount":"2","statement":{"effects":[{"amount":"2"}]}}"#.to_owned(),
            wallet: "hot-ltc".to_owned(),
            asked: Some(" alice bob ".to_owned()),
            queue_rank: 1,
        }
    }

    fn after(edit: impl FnOnce(&mut WithdrawalRow)) -> Vec<(String, String, String)> {
        let mut edited = row();
        edit(&mut edited);
        let found = differences(Some(&row()), &Stored::Row(Box::new(edited)));
        let parts = |found: Difference| (found.what, found.known, found.stored);
        found.into_iter().map(parts).collect()
    }

    fn one(what: &str, known: &str, stored: &str) -> Vec<(String, String, String)> {
        vec![(what.to_owned(), known.to_owned(), stored.to_owned())]
    }

    #[test]
    fn an_edit_of_any_column_is_named_with_both_sides() {
        assert!(after(|_| ()).is_empty());
        assert_eq!(
            after(|row| row.client = "mint".into()),
            one("asked for by", "shop", "mint")
        );
        assert_eq!(
            after(|row| row.state = "final".into()),
            one("listed as", "awaiting_approval", "final")
        );
        assert_eq!(
            after(|row| row.wallet = "cold".into()),
            one("listed under wallet", "hot-ltc", "cold")
        );
        assert_eq!(
            after(|row| row.asked = None),
            one("in the queue of", "alice bob", "nobody")
        );
        assert_eq!(
            after(|row| row.queue_rank = 9),
            one("place in the queue", "1", "9")
        );
        assert_eq!(
            after(|row| row.created_seq = 8),
            one("listed from entry", "7", "8")
        );
        assert_eq!(
            after(|row| row.idempotency_key = "l".into()),
            one("idempotency key", "k", "l")
        );
        let deep = after(|row| {
            row.document = row
                .document
                .replace("[{\"amount\":\"2\"", "[{\"amount\":\"9\"")
        });
        assert_eq!(deep, one("statement, effects, 1., amount", "2", "9"));
        let more = after(|row| row.document = row.document.replace("\"amount\":\"2\",", ""));
        assert_eq!(more, one("amount", "2", "nothing"));
    }

    #[test]
    fn no_edit_goes_unnoticed_because_it_cannot_be_read_or_reads_the_same() {
        let spaced = after(|row| row.document = row.document.replace(',', ", "));
        assert_eq!(spaced.len(), 1, "{spaced:?}");
        let broken = after(|row| row.document.truncate(9));
        assert_eq!(broken[0].2, "no JSON: {\"amount\"");
        let long = after(|row| row.document = format!("\"{}\"", "x".repeat(9_999)));
        assert!(long[0].2.chars().count() < 500, "{long:?}");
        let many: Vec<u32> = (0..1_000).collect();
        let many = after(|row| row.document = format!("{{\"a\":{many:?}}}"));
        assert!(many.len() <= MOST_TOLD, "{}", many.len());
    }

    #[test]
    fn a_row_that_is_gone_unreadable_or_nobodys_differs_as_a_whole() {
        let gone = differences(Some(&row()), &Stored::Missing);
        assert_eq!(gone[0].stored, "nothing: its row is gone");
        let why = "database row withdrawals wd_1: column queue_rank: negative".to_owned();
        let unreadable = differences(Some(&row()), &Stored::Unreadable(why.clone()));
        assert_eq!(unreadable[0].stored, why);
        let invented = differences(None, &Stored::Row(Box::new(row())));
        assert_eq!(invented[0].known, "no such withdrawal");
        assert!(differences(None, &Stored::Missing).is_empty());
    }
}
