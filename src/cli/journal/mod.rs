//! `custodyd journal`: for the auditor. Needs the database and the pinned public key, not the HSM.

mod accept_restore;

use clap::Subcommand;
use custodyd::{
    audit::{Audited, audit},
    config::Config,
    journal::Anchor,
    state_dir::StateDir,
    store::Store,
};

use super::Failure;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Verifies chain, heads, evidence and projections; names the first row that doesn't hold.
    Verify,
    /// Prints the journal, a row a line, as JSON.
    Export {
        /// Only rows after this one.
        #[arg(long, default_value_t = 0)]
        after: u64,
    },
    /// Goes on from an older copy of the database: says what is lost, and freezes the vault until a quorum lifts that.
    AcceptRestore {
        /// Why the copy was put in place; it stays in the journal.
        #[arg(long)]
        reason: String,
    },
}

pub(super) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    let store = Store::open(&config.database.url).await?;
    match command {
        Command::Verify => verify(&config, &store).await,
        Command::Export { after } => export(&config, &store, after).await,
        Command::AcceptRestore { reason } => accept_restore::run(&config, &store, &reason).await,
    }
}

async fn verify(config: &Config, store: &Store) -> Result<(), Failure> {
    let state_dir = StateDir::new(&config.state_dir, &config.vault);
    let (_, key) = state_dir.journal_key()?;
    let anchor = Anchor::at(state_dir.anchor());
    let audited = audit(store, config.vault.as_str(), &key, Some(&anchor)).await?;
    let Audited {
        events,
        heads,
        head,
        transaction_signatures,
        manifest_signatures,
        key_signatures,
        evidence,
        projections,
        feed,
        nonces,
    } = &audited;
    println!("journal of vault {}: every row holds", config.vault);
    println!("  events        {events}, chained to {head}");
    println!("  heads         {heads}, each signed by the journal key in the HSM");
    println!("  evidence      {evidence} requests signed by clients and operators, verified again");
    println!("  projections   {projections} rows, each as the journal makes it");
    println!(
        "  feed          {feed} events kept for streams and webhooks, each as the journal tells it"
    );
    println!(
        "  nonces        {nonces} on record, one for each signature of a head, a transaction or a cold export"
    );
    println!(
        "  HSM           {} signatures explained: {heads} of heads, {transaction_signatures} of transactions, \
         {manifest_signatures} of cold exports, {key_signatures} of wrapped keys",
        audited.hsm_signatures()
    );
    println!(
        "  PKCS#11       {0} signatures: {0} C_SignInit and {1} C_Sign calls, one of each two only asks for the length",
        audited.hsm_signatures(),
        audited.c_sign_calls()
    );
    Ok(())
}

async fn export(config: &Config, store: &Store, mut after: u64) -> Result<(), Failure> {
    loop {
        let rows = store.journal(config.vault.as_str(), after, 512).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.seq;
        for row in &rows {
            let event: serde_json::Value = serde_json::from_str(&row.event)?;
            println!(
                "{}",
                serde_json::json!({
                    "vault": row.vault, "seq": row.seq, "at": row.at_ms, "kind": row.kind, "event": event,
                    "prev_hash": hex::encode(row.prev_hash), "hash": hex::encode(row.hash),
                })
            );
        }
    }
}
