//! Our watch-only wallet on the node: made when missing, loaded when it isn't, told our public keys, asked for our coins.
//!
//! Its invariant: an empty list of coins is never the answer of a wallet that doesn't watch, or doesn't yet see, all that was
//! asked for.

use std::collections::BTreeSet;

use custodyd_chain::{Address, Amount, Coin, OutPoint, PublicKey, Txid};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};

use super::CoreNode;
use crate::nodes::{
    NodeError,
    decimal::satoshis,
    rpc::{Call, Fault, Reply, malformed},
};

/// RPC_WALLET_NOT_FOUND: the wallet isn't loaded.
const NOT_LOADED: i64 = -18;
/// RPC_WALLET_ERROR, also for a build that cannot keep descriptor wallets.
const WALLET_ERROR: i64 = -4;
/// RPC_WALLET_ALREADY_LOADED, from 0.21.
const ALREADY_LOADED: i64 = -35;
/// More confirmations than any chain has.
const ANY_DEPTH: u32 = 9_999_999;
/// Imports are one wallet operation each: fewer per call keeps an answer within its deadline.
const IMPORT_AT_ONCE: usize = 200;

/// From when on a key may have been paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyBirth {
    /// It was just made: no block before now can hold a payment to it.
    Now,
    /// Not before this time, unix seconds; the wallet reads all blocks since. 0 is the whole chain, which can take hours:
    /// until then calls answer [`NodeError::Timeout`] and [`NodeError::Rescanning`].
    At(u64),
}

impl KeyBirth {
    fn to_json(self) -> Value {
        match self {
            KeyBirth::Now => json!("now"),
            KeyBirth::At(time) => json!(time),
        }
    }

    /// Does a wallet that watches since `time` see all there can be? Core keeps 1 for "always".
    const fn is_covered_by(self, time: Option<u64>) -> bool {
        match (self, time) {
            (KeyBirth::Now, _) => true,
            (KeyBirth::At(_), None) => false,
            (KeyBirth::At(birth), Some(time)) => time <= birth || time <= 1,
        }
    }
}

#[derive(Deserialize)]
struct WalletInfo {
    private_keys_enabled: bool,
    /// False, or an object that tells the progress; absent while no wallet could scan.
    #[serde(default)]
    scanning: Value,
    /// Absent before descriptor wallets existed.
    #[serde(default)]
    descriptors: bool,
}

#[derive(Deserialize)]
struct AddressInfo {
    ismine: bool,
    #[serde(default)]
    iswatchonly: bool,
    timestamp: Option<u64>,
}

#[derive(Deserialize)]
struct DescriptorInfo {
    descriptor: String,
}

#[derive(Deserialize)]
struct Imported {
    success: bool,
    error: Option<Fault>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Unspent {
    txid: Txid,
    vout: u32,
    script_pub_key: String,
    amount: Box<RawValue>,
    confirmations: u32,
}

enum Wallet {
    Loaded,
    Made,
}

impl CoreNode {
    /// Makes the node watch P2WPKH of these keys. Repeating it costs nothing; a key that the wallet already watches from its
    /// birth on is not imported again.
    ///
    /// # Errors
    /// [`NodeError::Rescanning`] while the wallet reads old blocks, [`NodeError::Misconfigured`] if the wallet of that name
    /// holds private keys, and those of any call.
    pub async fn watch(&self, keys: &[PublicKey], birth: KeyBirth) -> Result<(), NodeError> {
        let mut watched = self.watched.lock().await;
        let mut fresh: Vec<PublicKey> = keys
            .iter()
            .filter(|key| !watched.keys.contains(key))
            .copied()
            .collect();
        if fresh.is_empty() {
            return Ok(());
        }
        if let Wallet::Made = self.open_wallet().await? {
            *watched = super::Watched::default();
            fresh = keys.to_vec();
        }
        let info = self.wallet_info().await?;
        let known = self.address_infos(&fresh).await?;
        let missing: Vec<PublicKey> = fresh
            .iter()
            .zip(&known)
            .filter(|(_, info)| {
                !(info.ismine || info.iswatchonly) || !birth.is_covered_by(info.timestamp)
            })
            .map(|(key, _)| *key)
            .collect();
        for keys in missing.chunks(IMPORT_AT_ONCE) {
            self.import(keys, birth, info.descriptors).await?;
        }
        watched.extend(fresh);
        Ok(())
    }

    /// All confirmed unspent outputs that pay P2WPKH of these keys, which must be [watched](CoreNode::watch).
    ///
    /// # Errors
    /// [`NodeError::NotWatched`], [`NodeError::Rescanning`], and those of any call.
    pub async fn coins(&self, keys: &[PublicKey]) -> Result<Vec<Coin>, NodeError> {
        self.all_watched(keys).await?;
        let replies = self
            .wallet_batch(&[
                Call::new(
                    "listunspent",
                    json!([self.min_confirmations, ANY_DEPTH, [], false]),
                ),
                Call::new("getwalletinfo", json!([])),
            ])
            .await?;
        let [unspent, info] = replies.as_slice() else {
            return Err(malformed("listunspent", "not two answers".to_owned()));
        };
        self.complete(&info.read()?)?;
        let unspent = unspent.read::<Vec<Unspent>>()?;
        let asked: BTreeSet<&PublicKey> = keys.iter().collect();
        let watched = self.watched.lock().await;
        unspent
            .into_iter()
            .filter(|coin| coin.confirmations >= self.min_confirmations)
            .filter_map(|coin| {
                let owner = watched.owners.get(&coin.script_pub_key)?;
                asked.contains(owner).then(|| self.coin(&coin, *owner))
            })
            .collect()
    }

    fn coin(&self, unspent: &Unspent, public_key: PublicKey) -> Result<Coin, NodeError> {
        let wrong = |why: String| {
            malformed(
                "listunspent",
                format!("{}:{}: {why}", unspent.txid, unspent.vout),
            )
        };
        let number = unspent.amount.get();
        let units = satoshis(number).ok_or_else(|| wrong(format!("{number} is no amount")))?;
        let amount = Amount::from_u64(self.network().asset(), units)
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Coin {
            outpoint: OutPoint::new(unspent.txid, unspent.vout),
            amount,
            public_key,
        })
    }

    /// A batch for our wallet, which is loaded first if the node came back without it.
    pub(super) async fn wallet_batch(&self, calls: &[Call]) -> Result<Vec<Reply>, NodeError> {
        let replies = self.wallet.batch(calls).await?;
        let lost = |reply: &Reply| matches!(&reply.outcome, Err(fault) if fault.code == NOT_LOADED);
        if !replies.iter().any(lost) {
            return Ok(replies);
        }
        let mut watched = self.watched.lock().await;
        if let Wallet::Made = self.open_wallet().await? {
            *watched = super::Watched::default();
        }
        drop(watched);
        self.wallet.batch(calls).await
    }

    pub(super) async fn wallet_call(
        &self,
        method: &'static str,
        params: Value,
    ) -> Result<Reply, NodeError> {
        let mut replies = self.wallet_batch(&[Call::new(method, params)]).await?;
        replies
            .pop()
            .ok_or_else(|| malformed(method, "no answer".to_owned()))
    }

    async fn all_watched(&self, keys: &[PublicKey]) -> Result<(), NodeError> {
        let watched = self.watched.lock().await;
        match keys.iter().find(|key| !watched.keys.contains(key)) {
            None => Ok(()),
            Some(key) => Err(NodeError::NotWatched {
                wallet: self.wallet_name.clone(),
                key: Box::new(*key),
            }),
        }
    }

    async fn wallet_info(&self) -> Result<WalletInfo, NodeError> {
        let info: WalletInfo = self.wallet.call("getwalletinfo", json!([])).await?;
        self.complete(&info)?;
        Ok(info)
    }

    fn complete(&self, info: &WalletInfo) -> Result<(), NodeError> {
        if info.private_keys_enabled {
            let what = format!(
                "its wallet {} holds private keys: name another",
                self.wallet_name
            );
            return Err(NodeError::Misconfigured {
                network: self.network(),
                what,
            });
        }
        match &info.scanning {
            Value::Null | Value::Bool(false) => Ok(()),
            _ => Err(NodeError::Rescanning {
                wallet: self.wallet_name.clone(),
            }),
        }
    }

    async fn address_infos(&self, keys: &[PublicKey]) -> Result<Vec<AddressInfo>, NodeError> {
        let calls: Vec<Call> = keys
            .iter()
            .map(|key| Address::from_public_key(self.network(), key))
            .map(|address| Call::new("getaddressinfo", json!([address.as_str()])))
            .collect();
        self.wallet
            .batch(&calls)
            .await?
            .iter()
            .map(Reply::read)
            .collect()
    }

    /// Descriptor wallets take `importdescriptors` only, the older kind `importmulti` only.
    async fn import(
        &self,
        keys: &[PublicKey],
        birth: KeyBirth,
        descriptors: bool,
    ) -> Result<(), NodeError> {
        let requests: Vec<Value> = self
            .checksummed(keys)
            .await?
            .into_iter()
            .map(|descriptor| match descriptors {
                true => json!({"desc": descriptor, "timestamp": birth.to_json()}),
                false => {
                    json!({"desc": descriptor, "timestamp": birth.to_json(), "watchonly": true})
                }
            })
            .collect();
        let method = if descriptors {
            "importdescriptors"
        } else {
            "importmulti"
        };
        let imported: Vec<Imported> = self.wallet.call(method, json!([requests])).await?;
        if imported.len() != keys.len() {
            return Err(malformed(
                method,
                format!("{} results for {} keys", imported.len(), keys.len()),
            ));
        }
        match imported.into_iter().find(|result| !result.success) {
            None => Ok(()),
            Some(Imported {
                error: Some(fault), ..
            }) => Err(fault.error(method)),
            Some(_) => Err(malformed(method, "a failure without a reason".to_owned())),
        }
    }

    /// The descriptors with their checksums (BIP-380), which the node computes.
    async fn checksummed(&self, keys: &[PublicKey]) -> Result<Vec<String>, NodeError> {
        let plain: Vec<String> = keys.iter().map(|key| format!("wpkh({key})")).collect();
        let calls: Vec<Call> = plain
            .iter()
            .map(|descriptor| Call::new("getdescriptorinfo", json!([descriptor])))
            .collect();
        let replies = self.node.batch(&calls).await?;
        plain
            .iter()
            .zip(replies)
            .map(|(plain, reply)| {
                let DescriptorInfo { descriptor } = reply.read()?;
                match descriptor.strip_prefix(plain.as_str()) {
                    Some(rest) if rest.starts_with('#') => Ok(descriptor),
                    _ => Err(malformed(
                        reply.method,
                        format!("another descriptor than {plain}"),
                    )),
                }
            })
            .collect()
    }

    async fn open_wallet(&self) -> Result<Wallet, NodeError> {
        let loaded: Vec<String> = self.node.call("listwallets", json!([])).await?;
        if loaded.contains(&self.wallet_name) {
            return Ok(Wallet::Loaded);
        }
        if self.wallet_exists().await? {
            let reply = self
                .node
                .ask(Call::new("loadwallet", json!([self.wallet_name, true])))
                .await?;
            return match &reply.outcome {
                Err(fault)
                    if fault.code == ALREADY_LOADED || fault.message.contains("already loaded") =>
                {
                    Ok(Wallet::Loaded)
                }
                Err(fault) => Err(fault.error(reply.method)),
                Ok(_) => Ok(Wallet::Loaded),
            };
        }
        self.make_wallet().await?;
        Ok(Wallet::Made)
    }

    async fn wallet_exists(&self) -> Result<bool, NodeError> {
        #[derive(Deserialize)]
        struct Folder {
            wallets: Vec<Named>,
        }
        #[derive(Deserialize)]
        struct Named {
            name: String,
        }
        let folder: Folder = self.node.call("listwalletdir", json!([])).await?;
        Ok(folder
            .wallets
            .iter()
            .any(|wallet| wallet.name == self.wallet_name))
    }

    /// A descriptor wallet, or the older kind where the node was built without SQLite, as Debian's litecoind is.
    async fn make_wallet(&self) -> Result<(), NodeError> {
        let make = |descriptors: bool| {
            let params = json!({
                "wallet_name": self.wallet_name,
                "disable_private_keys": true,
                "blank": true,
                "descriptors": descriptors,
                "load_on_startup": true,
            });
            self.node.ask(Call::new("createwallet", params))
        };
        let reply = make(true).await?;
        let reply = match &reply.outcome {
            Err(fault) if fault.code == WALLET_ERROR && fault.message.contains("sqlite") => {
                make(false).await?
            }
            _ => reply,
        };
        reply.read::<serde::de::IgnoredAny>().map(drop)
    }
}
