//! What the files of an export do, read by decoders that had no part in writing them, against what the manifest says.
//! Any difference is an error: a person who reads the manifest must be reading the transactions.

use std::collections::BTreeSet;

use custodyd_chain::{
    Address, BitcoinNetwork, Coin, DecodeError, Digest, Network, OutPoint, Payment, PublicKey,
    SigningRequest, unsigned_bitcoin_effects, unsigned_evm_effects,
};

use crate::bundle::Bundle;
use crate::export::keys_of;
use crate::hex_line;
use crate::ids::{TransactionId, WalletName};
use crate::manifest::{AccountEffects, Change, CoinEffects, Entry, StatedEffects};
use crate::psbt::PsbtError;
use crate::psbt::unsigned::UnsignedPsbt;

/// Why the files and the manifest do not agree, or do something that nothing of ours does.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecomputeError {
    /// The PSBT.
    #[error("{transaction}: {source}")]
    Psbt {
        /// Which.
        transaction: TransactionId,
        /// Why.
        source: PsbtError,
    },
    /// The transaction's own bytes.
    #[error("{transaction}: {source}")]
    Decode {
        /// Which.
        transaction: TransactionId,
        /// Why.
        source: Box<DecodeError>,
    },
    /// An unsigned Ethereum transaction that is not one line of hexadecimal.
    #[error("{0}: the file is not one line of lower-case hexadecimal")]
    Hex(TransactionId),
    /// Another network than the manifest says.
    #[error("{transaction} is for {found}, the manifest says {stated}")]
    Network {
        /// Which.
        transaction: TransactionId,
        /// In the manifest.
        stated: Network,
        /// In the file.
        found: Network,
    },
    /// The files do something else than the manifest says.
    #[error("{transaction}: the {what} differ from what the manifest says")]
    Differs {
        /// Which.
        transaction: TransactionId,
        /// The first thing that differs.
        what: &'static str,
    },
    /// An output that nodes would not relay, or that pays nothing.
    #[error("{transaction} pays {} to {}, less than can be paid", payment.amount, payment.to)]
    Dust {
        /// Which.
        transaction: TransactionId,
        /// The output.
        payment: Box<Payment>,
    },
    /// It spends something and pays nobody.
    #[error("{0} pays nobody")]
    NoPayment(TransactionId),
    /// More change than one output.
    #[error("{0} has more than one change output")]
    ManyChanges(TransactionId),
    /// Two transactions that can't both happen.
    #[error("{transaction} spends {what}, and so does another transaction of the bundle")]
    SpentTwice {
        /// The second one.
        transaction: TransactionId,
        /// The outpoint or nonce.
        what: String,
    },
}

/// What one transaction does, from its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecomputedEffects {
    /// Which.
    pub transaction: TransactionId,
    /// The wallet that the manifest names; a file can't confirm it.
    pub wallet: WalletName,
    /// Where.
    pub network: Network,
    /// What it does; equal to what the manifest says.
    pub effects: StatedEffects,
    /// What must be signed by which key, in the order of the inputs, computed by the decoder.
    pub requests: Vec<SigningRequest>,
}

/// A thing that can be spent once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Spend {
    /// An output.
    Coin(Network, OutPoint),
    /// An account's nonce.
    Nonce(Address, u64),
}

impl std::fmt::Display for Spend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Spend::Coin(network, outpoint) => write!(f, "{network}:{outpoint}"),
            Spend::Nonce(account, nonce) => write!(f, "{account}#{nonce}"),
        }
    }
}

impl RecomputedEffects {
    /// What it uses up, with the digest that is signed for it, one for each signing request.
    pub fn spends(&self) -> Vec<(Spend, Digest)> {
        let spent: Vec<Spend> = match &self.effects {
            StatedEffects::Coins(effects) => effects
                .inputs
                .iter()
                .map(|coin| Spend::Coin(self.network, coin.outpoint))
                .collect(),
            StatedEffects::Account(effects) => {
                vec![Spend::Nonce(effects.account.clone(), effects.nonce)]
            }
        };
        spent
            .into_iter()
            .zip(self.requests.iter().map(|request| request.digest))
            .collect()
    }
}

/// Reads every file of an export and holds it against the manifest.
///
/// # Errors
/// [`RecomputeError`], the first difference or fault.
pub fn recompute(bundle: &Bundle) -> Result<Vec<RecomputedEffects>, RecomputeError> {
    let mut spent = BTreeSet::new();
    let mut all = Vec::new();
    for entry in &bundle.manifest().transactions {
        let recomputed = match entry.network {
            Network::Bitcoin(network) => coins(network, entry, bundle.file(entry))?,
            Network::Evm(_) => account(entry, bundle.file(entry))?,
        };
        compare(entry, &recomputed)?;
        sound(&recomputed)?;
        for (spend, _) in recomputed.spends() {
            let (transaction, what) = (entry.transaction.clone(), spend.to_string());
            if !spent.insert(spend) {
                return Err(RecomputeError::SpentTwice { transaction, what });
            }
        }
        all.push(recomputed);
    }
    Ok(all)
}

fn coins(
    network: BitcoinNetwork,
    entry: &Entry,
    bytes: &[u8],
) -> Result<RecomputedEffects, RecomputeError> {
    let transaction = || entry.transaction.clone();
    let psbt = UnsignedPsbt::read(network, bytes).map_err(|source| RecomputeError::Psbt {
        transaction: transaction(),
        source,
    })?;
    let (decoded, digests) = unsigned_bitcoin_effects(network, &psbt.transaction, &psbt.coins)
        .map_err(|source| RecomputeError::Decode {
            transaction: transaction(),
            source: Box::new(source),
        })?;
    let (mut payments, mut change) = (Vec::new(), Vec::new());
    for (index, Payment { to, amount }) in decoded.payments.into_iter().enumerate() {
        match psbt.change.get(&index) {
            Some(key) => change.push(Change {
                to,
                amount,
                public_key: *key,
            }),
            None => payments.push(Payment { to, amount }),
        }
    }
    let inputs: Vec<Coin> = psbt.coins;
    if inputs.iter().map(|coin| coin.outpoint).ne(decoded.inputs) {
        return Err(RecomputeError::Differs {
            transaction: transaction(),
            what: "inputs",
        });
    }
    let requests = requests(inputs.iter().map(|coin| coin.public_key), digests);
    let effects = StatedEffects::Coins(CoinEffects {
        payments,
        change,
        fee: decoded.fee,
        inputs,
    });
    let (wallet, network) = (entry.wallet.clone(), Network::Bitcoin(network));
    Ok(RecomputedEffects {
        transaction: transaction(),
        wallet,
        network,
        effects,
        requests,
    })
}

fn account(entry: &Entry, line: &[u8]) -> Result<RecomputedEffects, RecomputeError> {
    let transaction = || entry.transaction.clone();
    let bytes = hex_line::read(line).ok_or_else(|| RecomputeError::Hex(transaction()))?;
    let (decoded, digest) =
        unsigned_evm_effects(&bytes).map_err(|source| RecomputeError::Decode {
            transaction: transaction(),
            source: Box::new(source),
        })?;
    if decoded.network != entry.network {
        let (stated, found) = (entry.network, decoded.network);
        return Err(RecomputeError::Network {
            transaction: transaction(),
            stated,
            found,
        });
    }
    // The bytes don't tell who pays; the key does, and its signature can be nobody else's.
    let [key] = entry.keys.as_slice() else {
        return Err(RecomputeError::Differs {
            transaction: transaction(),
            what: "keys",
        });
    };
    let effects = StatedEffects::Account(AccountEffects {
        payments: decoded.payments,
        fee: decoded.fee,
        account: Address::from_public_key(entry.network, &key.public_key),
        nonce: decoded.nonce.unwrap_or_default(),
    });
    let requests = requests([key.public_key], vec![digest]);
    let (wallet, network) = (entry.wallet.clone(), entry.network);
    Ok(RecomputedEffects {
        transaction: transaction(),
        wallet,
        network,
        effects,
        requests,
    })
}

fn requests(
    keys: impl IntoIterator<Item = PublicKey>,
    digests: Vec<Digest>,
) -> Vec<SigningRequest> {
    let pairs = keys.into_iter().zip(digests);
    pairs
        .map(|(public_key, digest)| SigningRequest { public_key, digest })
        .collect()
}

/// Names the first thing in which file and manifest differ.
fn compare(entry: &Entry, found: &RecomputedEffects) -> Result<(), RecomputeError> {
    let stated = &entry.effects;
    let what = if stated.payments() != found.effects.payments() {
        "payments"
    } else if stated.change() != found.effects.change() {
        "change outputs"
    } else if stated.fee() != found.effects.fee() {
        "fees"
    } else if *stated != found.effects {
        "inputs or account"
    } else if entry.keys != keys_of(found.network, found.requests.iter().map(|r| &r.public_key)) {
        "keys"
    } else {
        return Ok(());
    };
    Err(RecomputeError::Differs {
        transaction: entry.transaction.clone(),
        what,
    })
}

/// What no plan of ours ever does, whatever the manifest says.
fn sound(found: &RecomputedEffects) -> Result<(), RecomputeError> {
    let transaction = || found.transaction.clone();
    if found.effects.payments().is_empty() {
        return Err(RecomputeError::NoPayment(transaction()));
    }
    if found.effects.change().len() > 1 {
        return Err(RecomputeError::ManyChanges(transaction()));
    }
    let paid = found.effects.payments().iter().map(|p| (&p.to, &p.amount));
    let returned = found.effects.change().iter().map(|c| (&c.to, &c.amount));
    for (to, amount) in paid.chain(returned) {
        let least = match (found.network, to.script_pubkey()) {
            (Network::Bitcoin(network), Some(script)) => network.dust_limit(&script),
            _ => 1,
        };
        if amount.units_u64().is_some_and(|units| units < least) {
            let (to, amount) = (to.clone(), *amount);
            return Err(RecomputeError::Dust {
                transaction: transaction(),
                payment: Box::new(Payment { to, amount }),
            });
        }
    }
    Ok(())
}
