//! The proof that an entry is in the chain: its own hash computed again, the entry before it, each entry up to the next signed
//! head, and that head's signature under the pinned key. Nothing of it is taken from the database's word.

use crate::{
    journal::{FIRST_SEQ, GENESIS, HeadRow, JournalKey, JournalRow},
    store::{Store, StoreError},
};

/// Entries between an entry and its head that are walked; a commit never has more.
const MOST_WALKED: u64 = 5_000;
/// Entries that are listed.
const LISTED: usize = 20;

/// One step of a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console::pages) struct Step {
    /// What is checked.
    pub(in crate::console::pages) what: String,
    /// What was found.
    pub(in crate::console::pages) found: String,
    /// Whether it holds.
    pub(in crate::console::pages) holds: bool,
}

/// What shows that an entry is in the chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console::pages) struct Proof {
    /// Each check, in order.
    pub(in crate::console::pages) steps: Vec<Step>,
    /// The entries from this one to the head, with their hashes.
    pub(in crate::console::pages) chain: Vec<(u64, String)>,
    /// Entries of the chain that are not listed.
    pub(in crate::console::pages) unlisted: usize,
    /// The head that covers it.
    pub(in crate::console::pages) head: Option<Head>,
}

/// A signed head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console::pages) struct Head {
    pub(in crate::console::pages) seq: u64,
    pub(in crate::console::pages) signature: String,
}

impl Proof {
    /// Whether every step holds.
    pub(in crate::console::pages) fn holds(&self) -> bool {
        self.steps.iter().all(|step| step.holds)
    }
}

/// Proves an entry, or shows where the proof fails.
pub(super) async fn prove(
    store: &Store,
    vault: &str,
    row: &JournalRow,
    key: &JournalKey,
) -> Result<Proof, StoreError> {
    let mut steps = vec![recomputed(row), follows(store, vault, row).await?];
    let Some(head) = store.head_over(vault, row.seq).await? else {
        steps.push(Step {
            what: "a signed head covers it".to_owned(),
            found: "there is none: nobody with the journal key vouches for this entry".to_owned(),
            holds: false,
        });
        let chain = vec![(row.seq, hex::encode(row.hash))];
        return Ok(Proof {
            steps,
            chain,
            unlisted: 0,
            head: None,
        });
    };
    let walked = walk(store, vault, row, &head).await?;
    steps.push(linked(row, &walked, &head));
    steps.push(signed(&head, key));
    let mut chain: Vec<(u64, String)> = std::iter::once(row)
        .chain(&walked)
        .map(|row| (row.seq, hex::encode(row.hash)))
        .collect();
    let unlisted = chain.len().saturating_sub(LISTED);
    chain.truncate(LISTED);
    Ok(Proof {
        steps,
        chain,
        unlisted,
        head: Some(Head {
            seq: head.seq,
            signature: hex::encode(&head.signature),
        }),
    })
}

fn recomputed(row: &JournalRow) -> Step {
    let what = "its hash, computed again from every column".to_owned();
    match row.computed_hash() {
        Ok(hash) => Step {
            what,
            found: hex::encode(hash),
            holds: hash == row.hash,
        },
        Err(error) => Step {
            what,
            found: error.to_string(),
            holds: false,
        },
    }
}

async fn follows(store: &Store, vault: &str, row: &JournalRow) -> Result<Step, StoreError> {
    let what = "the entry before it has the hash that it names".to_owned();
    if row.seq == FIRST_SEQ {
        return Ok(Step {
            what: "it is the first entry and names no other".to_owned(),
            found: hex::encode(row.prev_hash),
            holds: row.prev_hash == GENESIS,
        });
    }
    let before = row.seq.saturating_sub(1);
    let rows = store.journal(vault, before.saturating_sub(1), 1).await?;
    let found = rows.into_iter().find(|found| found.seq == before);
    let hash = found.as_ref().and_then(|found| found.computed_hash().ok());
    Ok(Step {
        what,
        found: hash.map_or_else(|| "it is missing".to_owned(), hex::encode),
        holds: hash == Some(row.prev_hash),
    })
}

/// The entries after `row` up to its head's, as far as they are there.
async fn walk(
    store: &Store,
    vault: &str,
    row: &JournalRow,
    head: &HeadRow,
) -> Result<Vec<JournalRow>, StoreError> {
    let mut walked: Vec<JournalRow> = Vec::new();
    loop {
        let after = walked.last().map_or(row.seq, |last| last.seq);
        if after >= head.seq || after.saturating_sub(row.seq) >= MOST_WALKED {
            return Ok(walked);
        }
        let rows = store.journal(vault, after, 500).await?;
        if rows.is_empty() {
            return Ok(walked);
        }
        walked.extend(rows.into_iter().take_while(|row| row.seq <= head.seq));
    }
}

/// Each entry names the hash of the one before, and the head that of the last.
fn linked(row: &JournalRow, walked: &[JournalRow], head: &HeadRow) -> Step {
    let what = format!(
        "each entry up to head {} follows from the one before",
        head.seq
    );
    let mut tip = (row.seq, row.hash);
    for next in walked {
        let fits = next.seq == tip.0.saturating_add(1)
            && next.prev_hash == tip.1
            && next.computed_hash().is_ok_and(|hash| hash == next.hash);
        if !fits {
            return Step {
                what,
                found: format!("entry {} does not", next.seq),
                holds: false,
            };
        }
        tip = (next.seq, next.hash);
    }
    let entries = match walked.len() {
        0 => "it is the head's own entry".to_owned(),
        count => format!("{count} more, and the head names the last one's hash"),
    };
    let holds = tip == (head.seq, head.hash);
    Step {
        what,
        found: if holds {
            entries
        } else {
            format!(
                "the head names entry {} with {}",
                head.seq,
                hex::encode(head.hash)
            )
        },
        holds,
    }
}

fn signed(head: &HeadRow, key: &JournalKey) -> Step {
    let verified = head.verify(key);
    Step {
        what: format!("head {} is signed by the pinned journal key", head.seq),
        found: match &verified {
            Ok(()) => hex::encode(key.to_sec1()),
            Err(error) => error.to_string(),
        },
        holds: verified.is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::{Signature, SigningKey, signature::hazmat::PrehashSigner as _};

    use super::*;
    use crate::journal::{Entry, head_digest};

    fn chain(length: u64) -> Vec<JournalRow> {
        let mut prev_hash = GENESIS;
        (1..=length)
            .map(|seq| {
                let entry = Entry {
                    vault: "main",
                    seq,
                    at_ms: seq,
                    kind: "expired",
                    prev_hash,
                };
                let row = entry
                    .seal(&serde_json::json!({ "type": "expired", "id": seq }))
                    .unwrap();
                prev_hash = row.hash;
                row
            })
            .collect()
    }

    fn head_of(row: &JournalRow) -> (HeadRow, JournalKey) {
        let secret = SigningKey::from_slice(&[7; 32]).unwrap();
        let digest = head_digest("main", row.seq, 9, &row.hash).unwrap();
        let signature: Signature = secret.sign_prehash(&digest).unwrap();
        let head =
            HeadRow::from_hsm("main", row.seq, 9, row.hash, &signature.to_bytes().into()).unwrap();
        let point = secret.verifying_key().to_encoded_point(true);
        (head, JournalKey::from_sec1(point.as_bytes()).unwrap())
    }

    #[test]
    fn a_chain_up_to_its_head_holds_and_each_edit_of_it_does_not() {
        let rows = chain(4);
        let (head, key) = head_of(&rows[3]);
        assert!(recomputed(&rows[1]).holds);
        assert!(linked(&rows[1], &rows[2..], &head).holds);
        assert!(signed(&head, &key).holds);

        let mut edited = rows.clone();
        edited[1].event = edited[1].event.replace("2", "5");
        assert!(!recomputed(&edited[1]).holds);
        edited[2].at_ms += 1;
        let step = linked(&rows[1], &edited[2..], &head);
        assert_eq!(
            (step.holds, step.found.as_str()),
            (false, "entry 3 does not")
        );
        assert!(
            !linked(&rows[1], &rows[3..], &head).holds,
            "an entry is missing"
        );
        assert!(
            !linked(&rows[1], &rows[2..3], &head).holds,
            "the last is missing"
        );
    }

    #[test]
    fn a_head_under_another_key_does_not_hold() {
        let rows = chain(1);
        let (head, _) = head_of(&rows[0]);
        let other = SigningKey::from_slice(&[8; 32]).unwrap();
        let point = other.verifying_key().to_encoded_point(true);
        let other = JournalKey::from_sec1(point.as_bytes()).unwrap();
        assert!(!signed(&head, &other).holds);
    }
}
