//! `genesis sign`: a first operator reads what a vault would begin with, and signs it. Needs no daemon.

use std::path::Path;

use custodyd_client::GenesisCeremony;

use crate::arguments::Connection;
use crate::decisions::confirmed;
use crate::failure::Failure;
use crate::text;

pub(crate) fn sign(connection: Connection, path: &Path, yes: bool) -> Result<(), Failure> {
    let identity = connection.signer.identity()?;
    let mut ceremony = GenesisCeremony::load(path)?;
    eprintln!("{}", described(&ceremony));
    if !yes && !confirmed()? {
        return Err(Failure::Declined);
    }
    let written = ceremony.sign(&identity)?;
    let missing: Vec<String> = ceremony.missing().iter().map(ToString::to_string).collect();
    println!("signed in {}", written.display());
    if missing.is_empty() {
        println!("every operator has signed: `custodyd init` may begin the vault");
    } else {
        println!("still to sign: {}", missing.join(", "));
    }
    Ok(())
}

/// The genesis in words.
fn described(ceremony: &GenesisCeremony) -> String {
    let file = ceremony.file();
    let policy = ceremony.policy();
    let mut rows = vec![(
        "policy",
        format!("{} ({})", policy.hash(), text::plain(&file.policy)),
    )];
    for (operator, keys) in &file.operators {
        let keys: Vec<String> = keys.iter().map(ToString::to_string).collect();
        rows.push(("operator", format!("{operator}: {}", keys.join(", "))));
    }
    for (client, key) in &file.clients {
        let scopes = file.client_scopes.get(client).map_or_else(
            || "all but prices".to_owned(),
            |scopes| {
                let names: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
                names.join(", ")
            },
        );
        rows.push(("client", format!("{client}: {key}, may do: {scopes}")));
    }
    for (id, wallet) in &file.wallets {
        let key = wallet
            .public_key
            .map_or_else(|| "key in the HSM".to_owned(), |key| format!("key {key}"));
        rows.push((
            "wallet",
            format!(
                "{id}: {} on {}, fees up to {} and {} basis points, final after {} confirmations, {key}",
                wallet.tier,
                wallet.network,
                wallet.fee_caps.absolute,
                wallet.fee_caps.relative_bp,
                wallet.confirmations
            ),
        ));
    }
    for (name, entry) in &file.address_book {
        let mut line = format!("{}: {}", text::plain(name), entry.address());
        let tags: Vec<_> = entry.tags().iter().map(ToString::to_string).collect();
        if !tags.is_empty() {
            line = format!("{line}, tagged {}", tags.join(", "));
        }
        rows.push(("destination", line));
    }
    rows.push(("blocked", format!("{} destinations", file.blocked.len())));
    rows.push(("digest", ceremony.statement().digest));
    text::table(&format!("genesis of vault {}", file.vault), &rows)
}
