//! `custodyd doctor`: a line for each part, and a non-zero exit if any is not well.

use custodyd::{
    config::Config,
    engine::{Replayed, replay},
    journal::Anchor,
    nodes::Node,
    state_dir::StateDir,
    store::Store,
};

use super::{Failure, keys::check_keys};

pub(super) async fn run(config: Config) -> Result<(), Failure> {
    let mut faults = 0_usize;
    let mut line = |part: &str, result: Result<String, Failure>| {
        let (mark, text) = match result {
            Ok(text) => ("ok  ", text),
            Err(e) => {
                faults = faults.saturating_add(1);
                ("FAIL", e.to_string())
            }
        };
        println!("{mark} {part:<20} {text}");
    };
    let token = config.open_token();
    line(
        "hsm",
        token
            .as_ref()
            .map(|t| format!("token {} (serial {})", t.info().label, t.info().serial))
            .map_err(text),
    );
    let store = Store::open(&config.database.url).await;
    line(
        "database",
        store
            .as_ref()
            .map(|_| {
                config
                    .database
                    .url
                    .split('@')
                    .next_back()
                    .unwrap_or_default()
                    .to_owned()
            })
            .map_err(text),
    );
    if let (Ok(store), Ok(token)) = (&store, &token) {
        line("journal and keys", journal(&config, store, token).await);
    }
    for node in &config.nodes {
        let checked = match Node::new(node) {
            Ok(client) => client
                .check()
                .await
                .map(|()| "on the right chain".to_owned()),
            Err(e) => Err(e),
        };
        line(&node.network.to_string(), checked.map_err(Failure::from));
    }
    if faults == 0 {
        Ok(())
    } else {
        Err(format!("{faults} part(s) not well").into())
    }
}

async fn journal(
    config: &Config,
    store: &Store,
    token: &custodyd_hsm::Token,
) -> Result<String, Failure> {
    let state_dir = StateDir::new(&config.state_dir, &config.vault);
    let (id, key) = state_dir.journal_key()?;
    let anchor = Anchor::at(state_dir.anchor());
    let Replayed { vault, .. } = replay(store, config.vault.as_str(), &key, Some(&anchor)).await?;
    check_keys(token, &vault, &id, &key)?;
    Ok(format!(
        "{} events, every key where it should be",
        vault.seq()
    ))
}

fn text(error: impl std::fmt::Display) -> Failure {
    error.to_string().into()
}
