//! `custodyd serve`: engine and API in one process, until SIGINT or SIGTERM.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use custodyd::{
    canary,
    clock::Clock,
    config::Config,
    console::Console,
    engine::{Engine, Parts, Pulse, Screener},
    http::{self, AppState},
    intake::{Answers, Intake},
    nodes::Node,
    signer::Signer,
    state_dir::StateDir,
    store::Store,
    telemetry,
};
use tokio::{net::TcpListener, signal::unix::SignalKind, sync::Notify, sync::watch};

use super::{
    Failure,
    keys::{check_keys, check_wrapping_keys, report_orphans},
};

pub(super) async fn run(config: Config) -> Result<(), Failure> {
    let metrics = telemetry::start(&config.log)?;
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

    let (answers, bell, pulse) = (
        Answers::default(),
        Arc::new(Notify::new()),
        Arc::new(Pulse::default()),
    );
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
        answers: answers.clone(),
        bell: Arc::clone(&bell),
        pulse: Arc::clone(&pulse),
        poll: config.poll(),
        anchor: state_dir.anchor(),
        journal_key: journal_key.clone(),
    };
    let engine = Engine::open(parts, config.vault.as_str()).await?;
    check_keys(&*hsm, engine.vault(), &journal_id, &journal_key)?;
    check_wrapping_keys(&*hsm, engine.vault(), config.hsm.wrapping_key)?;
    report_orphans(&*hsm, engine.vault(), &journal_id);
    tracing::info!(events = engine.vault().seq(), "journal replayed");

    let intake = Intake::start(
        store.clone(),
        Some(answers),
        bell,
        Duration::from_millis(config.http.patience_ms),
        Clock::system(),
    );
    let (stop, stopped) = watch::channel(false);
    if config.hsm.canary_s > 0 {
        let every = Duration::from_secs(config.hsm.canary_s);
        let (hsm, pulse) = (Arc::clone(&hsm), Arc::clone(&pulse));
        tokio::spawn(canary::watch(hsm, every, pulse, stopped.clone()));
    }
    let state = AppState {
        standing: engine.standing(),
        intake,
        store,
        pulse: Some(pulse),
        vault: Some(engine.inquiries()),
        console: Arc::new(Console::new(config.console.lifetime())),
        hsm: Some(hsm),
        journal_key: hex::encode(journal_key.to_sec1()),
        clock: Clock::system(),
        max_skew_s: config.http.max_skew_s,
        replays: Arc::default(),
        metrics,
    };
    let listener = TcpListener::bind(config.http.listen)
        .await
        .map_err(|e| format!("can't listen on {}: {e}", config.http.listen))?;
    tracing::info!(address = %listener.local_addr()?, "API open");

    let mut engine = tokio::spawn(engine.run(stopped.clone()));
    let mut server = tokio::spawn(http::serve(state, listener, stopped));
    let mut terminate = tokio::signal::unix::signal(SignalKind::terminate())?;
    let outcome: Result<(), Failure> = tokio::select! {
        _ = tokio::signal::ctrl_c() => Ok(()),
        _ = terminate.recv() => Ok(()),
        ended = &mut engine => Err(match ended {
            Ok(Ok(())) => "the engine stopped by itself".into(),
            Ok(Err(e)) => format!("the engine stopped: {e}").into(),
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
    })
    .await;
    outcome
}
