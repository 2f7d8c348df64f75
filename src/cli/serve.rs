//! `custodyd serve`: engine and API in one process, until SIGINT or SIGTERM.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use custodyd::{
    alerts::{Alerts, Fact, Subjects, Watch},
    canary,
    clock::Clock,
    config::Config,
    console::Console,
    engine::{Engine, Parts, Pulse, Screener},
    feed::keep_within,
    http::{self, Admission, AppState, Entrance, Monitoring, Replays, Shared},
    intake::{Intake, Lobby},
    nodes::Node,
    signer::Signer,
    state_dir::StateDir,
    store::Store,
    telemetry, webhooks,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind},
    sync::watch,
};

use super::{
    Failure,
    keys::{check_keys, check_wrapping_keys, report_orphans},
};

pub(super) async fn run(config: Config) -> Result<(), Failure> {
    // From here on a hang-up ends nothing, also while the journal is replayed: it asks for certificates to be read again.
    let hangups = tokio::signal::unix::signal(SignalKind::hangup())?;
    let metrics = telemetry::start(&config.log)?;
    http::warn_if_unheard();
    let entrance = Entrance::open(&config.http)?;
    let state_dir = StateDir::new(&config.state_dir, &config.vault);
    let (journal_id, journal_key) = state_dir.journal_key()?;
    let store = Store::open(&config.database.url).await?;
    let hsm = config.hsm.open(&config.log)?;
    for member in hsm.members() {
        let serial = member.info.map(|info| info.serial).unwrap_or_default();
        tracing::info!(token = member.name, serial, health = ?member.health, "HSM token");
    }
    let nodes: BTreeMap<_, _> = config
        .nodes
        .iter()
        .map(|node| Ok((node.network, Node::new(node)?)))
        .collect::<Result<_, Failure>>()?;
    for node in nodes.values() {
        // A node that is down is waited for; one on another chain is a mistake to be told at once.
        match node.check().await {
            Ok(()) => tracing::info!(network = %node.network(), "node checked"),
            Err(e) if e.is_transient() => {
                tracing::warn!(network = %node.network(), error = %e, "node not there yet")
            }
            Err(e) => return Err(e.into()),
        }
    }

    for (whose, secrets) in config.webhook_secrets() {
        let usable = webhooks::check(secrets).await;
        usable.map_err(|e| format!("{whose}: {e}"))?;
    }
    let (lobby, pulse) = (Lobby::default(), Arc::new(Pulse::default()));
    let (alerts, facts) = Alerts::queue();
    let parts = Parts {
        store: store.clone(),
        signer: Signer::new(
            Arc::clone(&hsm),
            Duration::from_millis(config.hsm.deadline_ms),
        ),
        wrapping_key: config.hsm.wrapping_key,
        nodes,
        screener: config.screening.as_ref().map(Screener::new).transpose()?,
        clock: Clock::system(),
        lobby: lobby.clone(),
        pulse: Arc::clone(&pulse),
        alerts: alerts.clone(),
        poll: config.poll(),
        anchor: state_dir.anchor(),
        journal_key: journal_key.clone(),
    };
    let engine = Engine::open(parts, config.vault.as_str()).await?;
    check_keys(&*hsm, engine.vault(), &journal_id, &journal_key)?;
    check_wrapping_keys(&*hsm, engine.vault(), config.hsm.wrapping_key)?;
    report_orphans(&*hsm, engine.vault(), &journal_id);
    tracing::info!(events = engine.vault().seq(), "journal replayed");
    for client in config.clients.keys() {
        if !engine.vault().clients().contains_key(client) {
            tracing::warn!(%client, "[clients.{client}] is of no client that the vault knows");
        }
    }

    let intake = Intake::start(
        store.clone(),
        Some(lobby),
        Duration::from_millis(config.http.patience_ms),
        Clock::system(),
    );
    let (stop, stopped) = watch::channel(false);
    let watched = Subjects {
        vault: config.vault.to_string(),
        inquiries: engine.inquiries(),
        hsm: Arc::clone(&hsm),
        networks: config.nodes.iter().map(|node| node.network).collect(),
        pulse: Arc::clone(&pulse),
        store: store.clone(),
        journal_key: journal_key.clone(),
        anchor: state_dir.anchor(),
        spool: state_dir.alerts(),
        clock: Clock::system(),
    };
    let watching = Watch::new(watched, facts, config.alerts.clone())?;
    let watching = tokio::spawn(watching.run(stopped.clone()));
    if config.hsm.canary_s > 0 {
        let every = Duration::from_secs(config.hsm.canary_s);
        let (hsm, pulse) = (Arc::clone(&hsm), Arc::clone(&pulse));
        tokio::spawn(canary::watch(hsm, every, pulse, stopped.clone()));
    }
    let watched = Arc::clone(&pulse);
    let state = AppState::from(Shared {
        standing: engine.standing(),
        feed: engine.feed(),
        intake,
        store,
        pulse: Some(pulse),
        vault: Some(engine.inquiries()),
        console: Arc::new(Console::new(config.console.lifetime()).anchored(state_dir.anchor())),
        hsm: Some(hsm),
        journal_key: hex::encode(journal_key.to_sec1()),
        clock: Clock::system(),
        monitoring: Monitoring {
            alerts: alerts.clone(),
            balances: config.metrics.balances,
            scrapes: Arc::default(),
        },
        max_skew_s: config.http.max_skew_s,
        replays: Arc::new(Replays::since(Clock::system().now().as_seconds())),
        admission: Arc::new(Admission::new(
            config.http.tls.as_ref(),
            &config.clients,
            &config.operators,
        )),
        metrics,
    });
    let listener = TcpListener::bind(config.http.listen)
        .await
        .map_err(|e| format!("can't listen on {}: {e}", config.http.listen))?;
    let tls = entrance.tls.is_some();
    if !tls {
        tokio::spawn(answer_hangups(hangups));
    }
    tracing::info!(address = %listener.local_addr()?, tls, "API open");

    tokio::spawn(keep_within(
        config.feed,
        state.store.clone(),
        config.vault.to_string(),
        Clock::system(),
        stopped.clone(),
    ));
    let deliveries = webhooks::Parts {
        store: state.store.clone(),
        vault: config.vault.to_string(),
        feed: state.feed.clone(),
        pulse: Arc::clone(&watched),
        clock: Clock::system(),
        chance: random,
    };
    let mut webhooks = webhooks::start(&config.webhooks, &deliveries, &stopped)?;
    let mut engine = tokio::spawn(engine.run(stopped.clone()));
    let mut server = tokio::spawn(http::serve(entrance, state, listener, stopped));
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    let outcome: Result<(), Failure> = tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        ended = &mut engine => Err(match ended {
            Ok(Ok(())) => "the engine stopped by itself".into(),
            Ok(Err(e)) => {
                alerts.see(vec![Fact::EngineEnded(e.to_string())]);
                format!("the engine stopped: {e}").into()
            }
            Err(e) => format!("the engine failed: {e}").into(),
        }),
        ended = &mut server => Err(match ended {
            Ok(Ok(())) => "the API stopped by itself".into(),
            Ok(Err(e)) => format!("the API stopped: {e}").into(),
            Err(e) => format!("the API failed: {e}").into(),
        }),
    };
    tracing::info!("stopping");
    stop.send_replace(true);
    let _ = tokio::time::timeout(Duration::from_secs(10), async {
        if !server.is_finished() {
            let _ = server.await;
        }
        if !engine.is_finished() {
            let _ = engine.await;
        }
        while webhooks.join_next().await.is_some() {}
        let _ = watching.await;
    })
    .await;
    outcome
}

/// Tells who sends SIGHUP to a daemon without TLS that it was heard.
async fn answer_hangups(mut hangups: Signal) {
    while hangups.recv().await.is_some() {
        tracing::info!(
            "SIGHUP: there are no certificates to read again; custodyd.toml is read at the start"
        );
    }
}

/// Any number; which doesn't matter where there is no randomness.
fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = getrandom::fill(&mut bytes);
    u64::from_ne_bytes(bytes)
}
