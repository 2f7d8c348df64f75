//! Arbitrary steps against a [`World`]. Refusals are welcome; only the state afterwards is judged.

use custodyd_chain::{FeeQuote, NonceX};
use custodyd_policy::{Timestamp, WithdrawalId};
use custodyd_vault::{
    ChainPosition, Command, Decision, ExportId, FreezeScope, Statement, TransactionId,
    TransactionState,
};
use proptest::{prelude::*, sample::Index};

use crate::common::{
    BLOCKED, CLIENTS, ETH_NEW, HOUR, KNOWN, NEW, OPERATORS, WALLETS, World, amount, eth, ltc,
    own_address, scope, sign_statement, wallet,
};

#[derive(Debug, Clone)]
pub(crate) enum Step {
    Request {
        client: u8,
        key: u8,
        value: u8,
        to: u8,
        from: Option<u8>,
    },
    /// Everybody who is asked approves, so that later states are reached often.
    ApproveAll(Index),
    Vote {
        who: u8,
        on: Index,
        decision: u8,
        flaw: Option<u8>,
    },
    ClientCancel {
        on: Index,
        client: u8,
    },
    Freeze(u8, u8),
    Unfreeze {
        scope: u8,
        who: u8,
        stale: bool,
    },
    /// Two of treasury let something frozen go on.
    Thaw(Index),
    Coins {
        wallet: u8,
        mask: u8,
    },
    Account {
        balance: u8,
        nonce: u8,
    },
    Fee(u8),
    Sign(Index),
    Broadcast(Index),
    /// Rarely, since a wallet with one key ends with it.
    ReuseNonce(Index, u8),
    See(Index, u8),
    Export(Option<Index>),
    Built(Index),
    Import(Index, u8),
    Wait(u64),
    Advance,
}

pub(crate) fn any_step() -> impl Strategy<Value = Step> {
    let index = any::<Index>;
    prop_oneof![
        12 => (0..2u8, 0..24u8, 0..8u8, 0..10u8, prop::option::weighted(0.6, prop::sample::select(vec![0, 1, 1, 2, 2, 2, 3])))
            .prop_map(|(client, key, value, to, from)| Step::Request { client, key, value, to, from }),
        6 => index().prop_map(Step::ApproveAll),
        6 => (0..5u8, index(), 0..8u8, prop::option::weighted(0.2, 0..6u8))
            .prop_map(|(who, on, decision, flaw)| Step::Vote { who, on, decision, flaw }),
        1 => (index(), 0..2u8).prop_map(|(on, client)| Step::ClientCancel { on, client }),
        1 => (0..5u8, 0..5u8).prop_map(|(scope, who)| Step::Freeze(scope, who)),
        2 => (0..5u8, 0..4u8, prop::bool::weighted(0.1))
            .prop_map(|(scope, who, stale)| Step::Unfreeze { scope, who, stale }),
        3 => index().prop_map(Step::Thaw),
        3 => (0..3u8, any::<u8>()).prop_map(|(wallet, mask)| Step::Coins { wallet, mask }),
        3 => (0..12u8, 0..6u8).prop_map(|(balance, nonce)| Step::Account { balance, nonce }),
        4 => (0..4u8).prop_map(Step::Fee),
        8 => index().prop_map(Step::Sign),
        6 => index().prop_map(Step::Broadcast),
        1 => (index(), 0..4u8).prop_map(|(on, rarely)| Step::ReuseNonce(on, rarely)),
        8 => (index(), 0..10u8).prop_map(|(on, position)| Step::See(on, position)),
        5 => prop::option::weighted(0.2, index()).prop_map(Step::Export),
        4 => index().prop_map(Step::Built),
        5 => (index(), 0..6u8).prop_map(|(on, flaw)| Step::Import(on, flaw)),
        5 => prop::sample::select(vec![1, 1, 30_000, 130_000, HOUR / 2, HOUR, HOUR, 25 * HOUR])
            .prop_map(Step::Wait),
        10 => Just(Step::Advance),
    ]
}

/// Does one step. Everything is looked up in the state as it is: an index is folded into what exists.
pub(crate) fn perform(world: &mut World, step: &Step) {
    match step {
        Step::Request {
            client,
            key,
            value,
            to,
            from,
        } => request(world, *client, *key, *value, *to, *from),
        Step::ApproveAll(on) => {
            if let Some(id) = withdrawal(world, on) {
                for who in OPERATORS {
                    let _ = world.vote(who, &id, Decision::Approve);
                }
            }
        }
        Step::Vote {
            who,
            on,
            decision,
            flaw,
        } => {
            let Some(id) = withdrawal(world, on) else {
                return;
            };
            let decision = match decision {
                0 => Decision::Reject,
                1 => Decision::Cancel,
                _ => Decision::Approve,
            };
            let statement = world.statement(OPERATORS[usize::from(*who)], &id, decision);
            vote(world, statement, *flaw);
        }
        Step::ClientCancel { on, client } => {
            let client = CLIENTS[usize::from(*client)].parse().unwrap();
            if let Some(id) = withdrawal(world, on) {
                let evidence = "the signed request".to_owned();
                let _ = world.take(Command::CancelByClient {
                    id,
                    client,
                    evidence: evidence.into(),
                });
            }
        }
        Step::Freeze(what, who) => {
            let _ = world.freeze(freeze_scope(*what), OPERATORS[usize::from(*who)]);
        }
        Step::Unfreeze { scope, who, stale } => {
            let signed_at = world.now.saturating_sub(if *stale { 2 * HOUR } else { 0 });
            let _ = world.take(Command::Unfreeze {
                scope: freeze_scope(*scope),
                operator: OPERATORS[usize::from(*who)].parse().unwrap(),
                signed_at: Timestamp::from_ms(signed_at),
                evidence: "".into(),
            });
        }
        Step::Thaw(on) => {
            let scopes: Vec<_> = world.vault.frozen().keys().cloned().collect();
            if !scopes.is_empty() {
                for who in ["alice", "bob"] {
                    let _ = world.unfreeze(scopes[on.index(scopes.len())].clone(), who);
                }
            }
        }
        Step::Coins { wallet, mask } => {
            let numbers: Vec<u8> = (1..=8).filter(|n| mask >> (n - 1) & 1 == 1).collect();
            world
                .observe_coins(WALLETS[usize::from(*wallet)], &numbers)
                .unwrap();
        }
        Step::Account { balance, nonce } => {
            world
                .observe_account(&balance.to_string(), u64::from(*nonce))
                .unwrap();
        }
        Step::Fee(level) => fee(world, *level),
        Step::Sign(on) => {
            if let Some(id) = transaction(world, on) {
                // As the engine does: only what may be signed is given to the HSM.
                if world.vault.may_sign(&id) {
                    let _ = world.sign(&id);
                }
            }
        }
        Step::Broadcast(on) => {
            if let Some(id) = transaction(world, on) {
                let _ = world.broadcast(&id);
            }
        }
        Step::ReuseNonce(on, 0) => {
            if let Some(id) = transaction(world, on) {
                let plan = &world.vault.transactions()[&id].plan;
                let public_key = *plan.signers().first().unwrap();
                let (r, earlier) = (NonceX::from_bytes([7; 32]), id.clone());
                let transaction = id;
                let command = Command::NonceReused {
                    public_key,
                    r,
                    earlier,
                    transaction,
                };
                world.take(command).unwrap();
            }
        }
        Step::ReuseNonce(..) => {}
        Step::See(on, position) => {
            if let Some(id) = transaction(world, on) {
                let _ = world.see(&id, chain_position(*position));
            }
        }
        Step::Export(only) => export(world, only.as_ref()),
        Step::Built(on) => {
            if let Some(id) = an_export(world, on) {
                world.built(&id).unwrap();
            }
        }
        Step::Import(on, flaw) => import(world, on, *flaw),
        Step::Wait(ms) => drop(world.wait(*ms)),
        Step::Advance => drop(world.advance()),
    }
}

fn request(world: &mut World, client: u8, key: u8, value: u8, to: u8, from: Option<u8>) {
    let to = match to {
        0..=2 => KNOWN.to_owned(),
        3 => NEW.to_owned(),
        4 => BLOCKED.to_owned(),
        5 => own_address("hot-ltc"),
        6 => own_address("warm-ltc"),
        _ => ETH_NEW.to_owned(),
    };
    let number = ["0.001", "0.4", "1", "1.5", "2", "3", "0.00000001", "99"][usize::from(value)];
    let asset = if to.starts_with("0x") { "ETH" } else { "LTC" };
    let mut asked = world.asked(
        CLIENTS[usize::from(client)],
        &format!("key-{key}"),
        &format!("{number} {asset}"),
        &to,
    );
    asked.wallet = from
        .filter(|_| asset == "LTC")
        .map(|n| wallet(WALLETS[usize::from(n)]));
    let _ = world.ask(asked);
}

fn vote(world: &mut World, mut statement: Statement, flaw: Option<u8>) {
    let signature = sign_statement(&statement, 0);
    match flaw {
        None => drop(world.submit(statement)),
        Some(0) => {
            statement.expires_at = Timestamp::from_ms(world.now);
            assert!(world.submit(statement).is_err());
        }
        Some(1) => {
            statement.effects.amount = amount("0.5 LTC");
            assert!(world.submit(statement).is_err());
        }
        Some(2) => {
            statement.policy = custodyd_policy::PolicyHash::of("another");
            assert!(world.submit(statement).is_err());
        }
        Some(3) => {
            statement.decision = match statement.decision {
                Decision::Approve => Decision::Reject,
                _ => Decision::Approve,
            };
            assert!(world.submit_signed(statement, signature).is_err());
        }
        Some(4) => {
            let wrong = sign_statement(&statement, 7);
            assert!(world.submit_signed(statement, wrong).is_err());
        }
        Some(_) => {
            // The second time can only be a cancellation, which is one event at most too.
            let _ = world.submit_signed(statement.clone(), signature);
            assert!(world.submit_signed(statement, signature).is_err());
        }
    }
}

fn fee(world: &mut World, level: u8) {
    let rate = [1_000, 10_000, 100_000, 9_000_000][usize::from(level)];
    let quote = FeeQuote::Bitcoin { sat_per_kvb: rate };
    let network = ltc();
    world.take(Command::ObserveFee { network, quote }).unwrap();
    let quote = FeeQuote::Evm {
        base_fee_per_gas: u128::from(rate) * 100_000,
        priority_fee_per_gas: 1_000_000_000,
    };
    let network = eth();
    world.take(Command::ObserveFee { network, quote }).unwrap();
}

fn chain_position(number: u8) -> ChainPosition {
    let at = |height, confirmations, succeeded| ChainPosition::Included {
        height,
        confirmations,
        succeeded,
    };
    match number {
        0 => ChainPosition::Pending,
        1 => ChainPosition::Unknown,
        2 => ChainPosition::Conflicted,
        3..=5 => at(200, 1, true),
        6 => at(201, 1, true),
        7 => at(201, 1, false),
        8 => at(200, 2, true),
        _ => at(202, 6, false),
    }
}

fn export(world: &mut World, only: Option<&Index>) {
    let serial = u8::try_from(world.vault.exports().len()).unwrap();
    let only = only.and_then(|on| withdrawal(world, on));
    world.quote_fees();
    let _ = world.take(Command::ExportCold {
        id: ExportId::from_bytes([serial; 16]),
        wallet: None,
        withdrawals: only.into_iter().collect(),
        by: "operator/alice".to_owned(),
        evidence: "".into(),
    });
}

fn import(world: &mut World, on: &Index, flaw: u8) {
    let Some(id) = an_export(world, on) else {
        return;
    };
    let mut signed = world.signed_export(&id);
    match flaw {
        0 => drop(signed.pop()),
        1 => signed.push(signed[0].clone()),
        2 if signed.len() > 1 => {
            let raw = signed[0].1.clone();
            signed[0].1 = signed[1].1.clone();
            signed[1].1 = raw;
        }
        _ => {
            let _ = world.import(&id, signed);
            return;
        }
    }
    assert!(world.import(&id, signed).is_err());
}

fn freeze_scope(number: u8) -> FreezeScope {
    WALLETS
        .get(usize::from(number))
        .map_or(FreezeScope::Vault, |name| scope(name))
}

/// One of the withdrawals, the youngest more often.
fn withdrawal(world: &World, on: &Index) -> Option<WithdrawalId> {
    let ids: Vec<_> = world.vault.withdrawals().keys().copied().collect();
    let recent = ids.len().min(6);
    (recent > 0).then(|| ids[ids.len() - 1 - on.index(recent)])
}

/// One of the transactions that are not final.
fn transaction(world: &World, on: &Index) -> Option<TransactionId> {
    let ids: Vec<_> = world
        .vault
        .transactions()
        .iter()
        .filter(|(_, t)| !matches!(t.state, TransactionState::Final { .. }))
        .map(|(id, _)| id.clone())
        .collect();
    (!ids.is_empty()).then(|| ids[on.index(ids.len())].clone())
}

fn an_export(world: &World, on: &Index) -> Option<ExportId> {
    let ids: Vec<_> = world.vault.exports().keys().cloned().collect();
    (!ids.is_empty()).then(|| ids[on.index(ids.len())].clone())
}
