//! Deciding: a command and a time in, events or a typed refusal out. The state is only read.

mod approval;
mod chain;
mod cold;
mod enrol;
mod freeze;
mod keys;
mod plan;
mod prices;
mod proposal;
mod recheck;
mod request;
mod restore;
mod screening;
mod timers;

pub use prices::{MAX_PRICES, PriceFault};

use custodyd_policy::Timestamp;

use crate::{Command, Event, Rejection, TransactionState, Vault};

impl Vault {
    /// What a command leads to. An empty list means: nothing new.
    ///
    /// # Errors
    /// The command is refused and nothing changes.
    pub fn decide(&self, command: &Command, now: Timestamp) -> Result<Vec<Event>, Rejection> {
        match command {
            Command::RequestWithdrawal(request) => self.decide_request(request, now),
            Command::Decide(decide) => self.decide_vote(decide, now),
            Command::CancelByClient {
                id,
                client,
                evidence,
            } => self.decide_client_cancel(id, client, evidence),
            Command::Freeze {
                scope,
                reason,
                operator,
                evidence,
            } => self.decide_freeze(scope, reason, operator, evidence),
            Command::Unfreeze {
                scope,
                operator,
                signed_at,
                evidence,
            } => self.decide_unfreeze(scope, operator, *signed_at, evidence),
            Command::AcceptRestore { last_seen, reason } => self.decide_restore(*last_seen, reason),
            Command::Propose(propose) => self.decide_propose(propose, now),
            Command::DecideProposal(decide) => self.decide_proposal(decide, now),
            Command::Enrol(enrol) => self.decide_enrol(enrol, now),
            Command::CountPasskey {
                operator,
                credential,
                counter,
            } => self.decide_count(operator, credential, *counter),
            Command::SetPrices {
                client,
                prices,
                currency,
                as_of,
                evidence,
            } => self.decide_prices(client, prices, *currency, *as_of, evidence, now),
            Command::ScreeningPassed { id } => self.decide_screening_passed(id, now),
            Command::ScreeningRefused { id, reason } => self.decide_screening_refused(id, reason),
            Command::RequestAddress {
                wallet,
                key,
                by,
                evidence,
            } => self.decide_request_address(wallet, key, by, evidence),
            Command::RequestAddresses {
                wallet,
                keys,
                by,
                evidence,
            } => self.decide_request_addresses(wallet, keys, by, evidence),
            Command::KeyMade {
                key,
                public_key,
                wrapped,
            } => self.decide_key_made(key, public_key, wrapped.as_ref()),
            Command::NonceReused {
                public_key,
                r,
                earlier,
                transaction,
            } => self.decide_nonce_reused(public_key, r, earlier, transaction),
            Command::ObserveCoins { wallet, coins } => self.decide_coins(wallet, coins),
            Command::ObserveAccount {
                wallet,
                balance,
                nonce,
                height,
            } => self.decide_account(wallet, *balance, *nonce, *height),
            Command::ObserveFee { network, quote } => Ok(self.decide_fee(*network, quote, now)),
            Command::ObserveTransaction {
                transaction,
                position,
            } => self.decide_position(transaction, position),
            Command::Advance => Ok(self.decide_advance(now)),
            Command::Signed {
                transaction,
                raw,
                signatures,
            } => {
                let entry = self.known_transaction(transaction)?;
                if entry.state != TransactionState::Planned || entry.export.is_some() {
                    let state = entry.state_name();
                    return Err(Rejection::TransactionState(
                        transaction.clone(),
                        state,
                        "a signature",
                    ));
                }
                if raw.network() != entry.plan.network() {
                    return Err(Rejection::TransactionState(
                        transaction.clone(),
                        "planned for another network",
                        "this signature",
                    ));
                }
                if let Some(key) = self.compromised_signer(&entry.plan) {
                    return Err(Rejection::KeyCompromised(key));
                }
                let (transaction, raw) = (transaction.clone(), raw.clone());
                Ok(vec![Event::TransactionSigned {
                    transaction,
                    raw,
                    signatures: *signatures,
                }])
            }
            Command::Broadcast { transaction } => {
                match self.known_transaction(transaction)?.state {
                    TransactionState::Signed => Ok(vec![Event::TransactionBroadcast {
                        transaction: transaction.clone(),
                    }]),
                    TransactionState::Planned => Err(Rejection::TransactionState(
                        transaction.clone(),
                        "planned",
                        "a broadcast",
                    )),
                    _ => Ok(Vec::new()),
                }
            }
            Command::ExportCold {
                id,
                wallet,
                withdrawals,
                by,
                evidence,
            } => self.decide_export(id, wallet.as_ref(), withdrawals, by, evidence, now),
            Command::ExportBuilt {
                export,
                manifest_sha256,
            } => self.decide_built(export, manifest_sha256),
            Command::ImportCold {
                export,
                signed,
                by,
                evidence,
            } => self.decide_import(export, signed, by, evidence),
        }
    }
}

/// How far a speaker's clock may be off, in milliseconds.
const CLOCK_SKEW_MS: u64 = 5_000;

/// The largest integer that RFC 8785 writes exactly (ECMA-262 `MAX_SAFE_INTEGER`). A larger one has no place in the
/// journal: an event that can't be written would be decided, and fail, again and again.
pub(crate) const MAX_EXACT: u64 = (1 << 53) - 1;

/// Whether a text may be shown to people as it is: no control characters, no direction marks (Unicode TR 36 §2.1).
pub(crate) fn is_plain_text(text: &str, most: usize) -> bool {
    text.chars().count() <= most
        && !text.chars().any(|c| {
            c.is_control()
                || matches!(c, '\u{061c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
        })
}

/// Whether a text has the form of a statement's nonce: 32 lowercase hex digits.
pub(crate) fn is_statement_nonce(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}
