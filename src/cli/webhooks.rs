//! `custodyd webhooks`: what each endpoint was told, and telling it again. Needs the database; a running daemon goes by it within
//! seconds.

use clap::{ArgGroup, Subcommand};
use custodyd::{
    clock::Clock,
    config::{Config, WebhookConfig},
    store::{DeliveryRow, EndpointRow, Owed, Store},
    webhooks::{Which, audience, replay},
};
use custodyd_policy::{Timestamp, WithdrawalId};

use super::Failure;

const PAGE: u32 = 1_000;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Says how far each endpoint is, what it is owed, and what was given up.
    List,
    /// Tells an endpoint again what was given up, or what the options say, in order.
    #[command(group = ArgGroup::new("which").multiple(false))]
    Replay {
        /// The endpoint's id in the configuration.
        #[arg(long)]
        endpoint: String,
        /// Everything from this event on.
        #[arg(long, group = "which")]
        from: Option<u64>,
        /// Everything about this withdrawal.
        #[arg(long, group = "which")]
        withdrawal: Option<WithdrawalId>,
        /// Everything since this time, as 2026-01-31T12:00:00Z.
        #[arg(long, group = "which")]
        since: Option<Timestamp>,
    },
    /// Goes on with an endpoint that wanted no more (HTTP 410), where it stopped.
    Enable {
        /// The endpoint's id in the configuration.
        #[arg(long)]
        endpoint: String,
    },
}

pub(super) async fn run(config: Config, command: Command) -> Result<(), Failure> {
    let store = Store::open(&config.database.url).await?;
    let vault = config.vault.as_str();
    match command {
        Command::List => list(&store, &config).await,
        Command::Replay {
            endpoint,
            from,
            withdrawal,
            since,
        } => {
            let which = match (from, withdrawal, since) {
                (Some(seq), ..) => Which::From(seq),
                (_, Some(id), _) => Which::Withdrawal(id.to_string()),
                (.., Some(at)) => Which::Since(at.as_ms()),
                _ => Which::GivenUp,
            };
            let (row, configured) = find(&store, &config, &endpoint).await?;
            let now_ms = Clock::system().now().as_ms();
            let heard = audience(configured);
            let count = replay(&store, vault, &endpoint, &heard, &which, now_ms).await?;
            println!("{count} events will be told to {endpoint} again");
            if row.disabled_ms != 0 {
                println!(
                    "it wanted no more: `custodyd webhooks enable --endpoint {endpoint}` goes on with it"
                );
            }
            Ok(())
        }
        Command::Enable { endpoint } => {
            find(&store, &config, &endpoint).await?;
            store.disable_endpoint(vault, &endpoint, 0).await?;
            println!("{endpoint} is told events again, from where it stopped");
            Ok(())
        }
    }
}

async fn find<'c>(
    store: &Store,
    config: &'c Config,
    id: &str,
) -> Result<(EndpointRow, &'c WebhookConfig), Failure> {
    let configured = config.webhooks.iter().find(|webhook| webhook.id == id);
    let configured = configured.ok_or_else(|| format!("custodyd.toml has no webhooks {id:?}"))?;
    let rows = store.endpoints(config.vault.as_str()).await?;
    let row = rows.into_iter().find(|row| row.endpoint == id);
    let row = row.ok_or_else(|| format!("{id} was told nothing yet: `custodyd serve` begins"))?;
    Ok((row, configured))
}

async fn list(store: &Store, config: &Config) -> Result<(), Failure> {
    let vault = config.vault.as_str();
    let last = store.feed_last(vault).await?;
    println!("feed          {last} events");
    for row in store.endpoints(vault).await? {
        let known = config.webhooks.iter().any(|w| w.id == row.endpoint);
        let state = match (row.disabled_ms, known) {
            (0, true) => "told".to_owned(),
            (0, false) => "not in custodyd.toml".to_owned(),
            (at, _) => format!("wants no more since {}", Timestamp::from_ms(at)),
        };
        println!(
            "endpoint      {}: {state}, up to event {}",
            row.endpoint, row.taken
        );
        for (owed, name) in [(Owed::Due, "due"), (Owed::GivenUp, "given up")] {
            each(store, vault, &row.endpoint, owed, |delivery| {
                println!(
                    "  {name:<11} event {} of {}, tried {} times: {}",
                    delivery.seq,
                    delivery.lane,
                    delivery.failures,
                    delivery.fault.as_deref().unwrap_or("waits for another")
                );
            })
            .await?;
        }
    }
    Ok(())
}

async fn each(
    store: &Store,
    vault: &str,
    endpoint: &str,
    owed: Owed,
    mut show: impl FnMut(&DeliveryRow),
) -> Result<(), Failure> {
    let mut after = 0;
    loop {
        let rows = store.deliveries(vault, endpoint, owed, after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.seq;
        rows.iter().for_each(&mut show);
    }
}
