//! The air gap, seen from this side: building the bundle that leaves, and taking in the one that comes back.

use std::collections::BTreeMap;

use custodyd_airgap::{Bundle, ExportItem, ReturnBundle, UnsignedBundle, export_bundle, import};
use custodyd_chain::{Plan, RawTransaction, Txid};
use custodyd_vault::{Export, ExportId, Rejection, TransactionId, Vault};
use sha2::{Digest as _, Sha256};

use crate::{
    nodes::{Node, NodeError},
    problem::Problem,
};

/// Why a bundle could not be built.
#[derive(Debug, thiserror::Error)]
pub enum ColdError {
    /// The export is gone, or holds what it can't.
    #[error("export {0} can't be built: {1}")]
    Export(ExportId, String),
    /// No node for the network.
    #[error("no node is configured for {0}")]
    NoNode(String),
    /// The node's.
    #[error("node: {0}")]
    Node(#[from] NodeError),
    /// The codec's.
    #[error("bundle: {0}")]
    Bundle(#[from] custodyd_airgap::ExportError),
}

/// What a bundle is built of, taken from the vault before any waiting.
#[derive(Debug, Clone)]
pub struct Contents {
    export: ExportId,
    vault: String,
    journal_key: String,
    created_at: u64,
    items: Vec<ExportItem>,
}

impl Contents {
    /// The transactions of an export as they were planned.
    ///
    /// # Errors
    /// The export doesn't exist, or a name in it is not fit for a bundle.
    pub fn of(vault: &Vault, id: &ExportId) -> Result<Self, ColdError> {
        let fault = |what: &dyn std::fmt::Display| ColdError::Export(id.clone(), what.to_string());
        let export = vault
            .exports()
            .get(id)
            .ok_or_else(|| fault(&"it does not exist"))?;
        let mut items = Vec::new();
        for transaction in &export.transactions {
            let entry = vault
                .transactions()
                .get(transaction)
                .ok_or_else(|| fault(transaction))?;
            let wallet = vault
                .wallets()
                .get(&entry.wallet)
                .ok_or_else(|| fault(&entry.wallet))?;
            items.push(ExportItem {
                transaction: transaction.as_str().parse().map_err(|e| fault(&e))?,
                wallet: entry.wallet.as_str().parse().map_err(|e| fault(&e))?,
                plan: entry.plan.clone(),
                keys: wallet
                    .keys()
                    .iter()
                    .filter_map(|slot| slot.public_key)
                    .collect(),
                previous: BTreeMap::new(),
            });
        }
        Ok(Self {
            export: id.clone(),
            vault: vault.id().to_string(),
            journal_key: vault.journal_key().public_key.clone(),
            created_at: export.created_at.as_ms(),
            items,
        })
    }

    /// The vault it leaves.
    pub fn vault(&self) -> &str {
        &self.vault
    }

    /// Adds the transactions that are spent from, as a PSBT must carry them (BIP-174, non_witness_utxo), and writes the
    /// files. The result is still to be signed.
    ///
    /// # Errors
    /// A node doesn't answer, or what it says doesn't fit.
    pub async fn build(
        mut self,
        nodes: &BTreeMap<custodyd_chain::Network, Node>,
    ) -> Result<UnsignedBundle, ColdError> {
        for item in &mut self.items {
            let Plan::Bitcoin(plan) = &item.plan else {
                continue;
            };
            let network = item.plan.network();
            let Some(Node::Core(node)) = nodes.get(&network) else {
                return Err(ColdError::NoNode(network.to_string()));
            };
            let txids: std::collections::BTreeSet<Txid> =
                plan.inputs.iter().map(|coin| coin.outpoint.txid).collect();
            for txid in txids {
                item.previous
                    .insert(txid, node.previous_transaction(&txid).await?);
            }
        }
        let id = self.export.clone();
        let fault = |what: &dyn std::fmt::Display| ColdError::Export(id.clone(), what.to_string());
        Ok(export_bundle(
            self.vault.parse().map_err(|e| fault(&e))?,
            self.export.as_str().parse().map_err(|e| fault(&e))?,
            self.created_at,
            self.journal_key.parse().map_err(|e| fault(&e))?,
            &self.items,
        )?)
    }
}

/// SHA-256 of a bundle's manifest in its canonical form, hex: what the journal remembers of it.
pub fn manifest_sha256(bundle: &Bundle) -> String {
    hex::encode(Sha256::digest(bundle.manifest().canonical()))
}

/// The export that a returned bundle says it answers.
///
/// # Errors
/// It is not a bundle.
pub fn export_of(tar: &[u8]) -> Result<ExportId, Problem> {
    let returned = read_return(tar)?;
    returned
        .manifest()
        .export
        .to_string()
        .parse()
        .map_err(|_| Problem::malformed("the bundle names no export"))
}

fn read_return(tar: &[u8]) -> Result<ReturnBundle, Problem> {
    ReturnBundle::from_tar(tar)
        .map_err(|e| Problem::new(422, "bundle", "Not a signed bundle", e.to_string()))
}

/// The signed transactions of a returned bundle, each assembled from the plan in the journal. The stored export is only
/// believed if it is the one whose manifest the journal remembers.
///
/// # Errors
/// It is not exactly the answer to that export.
pub fn assemble_import(
    export: &Export,
    stored: &[u8],
    tar: &[u8],
    plans: &[(TransactionId, &Plan)],
) -> Result<Vec<(TransactionId, RawTransaction)>, Problem> {
    let differs = |what: String| Problem::from(Rejection::ImportDiffers(what));
    let exported =
        Bundle::from_tar(stored).map_err(|e| differs(format!("the stored export: {e}")))?;
    if export.manifest_sha256.as_deref() != Some(manifest_sha256(&exported).as_str()) {
        return Err(differs(
            "the stored export is not the one that the journal remembers".to_owned(),
        ));
    }
    let signed = import(&exported, &read_return(tar)?).map_err(|e| differs(e.to_string()))?;
    let mut assembled = Vec::new();
    for (transaction, signatures) in signed {
        let id: TransactionId = transaction
            .to_string()
            .parse()
            .map_err(|_| differs(transaction.to_string()))?;
        let (_, plan) = plans
            .iter()
            .find(|(planned, _)| *planned == id)
            .ok_or_else(|| differs(format!("{id} was not exported")))?;
        let raw = plan
            .assemble(&signatures)
            .map_err(|e| differs(format!("{id}: {e}")))?;
        assembled.push((id, raw));
    }
    Ok(assembled)
}
