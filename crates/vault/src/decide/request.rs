//! A client asks for a payout: read it, route it to the lowest tier that may pay, and have policy judge it.

use std::sync::Arc;

use custodyd_chain::{Address, Amount, Asset, Network, U256};
use custodyd_policy::{
    Facts, Initiator, Outcome, Tier, Timestamp, Verdict, WalletId, WithdrawalId,
};

use crate::{Event, Rejection, Request, RequestWithdrawal, Vault, Wallet, decide::is_plain_text};

/// A judgement before it is recorded.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// What was judged.
    pub facts: Arc<Facts>,
    /// What policy says.
    pub verdict: Arc<Verdict>,
}

impl Judgement {
    pub(super) fn new(facts: Facts, verdict: Verdict) -> Self {
        Self {
            facts: Arc::new(facts),
            verdict: Arc::new(verdict),
        }
    }
}

impl Vault {
    pub(super) fn decide_request(
        &self,
        asked: &RequestWithdrawal,
        now: Timestamp,
    ) -> Result<Vec<Event>, Rejection> {
        let known = match &asked.initiator {
            Initiator::Client(client) => self.clients.contains_key(client),
            Initiator::Operator(operator) => self.operators.contains_key(operator),
        };
        if !known {
            return Err(Rejection::UnknownPrincipal(asked.initiator.to_string()));
        }
        let key = &asked.idempotency_key;
        if key.is_empty() || key.len() > 128 || !key.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Rejection::IdempotencyKeyForm);
        }
        if let Some(before) = self.withdrawal_for_key(&asked.initiator, key) {
            let same = before.request.body_digest == asked.body_digest;
            return if same {
                Ok(Vec::new())
            } else {
                Err(Rejection::IdempotencyKeyReused(key.clone()))
            };
        }
        if self.withdrawals.contains_key(&asked.id) {
            return Err(Rejection::Taken(asked.id.to_string()));
        }
        let (request, judgement) = self.judge_request(asked, now)?;
        let Judgement { facts, verdict } = judgement;
        Ok(vec![
            Event::WithdrawalRequested {
                id: asked.id,
                request: Arc::new(request),
                evidence: asked.evidence.clone(),
            },
            Event::WithdrawalJudged {
                id: asked.id,
                facts,
                verdict,
            },
        ])
    }

    /// What would be decided on a request, without effect.
    ///
    /// # Errors
    /// The request can't be read, or is for something this vault doesn't have.
    pub fn judge_request(
        &self,
        asked: &RequestWithdrawal,
        now: Timestamp,
    ) -> Result<(Request, Judgement), Rejection> {
        if asked.vault != self.id {
            return Err(Rejection::OtherVault(asked.vault.clone()));
        }
        if !is_plain_text(&asked.reference, 140) {
            return Err(Rejection::ReferenceForm);
        }
        let candidates = self.candidates(asked.asset, asked.wallet.as_ref())?;
        let network = candidates
            .first()
            .ok_or_else(|| Rejection::NoWalletFor(asked.asset.to_string()))?
            .network;
        let amount = Amount::parse(asked.asset, &asked.amount)?;
        if amount.is_zero() {
            return Err(Rejection::ZeroAmount);
        }
        let destination = Address::parse(network, &asked.destination)?;
        if is_dust(&destination, amount) {
            return Err(Rejection::Dust(amount.to_string()));
        }
        if let Some((scope, _)) = self.payout_freeze(&asked.initiator, &destination) {
            return Err(Rejection::Frozen(self.name_of(scope)));
        }
        let judgement = self.route(&asked.id, asked, &candidates, amount, &destination, now)?;
        let request = Request {
            initiator: asked.initiator.clone(),
            idempotency_key: asked.idempotency_key.clone(),
            body_digest: asked.body_digest.clone(),
            destination,
            amount,
            reference: asked.reference.clone(),
            wallet: asked.wallet.clone(),
        };
        Ok((request, judgement))
    }

    /// The wallets that could pay, lowest tier first.
    fn candidates(
        &self,
        asset: Asset,
        named: Option<&WalletId>,
    ) -> Result<Vec<&Wallet>, Rejection> {
        if let Some(id) = named {
            let wallet = self
                .wallets
                .get(id)
                .ok_or_else(|| Rejection::UnknownWallet(id.clone()))?;
            if wallet.network.asset() != asset {
                return Err(Rejection::WalletAsset(id.clone(), asset.to_string()));
            }
            return Ok(vec![wallet]);
        }
        let mut wallets: Vec<_> = self
            .wallets
            .values()
            .filter(|w| w.network.asset() == asset && w.is_active())
            .collect();
        wallets.sort_by_key(|w| (w.tier, w.id.clone()));
        if wallets.is_empty() {
            Err(Rejection::NoWalletFor(asset.to_string()))
        } else {
            Ok(wallets)
        }
    }

    /// Judges each candidate; the first that policy doesn't deny pays. With none, the first one's denial stands, unless
    /// one that is frozen might have paid.
    fn route(
        &self,
        id: &WithdrawalId,
        asked: &RequestWithdrawal,
        candidates: &[&Wallet],
        amount: Amount,
        destination: &Address,
        now: Timestamp,
    ) -> Result<Judgement, Rejection> {
        let mut denied = None;
        let mut refused = None;
        for wallet in candidates {
            if let Some(scope) = self.freeze_of(&wallet.id) {
                refused = Some(Rejection::Frozen(scope));
                continue;
            }
            if self.destinations.own().get(destination) == Some(&wallet.id) {
                refused.get_or_insert(Rejection::ToItself(wallet.id.clone()));
                continue;
            }
            if let Some(retiring) = self.retiring_end(wallet, destination) {
                refused.get_or_insert(Rejection::Retiring(retiring));
                continue;
            }
            if wallet.tier == Tier::Cold && self.owner_tier(destination) == Some(Tier::Hot) {
                refused.get_or_insert(Rejection::ColdToHot);
                continue;
            }
            let facts = self.facts_of(*id, &asked.initiator, wallet, amount, destination, now);
            let verdict = self.policy.evaluate(&facts, &self.limits);
            let judgement = Judgement::new(facts, verdict);
            if judgement.verdict.outcome != Outcome::Deny {
                return Ok(judgement);
            }
            denied.get_or_insert(judgement);
        }
        match (denied, refused) {
            // A freeze passes; a denial is for good, and would use up the client's key for the request.
            (_, Some(frozen @ Rejection::Frozen(_))) => Err(frozen),
            (Some(denied), _) => Ok(denied),
            (None, Some(refused)) => Err(refused),
            (None, None) => Err(Rejection::NoWalletFor(asked.asset.to_string())),
        }
    }

    pub(crate) fn owner_tier(&self, destination: &Address) -> Option<Tier> {
        self.destinations
            .own()
            .get(destination)
            .and_then(|id| self.wallets.get(id))
            .map(|w| w.tier)
    }

    /// What is frozen around a wallet, in words.
    pub(super) fn freeze_of(&self, wallet: &WalletId) -> Option<String> {
        let wallet = self.wallets.get(wallet)?;
        self.wallet_freeze(wallet)
            .map(|(scope, _)| self.name_of(scope))
    }
}

/// Whether nodes would not relay such an output: spending it would cost more than it is worth.
fn is_dust(destination: &Address, amount: Amount) -> bool {
    match (destination.network(), destination.script_pubkey()) {
        (Network::Bitcoin(network), Some(script)) => {
            amount.units() < U256::from(network.dust_limit(&script))
        }
        _ => false,
    }
}
