//! Plans to an export. What leaves here was read back first by the code that the other side uses, so that nothing is
//! carried over the gap that could not be signed there.

use std::collections::{BTreeMap, BTreeSet};

use custodyd_chain::{Address, Network, OutPoint, Plan, PlanFault, PublicKey, Txid};

use crate::BundleError;
use crate::archive::Files;
use crate::bundle::{Bundle, Listed, check_files, kind_of};
use crate::hex_line;
use crate::ids::{ExportId, FileKind, TransactionId, VaultName, WalletName};
use crate::journal_key::{JournalKey, JournalKeyError};
use crate::manifest::{
    AccountEffects, CoinEffects, Entry, ExportDomain, KeyOrigin, Manifest, SigningKey,
    StatedEffects, sha256,
};
use crate::psbt::write;
use crate::recompute::{RecomputeError, recompute};

/// A transaction to export.
#[derive(Debug, Clone)]
pub struct ExportItem {
    /// Its id.
    pub transaction: TransactionId,
    /// The wallet that pays.
    pub wallet: WalletName,
    /// What is to be signed.
    pub plan: Plan,
    /// The wallet's keys, to tell change by. The inputs' keys are known without it.
    pub keys: Vec<PublicKey>,
    /// For the Bitcoin family, the transactions whose outputs it spends, as nodes give them.
    pub previous: BTreeMap<Txid, Vec<u8>>,
}

/// Why plans did not become an export.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExportError {
    /// The plan is no transaction of its network.
    #[error(transparent)]
    Plan(#[from] PlanFault),
    /// A transaction that the plan spends from was not given.
    #[error("the transaction that {0} belongs to is not at hand")]
    PreviousMissing(OutPoint),
    /// It was given, and is not readable.
    #[error("transaction {txid} cannot be read: {reason}")]
    PreviousMalformed {
        /// Its id.
        txid: Txid,
        /// Why.
        reason: String,
    },
    /// The change goes to none of the wallet's keys.
    #[error("change goes to {0}, which is none of the wallet's keys")]
    ForeignChange(Address),
    /// The export would not be whole.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// The export would not do what the plan says.
    #[error(transparent)]
    Recompute(#[from] RecomputeError),
}

/// An export that waits for the journal key's signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsignedBundle {
    manifest: Manifest,
    files: Files,
}

/// Writes an export. `created_at` is in milliseconds since 1970.
///
/// # Errors
/// [`ExportError`], the first fault.
pub fn export_bundle(
    vault: VaultName,
    export: ExportId,
    created_at: u64,
    journal_key: JournalKey,
    items: &[ExportItem],
) -> Result<UnsignedBundle, ExportError> {
    let mut files = Files::new();
    let mut transactions = Vec::with_capacity(items.len());
    for item in items {
        let (file, bytes, effects) = match &item.plan {
            Plan::Bitcoin(plan) => {
                let change = write::change_of(plan, &item.keys)?;
                let bytes = write::write(plan, change.as_ref(), &item.previous)?;
                let mut payments: Vec<_> = plan.outputs().into_iter().cloned().collect();
                if let Some(at) = payments
                    .iter()
                    .position(|paid| Some(paid) == plan.change.as_ref())
                {
                    payments.remove(at);
                }
                let (change, inputs) = (change.into_iter().collect(), plan.inputs.clone());
                let effects = CoinEffects {
                    payments,
                    change,
                    fee: plan.fee,
                    inputs,
                };
                (
                    item.transaction.file(FileKind::Psbt),
                    bytes,
                    StatedEffects::Coins(effects),
                )
            }
            Plan::Evm(plan) => {
                let bytes = hex_line::write(&plan.unsigned_bytes()?);
                let effects = AccountEffects {
                    payments: vec![plan.payment.clone()],
                    fee: item.plan.fee(),
                    account: plan.account(),
                    nonce: plan.nonce,
                };
                (
                    item.transaction.file(FileKind::Unsigned),
                    bytes,
                    StatedEffects::Account(effects),
                )
            }
        };
        transactions.push(Entry {
            transaction: item.transaction.clone(),
            wallet: item.wallet.clone(),
            network: item.plan.network(),
            sha256: sha256(&bytes),
            file: file.clone(),
            effects,
            keys: signing_keys(&item.plan),
        });
        files.insert(file, bytes);
    }
    let domain = ExportDomain::V1;
    let manifest = Manifest {
        domain,
        vault,
        export,
        created_at,
        journal_key,
        transactions,
    };
    UnsignedBundle { manifest, files }.read_back()
}

/// The keys that must sign, each once, in the order of the inputs.
fn signing_keys(plan: &Plan) -> Vec<SigningKey> {
    match plan {
        Plan::Bitcoin(plan) => keys_of(
            plan.network.into(),
            plan.inputs.iter().map(|c| &c.public_key),
        ),
        Plan::Evm(plan) => keys_of(plan.chain_id.into(), [&plan.from]),
    }
}

/// Keys of a transaction on this network as a manifest lists them.
pub(crate) fn keys_of<'a>(
    network: Network,
    keys: impl IntoIterator<Item = &'a PublicKey>,
) -> Vec<SigningKey> {
    let mut seen = BTreeSet::new();
    keys.into_iter()
        .filter(|key| seen.insert(**key))
        .map(|key| SigningKey {
            public_key: *key,
            origin: matches!(network, Network::Bitcoin(_)).then(|| KeyOrigin::of(key)),
        })
        .collect()
}

impl UnsignedBundle {
    fn read_back(self) -> Result<Self, ExportError> {
        if let Some(integer) = self.manifest.unsafe_integer() {
            return Err(BundleError::Integer(integer).into());
        }
        let listed = self.manifest.transactions.iter().map(|entry| Listed {
            transaction: &entry.transaction,
            file: &entry.file,
            expected: entry.transaction.file(kind_of(entry)),
            sha256: entry.sha256,
        });
        check_files(listed, &self.files)?;
        recompute(&self.clone().with([0; 64]))?;
        Ok(self)
    }

    /// What it says of itself.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What the journal key must sign.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        *self.manifest.digest().as_bytes()
    }

    /// The bundle, with the journal key's signature (r ‖ s) over [`UnsignedBundle::digest`].
    ///
    /// # Errors
    /// [`JournalKeyError::Signature`]: a bundle that nobody would believe is not handed out.
    pub fn signed(self, signature: [u8; 64]) -> Result<Bundle, JournalKeyError> {
        self.manifest
            .journal_key
            .verify(&self.manifest.digest(), &signature)?;
        Ok(self.with(signature))
    }

    fn with(self, signature: [u8; 64]) -> Bundle {
        Bundle::from_parts(self.manifest, signature, self.files)
    }
}
