//! Looking the nonce of every signature up before it is taken in. A signature whose nonce its key has used before is thrown
//! away here: it is in no journal, no answer and no log, since it and the earlier one together are the private key.

use std::collections::{BTreeMap, btree_map::Entry};

use custodyd_chain::{NonceX, PublicKey, RawTransaction};
use custodyd_vault::{Command, ExportId, FreezeScope};

use super::{
    Engine,
    batch::{BatchError, Draft},
};
use crate::{
    nonces::{NonceError, stored_manifest_point, transaction_points},
    store::{Origin, SignaturePointRow},
};

/// Nonces that one batch has to do with.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    /// Used before, by key and r; those of this batch too.
    known: BTreeMap<(String, [u8; 32]), SignaturePointRow>,
    /// Of signed transactions that passed, until the event comes that holds one of them. By their bytes: one transaction may
    /// have been signed twice, and only what the journal holds is on record.
    passed: Vec<(RawTransaction, Vec<SignaturePointRow>)>,
    /// Of manifests that passed, until the event comes that remembers them.
    manifests: Vec<SignaturePointRow>,
    /// To be stored with the batch.
    pub(super) kept: Vec<SignaturePointRow>,
}

impl Nonces {
    /// Takes the nonces of one command in, or gives the first that was used before with what it was used for.
    fn take_in(
        &mut self,
        brought: Vec<(RawTransaction, Vec<SignaturePointRow>)>,
    ) -> Option<(SignaturePointRow, SignaturePointRow)> {
        for (raw, points) in brought {
            let mut fresh = Vec::new();
            for row in points {
                match self.known.entry((row.key.clone(), row.r)) {
                    // Word for word the same: a signer that draws its nonces from what it signs (RFC 6979).
                    Entry::Occupied(earlier) if earlier.get().digest == row.digest => {}
                    Entry::Occupied(earlier) => return Some((earlier.get().clone(), row)),
                    Entry::Vacant(free) => {
                        free.insert(row.clone());
                        fresh.push(row);
                    }
                }
            }
            self.passed.push((raw, fresh));
        }
        None
    }

    /// A signed transaction is in the journal: its nonces are stored in the same commit.
    pub(super) fn keep(&mut self, raw: &RawTransaction) {
        let of_it = self.passed.extract_if(.., |(passed, _)| passed == raw);
        self.kept.extend(of_it.flat_map(|(_, rows)| rows));
    }
}

impl Nonces {
    /// An export's manifest is in the journal: the same.
    pub(super) fn keep_manifest(&mut self, export: &ExportId) {
        let origin = Origin::export(export.as_str());
        let of_it = self.manifests.extract_if(.., |row| row.origin == origin);
        self.kept.extend(of_it);
    }
}

impl Engine {
    /// The commands as they are; but where a signature has a used nonce, the command that says so stands for the one that
    /// brought it. One query, and none when nothing is signed.
    pub(super) async fn vet(
        &self,
        commands: Vec<Command>,
        draft: &mut Draft,
    ) -> Result<Vec<Command>, BatchError> {
        for command in &commands {
            if let Command::ExportBuilt {
                export,
                manifest_sha256,
            } = command
            {
                self.vet_manifest(export, manifest_sha256, draft).await?;
            }
        }
        let brought = commands
            .into_iter()
            .map(|command| Ok((self.points_of(&command)?, command)))
            .collect::<Result<Vec<_>, NonceError>>()?;
        let points: Vec<_> = brought
            .iter()
            .flat_map(|(signed, _)| signed)
            .flat_map(|(_, points)| points)
            .collect();
        let vault = self.vault.id().as_str();
        for row in self.parts.store.known_points(vault, &points).await? {
            let place = (row.key.clone(), row.r);
            draft.nonces.known.insert(place, row);
        }
        let vetted = brought.into_iter().map(|(signed, command)| {
            let reused = draft.nonces.take_in(signed);
            reused.map_or(Ok(command), |(earlier, late)| reuse(&earlier, &late))
        });
        vetted.collect()
    }

    /// Takes in the nonce of a manifest from the bundle that is stored. It was looked up before that was (`perform`); a head may
    /// have been signed since.
    async fn vet_manifest(
        &self,
        export: &ExportId,
        manifest: &str,
        draft: &mut Draft,
    ) -> Result<(), BatchError> {
        let store = &self.parts.store;
        let point = stored_manifest_point(store, &self.vault, export, manifest).await?;
        let known = store
            .known_points(self.vault.id().as_str(), &[&point])
            .await?;
        match known.into_iter().next() {
            None => draft.nonces.manifests.push(point),
            Some(earlier) if earlier.digest == point.digest => {}
            Some(earlier) => return Err(BatchError::JournalKeyNonce(both(&earlier, &point))),
        }
        Ok(())
    }

    /// The signed transactions that a command brings, each with its nonces.
    fn points_of(
        &self,
        command: &Command,
    ) -> Result<Vec<(RawTransaction, Vec<SignaturePointRow>)>, NonceError> {
        let signed: Vec<_> = match command {
            Command::Signed {
                transaction, raw, ..
            } => vec![(transaction, raw)],
            Command::ImportCold { signed, .. } => {
                signed.iter().map(|(id, raw)| (id, raw)).collect()
            }
            _ => Vec::new(),
        };
        let mut points = Vec::new();
        for (id, raw) in signed {
            // One that nobody planned is refused by the vault.
            if let Some(transaction) = self.vault.transactions().get(id) {
                let rows = transaction_points(id, &transaction.plan, raw)?;
                points.push((raw.clone(), rows));
            }
        }
        Ok(points)
    }

    /// A key was given up: said as loudly as can be, once it is durable.
    pub(super) fn alarm(&self, key: &PublicKey) {
        let Some(compromise) = self.vault.compromised().get(key) else {
            return;
        };
        metrics::counter!("custodyd_nonce_reuse_total").increment(1);
        tracing::error!(
            %key, wallet = %compromise.wallet, r = %compromise.r,
            earlier = %compromise.earlier, transaction = %compromise.transaction,
            "a key used one nonce for two signatures: the second was thrown away, the key never signs again and its wallet is \
             frozen; find out what is wrong with the HSM's random numbers and move the wallet's funds to another key"
        );
        self.note_compromised();
    }

    /// Not ready for as long as a wallet is frozen with a key that is given up: until a quorum knows of it.
    pub(super) fn note_compromised(&self) {
        for (key, compromise) in self.vault.compromised() {
            let scope = FreezeScope::Wallet(compromise.wallet.clone());
            let freeze = self.vault.frozen().get(&scope);
            let part = format!("key {key}");
            self.parts
                .pulse
                .note_trouble(&part, freeze.map(|freeze| freeze.reason.clone()));
        }
    }
}

/// What was signed with one nonce.
pub(super) fn both(earlier: &SignaturePointRow, late: &SignaturePointRow) -> String {
    format!(
        "{} signed {} and {} with one nonce",
        late.key, earlier.origin, late.origin
    )
}

/// What the vault is told; the late signature itself goes no further.
fn reuse(earlier: &SignaturePointRow, late: &SignaturePointRow) -> Result<Command, BatchError> {
    let malformed = |what: &str| BatchError::PointRow(format!("{} {what}", late.key));
    Ok(Command::NonceReused {
        public_key: late.key.parse().map_err(|_| malformed("is no key"))?,
        r: NonceX::from_bytes(late.r),
        earlier: (earlier.origin.as_str().parse())
            .map_err(|_| malformed("signed for something that is no transaction"))?,
        transaction: (late.origin.as_str().parse())
            .map_err(|_| malformed("signs for something that is no transaction"))?,
    })
}
