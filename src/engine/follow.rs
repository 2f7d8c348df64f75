//! What goes to nodes: fees, tips, wallets, broadcasts and the following of transactions, gathered into as few calls as
//! can be.

use std::collections::BTreeMap;

use custodyd_chain::{Address, Network, OutPoint, PublicKey, RawTransaction};
use custodyd_policy::{Timestamp, WalletId};
use custodyd_vault::{ChainPosition, Command, Effect, TransactionId, Vault};

use super::{
    Engine, Parts,
    jobs::Job,
    perform::{Done, EffectError},
};
use crate::{
    failpoint,
    nodes::{BitcoinWatch, CoreNode, EthereumNode, EvmWatch, KeyBirth, Node, NodeError},
};

/// Transactions asked about or sent, and keys watched, in one call to a node.
const GROUP: usize = 200;

/// Jobs on one network that are done in one go.
#[derive(Debug)]
pub(super) enum Group {
    Broadcast(Network, Vec<(TransactionId, RawTransaction)>),
    Watch(Network, Vec<Watched>),
    Observe(Network, WalletId, Vec<Watch>),
}

/// A key whose coins are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watch {
    public_key: PublicKey,
    /// When the HSM made it; unknown for a key from outside.
    made_at: Option<Timestamp>,
}

/// A transaction that is followed.
#[derive(Debug, Clone)]
pub(super) struct Watched {
    id: TransactionId,
    raw: RawTransaction,
    inputs: Vec<OutPoint>,
    account: Option<(Address, u64)>,
    /// Whether it may be sent again when the node has forgotten it: not while its wallet is frozen.
    resend: bool,
}

/// Broadcasts and watches, gathered by network.
pub(super) fn broadcasts(vault: &Vault, jobs: &[Job]) -> Vec<Group> {
    let mut sends: BTreeMap<Network, Vec<(u64, TransactionId, RawTransaction)>> = BTreeMap::new();
    let mut watches: BTreeMap<Network, Vec<Watched>> = BTreeMap::new();
    for job in jobs {
        let Job::Effect(Effect::Broadcast(id) | Effect::Watch(id)) = job else {
            continue;
        };
        let Some(transaction) = vault.transactions().get(id) else {
            continue;
        };
        let Some(raw) = transaction.raw.clone() else {
            continue;
        };
        let network = transaction.plan.network();
        if matches!(job, Job::Effect(Effect::Broadcast(_))) {
            // In order of nonce: a node may refuse what leaves a gap.
            let order = transaction.plan.effects().nonce.unwrap_or_default();
            sends
                .entry(network)
                .or_default()
                .push((order, id.clone(), raw));
        } else {
            let effects = transaction.plan.effects();
            let account = effects.account.zip(effects.nonce);
            watches.entry(network).or_default().push(Watched {
                id: id.clone(),
                raw,
                inputs: effects.inputs,
                account,
                resend: !vault.is_stopped(transaction),
            });
        }
    }
    let mut groups = Vec::new();
    for (network, mut list) in sends {
        list.sort_by_key(|(order, ..)| *order);
        let list: Vec<_> = list.into_iter().map(|(_, id, raw)| (id, raw)).collect();
        groups.extend(
            list.chunks(GROUP)
                .map(|chunk| Group::Broadcast(network, chunk.to_vec())),
        );
    }
    for (network, list) in watches {
        groups.extend(
            list.chunks(GROUP)
                .map(|chunk| Group::Watch(network, chunk.to_vec())),
        );
    }
    groups
}

/// Looks at wallets. A wallet whose key is not made yet has nothing to look at, but is looked at again.
pub(super) fn observations(vault: &Vault, jobs: &[Job]) -> Vec<Group> {
    jobs.iter()
        .filter_map(|job| match job {
            Job::Observe(id) => vault.wallets().get(id),
            Job::Effect(_) | Job::Tip(_) => None,
        })
        .map(|wallet| {
            let made = wallet.keys().iter().filter_map(|slot| {
                Some(Watch {
                    public_key: slot.public_key?,
                    made_at: slot.made_at,
                })
            });
            Group::Observe(wallet.network, wallet.id.clone(), made.collect())
        })
        .collect()
}

impl Engine {
    /// Asks a node for its best block's height.
    pub(super) fn ask_tip(&self, network: Network) {
        let (parts, report) = (self.parts.clone(), self.report.clone());
        tokio::spawn(async move {
            let asked = match node(&parts, network) {
                Ok(node) => node.tip().await.map_err(EffectError::from),
                Err(e) => Err(e),
            };
            let tip = asked.as_ref().ok().map(|height| (network, *height));
            let result = asked.map(|_| Vec::new());
            let _ = report
                .send(Done {
                    job: Job::Tip(network),
                    part: network.to_string(),
                    result,
                    tip,
                })
                .await;
        });
    }

    /// Begins jobs that go to a node in one call.
    pub(super) fn perform_group(&self, group: Group) {
        let parts = self.parts.clone();
        let report = self.report.clone();
        tokio::spawn(async move {
            let done = match group {
                Group::Broadcast(network, list) => broadcast(&parts, network, list).await,
                Group::Watch(network, list) => watch(&parts, network, list).await,
                Group::Observe(network, wallet, keys) => {
                    let result = observe(&parts, network, &wallet, &keys).await;
                    vec![Done {
                        job: Job::Observe(wallet),
                        part: network.to_string(),
                        result,
                        tip: None,
                    }]
                }
            };
            for each in done {
                let _ = report.send(each).await;
            }
        });
    }
}

fn node(parts: &Parts, network: Network) -> Result<&Node, EffectError> {
    parts
        .nodes
        .get(&network)
        .ok_or(EffectError::NoNode(network))
}

/// What a transaction costs now.
pub(super) async fn quote(parts: &Parts, network: Network) -> Result<Command, EffectError> {
    let quote = node(parts, network)?.fee_quote().await?;
    Ok(Command::ObserveFee { network, quote })
}

async fn observe(
    parts: &Parts,
    network: Network,
    wallet: &WalletId,
    watches: &[Watch],
) -> Result<Vec<Command>, EffectError> {
    let keys: Vec<PublicKey> = watches.iter().map(|watch| watch.public_key).collect();
    let Some(first) = keys.first() else {
        return Ok(Vec::new());
    };
    let wallet = wallet.clone();
    let command = match node(parts, network)? {
        Node::Core(node) => {
            watch_keys(node, watches).await?;
            Command::ObserveCoins {
                wallet,
                coins: node.coins(&keys).await?,
            }
        }
        Node::Ethereum(node) => {
            let view = node
                .account(&Address::from_public_key(network, first))
                .await?;
            Command::ObserveAccount {
                wallet,
                balance: view.balance,
                nonce: view.nonce,
                height: view.height,
            }
        }
    };
    Ok(vec![command])
}

/// Has a node watch a wallet's keys. What the HSM made can't have been paid before; a key from outside may have been at
/// any time, so the node looks through the whole chain for it once.
async fn watch_keys(node: &CoreNode, watches: &[Watch]) -> Result<(), NodeError> {
    let (own, foreign): (Vec<Watch>, Vec<Watch>) =
        watches.iter().partition(|watch| watch.made_at.is_some());
    let public = |watches: &[Watch]| -> Vec<PublicKey> {
        watches.iter().map(|watch| watch.public_key).collect()
    };
    // Some at once: what they cost the node is bounded, and young keys don't have it read the blocks that old ones need.
    for together in own.chunks(GROUP) {
        if let Some(first) = together.iter().filter_map(|watch| watch.made_at).min() {
            node.watch(&public(together), KeyBirth::At(first.as_seconds()))
                .await?;
        }
    }
    if !foreign.is_empty() {
        node.watch(&public(&foreign), KeyBirth::At(0)).await?;
    }
    Ok(())
}

async fn broadcast(
    parts: &Parts,
    network: Network,
    list: Vec<(TransactionId, RawTransaction)>,
) -> Vec<Done> {
    failpoint::pass("before-broadcast");
    let raws: Vec<&RawTransaction> = list.iter().map(|(_, raw)| raw).collect();
    let results: Vec<Result<(), EffectError>> = match node(parts, network) {
        Err(e) => vec![Err(e)],
        Ok(Node::Ethereum(node)) => match node.broadcast_many(&raws).await {
            Ok(results) => results
                .into_iter()
                .map(|r| r.map(drop).map_err(EffectError::from))
                .collect(),
            Err(e) => vec![Err(e.into())],
        },
        Ok(node) => {
            let mut results = Vec::with_capacity(raws.len());
            for raw in raws {
                results.push(
                    node.broadcast(raw)
                        .await
                        .map(drop)
                        .map_err(EffectError::from),
                );
            }
            results
        }
    };
    failpoint::pass("node-took");
    let mut results = results.into_iter();
    let mut last = String::new();
    list.into_iter()
        .map(|(transaction, _)| {
            let result = results
                .next()
                .unwrap_or_else(|| Err(EffectError::Together(last.clone())));
            last = result
                .as_ref()
                .err()
                .map(ToString::to_string)
                .unwrap_or_default();
            let job = Job::Effect(Effect::Broadcast(transaction.clone()));
            let result = settle_broadcast(transaction, result);
            Done {
                job,
                part: network.to_string(),
                result,
                tip: None,
            }
        })
        .collect()
}

/// Inputs spent or nonce used: by this very transaction, perhaps. It counts as sent, and following it tells.
fn settle_broadcast(
    transaction: TransactionId,
    result: Result<(), EffectError>,
) -> Result<Vec<Command>, EffectError> {
    match result {
        Ok(()) | Err(EffectError::Node(NodeError::Spent { .. })) => {
            Ok(vec![Command::Broadcast { transaction }])
        }
        Err(e) => Err(e),
    }
}

async fn watch(parts: &Parts, network: Network, list: Vec<Watched>) -> Vec<Done> {
    let positions = match node(parts, network) {
        Err(e) => Err(e),
        Ok(Node::Core(node)) => watch_core(node, &list).await,
        Ok(Node::Ethereum(node)) => watch_ethereum(node, &list).await,
    };
    let part = network.to_string();
    let job = |id: &TransactionId| Job::Effect(Effect::Watch(id.clone()));
    match positions {
        Ok(positions) => {
            let mut done = Vec::new();
            let mut lost = Vec::new();
            for (watched, position) in list.iter().zip(positions) {
                if let ChainPosition::Included { confirmations, .. } = position {
                    parts
                        .pulse
                        .note_depth(watched.id.to_string(), Some(confirmations));
                }
                if position == ChainPosition::Unknown && watched.resend {
                    lost.push(watched.raw.clone());
                }
                let command = Command::ObserveTransaction {
                    transaction: watched.id.clone(),
                    position,
                };
                done.push(Done {
                    job: job(&watched.id),
                    part: part.clone(),
                    result: Ok(vec![command]),
                    tip: None,
                });
            }
            resend(parts, network, &lost).await;
            done
        }
        Err(error) => {
            let error = error.to_string();
            list.iter()
                .map(|watched| {
                    let result = Err(EffectError::Together(error.clone()));
                    Done {
                        job: job(&watched.id),
                        part: part.clone(),
                        result,
                        tip: None,
                    }
                })
                .collect()
        }
    }
}

/// What the node doesn't know (any more) goes out again: the stored bytes, never others.
async fn resend(parts: &Parts, network: Network, lost: &[RawTransaction]) {
    let Ok(node) = node(parts, network) else {
        return;
    };
    for raw in lost {
        if let Err(error) = node.broadcast(raw).await {
            tracing::debug!(txid = raw.txid(), %error, "not taken again");
        }
    }
}

async fn watch_core(node: &CoreNode, list: &[Watched]) -> Result<Vec<ChainPosition>, EffectError> {
    let watched: Vec<_> = list
        .iter()
        .map(|w| BitcoinWatch {
            transaction: &w.raw,
            inputs: &w.inputs,
        })
        .collect();
    Ok(node.positions(&watched).await?)
}

async fn watch_ethereum(
    node: &EthereumNode,
    list: &[Watched],
) -> Result<Vec<ChainPosition>, EffectError> {
    let watched: Vec<_> = list
        .iter()
        .filter_map(|w| {
            w.account.as_ref().map(|(from, nonce)| EvmWatch {
                transaction: &w.raw,
                from,
                nonce: *nonce,
            })
        })
        .collect();
    Ok(node.positions(&watched).await?)
}
