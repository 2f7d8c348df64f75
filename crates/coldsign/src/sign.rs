//! `coldsign sign`, from top to bottom: whose word is it → what do the files do → is it within this machine's limits →
//! was something else signed for the same coins → does the person want it → write it down → sign → hand it back.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal};

use custodyd_airgap::{RecomputedEffects, ReturnBundle, recompute};
use custodyd_chain::Signature;

use crate::arguments::SignOrder;
use crate::config::Config;
use crate::error::ColdsignError;
use crate::limits::Refusal;
use crate::signed_log::SignedLog;
use crate::summary::{self, Standing};
use crate::{confirm, media, token};

/// Signs a bundle and writes the answer.
pub(crate) fn run(config: &Config, order: &SignOrder) -> Result<(), ColdsignError> {
    let bundle = media::read_bundle(&order.bundle)?;
    let manifest = bundle.manifest();
    bundle.verify(config.journal_key(&manifest.vault)?)?;
    let transactions = recompute(&bundle)?;
    media::check_room(&order.out, order.tar)?;

    let token = token::open(config)?;
    let keys = token::keys(&token)?;
    let own: BTreeSet<_> = keys.keys().copied().collect();
    config.limits.check(&transactions, &own)?;
    token::check_keys(&token, &keys, &transactions)?;
    let mut log = SignedLog::open(&config.signed_log)?;
    log.check(&transactions)?;

    print!(
        "{}",
        summary::text(manifest, &transactions, Standing::Pinned)?
    );
    if !order.yes {
        let code = summary::code(&manifest.sha256());
        let (stdin, terminal) = (io::stdin(), io::stdin().is_terminal());
        confirm::ask(&code, terminal, &mut stdin.lock(), &mut io::stdout())?;
    }

    log.record(&manifest.export, &transactions)?;
    let signatures = transactions
        .iter()
        .map(|transaction| {
            signatures(transaction, |request| {
                let id = keys.get(&request.public_key).ok_or_else(|| Refusal::Key {
                    transaction: transaction.transaction.clone(),
                    key: request.public_key,
                })?;
                token::sign(&token, id, request)
            })
        })
        .collect::<Result<Vec<_>, _>>()?;
    media::write_answer(
        &order.out,
        order.tar,
        &ReturnBundle::answer(&bundle, &signatures)?,
    )?;
    println!(
        "Signed {}; the answer is in {}",
        manifest.export,
        order.out.display()
    );
    if order.tar {
        println!("and in {}", media::tar_of(&order.out).display());
        let parts = media::parts_of(&order.out);
        if parts.exists() {
            println!("and, as parts for QR codes, in {}", parts.display());
        }
    }
    Ok(())
}

fn signatures(
    transaction: &RecomputedEffects,
    sign: impl FnMut(&custodyd_chain::SigningRequest) -> Result<Signature, ColdsignError>,
) -> Result<Vec<Signature>, ColdsignError> {
    transaction.requests.iter().map(sign).collect()
}
