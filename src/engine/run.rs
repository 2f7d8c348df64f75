//! The engine's loop: wait, gather, decide and commit, act.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    time::Duration,
};

use custodyd_policy::Timestamp;
use custodyd_vault::{Command, Effect, Touch};
use tokio::sync::watch;

use super::{
    Engine, ReplayError, Replayed,
    batch::BatchError,
    follow::{broadcasts, observations},
    inquiry::Question,
    jobs::Job,
    perform::{Done, EffectError},
    replay_history,
};
use crate::{
    alerts::Fact,
    directory::Directory,
    failpoint,
    intake::{self, Pending, Vouched},
    problem::Problem,
    standing::InForce,
    store::{CommitError, InboxRow, StoreError},
    telemetry::nodes,
};

/// Inbox rows and results taken into one batch.
const BATCH: usize = 256;
/// How often the whole of what is outstanding is derived anew.
const SWEEP: Duration = Duration::from_millis(250);
/// How often a transaction is looked at while no block comes: a node may have forgotten it.
const WATCH_PAUSE_MS: u64 = 10_000;
/// Wait before the next try when nothing can be committed.
const SETBACK: Duration = Duration::from_millis(500);

/// Why an engine stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The journal doesn't stand.
    #[error("{0}")]
    Replay(#[from] ReplayError),
    /// Two heads, or a head and a manifest, with one nonce are the journal's private key.
    #[error(
        "the journal key is compromised: {0}; the second was thrown away. Find out what is wrong with the HSM's random \
         numbers before anything is signed with it again"
    )]
    JournalKey(String),
}

impl Engine {
    /// Runs until `stop` says so.
    ///
    /// # Errors
    /// The journal no longer stands when it had to be replayed, or its key is not safe. Nothing is signed after that.
    pub async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), EngineError> {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        self.parts.pulse.set_running(true);
        let lobby = self.parts.lobby.clone();
        lobby.note_stored();
        lobby.set_open(true);
        let (mut finished, mut asked) = (Vec::new(), Vec::new());
        while !*stop.borrow() {
            self.answer_questions(&mut asked);
            tokio::select! {
                biased;
                _ = stop.changed() => break,
                () = lobby.rung() => {}
                _ = self.done.recv_many(&mut finished, BATCH) => {}
                // What is asked is answered above; nothing was decided meanwhile.
                _ = self.questions.next(&mut asked) => continue,
                _ = sweep.tick() => {
                    // Other processes store requests too.
                    lobby.note_stored();
                    self.sweep();
                }
            }
            while finished.len() < BATCH {
                match self.done.try_recv() {
                    Ok(done) => finished.push(done),
                    Err(_) => break,
                }
            }
            let results = self.settle(finished.drain(..));
            self.turn(results).await?;
        }
        lobby.set_open(false);
        self.parts.pulse.set_running(false);
        Ok(())
    }

    /// Answers what was asked since the last batch, a bounded number at a time.
    fn answer_questions(&mut self, asked: &mut Vec<Question>) {
        self.questions.take(asked);
        let now = self.parts.clock.now();
        for question in asked.drain(..) {
            question(&self.vault, now);
        }
    }

    /// One turn: a batch from inbox and results. A failure costs the memory, never the journal.
    pub(super) async fn turn(&mut self, results: Vec<Command>) -> Result<(), EngineError> {
        if let Some(what) = self.unsafe_journal_key.take() {
            return Err(EngineError::JournalKey(what));
        }
        let mut requests = match self.pending().await {
            Ok(pending) => {
                self.parts.pulse.note_trouble("database", None);
                pending
            }
            Err(e) => {
                self.parts
                    .pulse
                    .note_trouble("database", Some(e.to_string()));
                Vec::new()
            }
        };
        match self.step(&mut requests, results).await {
            Ok(events) => {
                self.parts.pulse.note_trouble("hsm-journal", None);
                if events > 0 {
                    self.parts.lobby.set_open(true);
                }
                Ok(())
            }
            Err(error) if error.comes_again() => {
                self.recover(&error).await?;
                self.isolate(requests).await
            }
            Err(error) => {
                self.give_back(requests, &error);
                self.recover(&error).await
            }
        }
    }

    /// The oldest requests: those of the inbox, then those that came to this process and are not stored yet. What this process
    /// took in itself is in memory; of the rest the database says what it is.
    async fn pending(&self) -> Result<Vec<Pending>, StoreError> {
        let lobby = &self.parts.lobby;
        let mut requests = Vec::new();
        if lobby.take_stored() {
            requests = self.stored().await.inspect_err(|_| lobby.note_stored())?;
            if requests.len() == BATCH {
                lobby.note_stored();
                lobby.ring();
                return Ok(requests);
            }
        }
        let room = BATCH.saturating_sub(requests.len());
        let fresh = lobby.arrived(room);
        if fresh.len() == room {
            // Before any is refused: more may wait than one bell told of.
            lobby.ring();
        }
        if !fresh.is_empty() {
            failpoint::pass("request-taken");
        }
        let mut fresh: Vec<Pending> = fresh.into_iter().map(Pending::fresh).collect();
        self.weed(&mut fresh).await;
        requests.append(&mut fresh);
        Ok(requests)
    }

    /// Takes out what may not be begun with: repeated nonces are refused, and if the database doesn't say which those are, all
    /// goes the durable way.
    async fn weed(&self, fresh: &mut Vec<Pending>) {
        let lobby = &self.parts.lobby;
        match self
            .parts
            .store
            .used_nonces(fresh.iter().map(|request| &*request.row))
            .await
        {
            Ok(used) => {
                let used = used
                    .iter()
                    .map(|(who, nonce)| (who.as_str(), nonce.as_str()));
                let mut used: HashSet<(&str, &str)> = used.collect();
                let each = fresh.iter().map(|request| &request.row);
                let unused: Vec<bool> = each
                    .map(|row| used.insert((row.principal.as_str(), row.nonce.as_str())))
                    .collect();
                let mut unused = unused.into_iter();
                fresh.retain(|request| {
                    let unused = unused.next().unwrap_or_default();
                    if !unused {
                        lobby.refuse(&request.row.id, intake::replayed());
                    }
                    unused
                });
            }
            Err(e) => {
                tracing::warn!(error = %e, "the database does not tell which nonces were used");
                lobby.set_open(false);
                lobby.give_back(fresh.drain(..).map(|request| request.row));
            }
        }
    }

    /// The oldest requests of the inbox.
    async fn stored(&self) -> Result<Vec<Pending>, StoreError> {
        let (store, vault) = (&self.parts.store, self.vault.id().as_str());
        let most = u32::try_from(BATCH).unwrap_or(u32::MAX);
        let ids = store.inbox_waiting(vault, most).await?;
        let mut known: HashMap<&str, Vouched> = ids
            .iter()
            .filter_map(|id| Some((id.as_str(), self.parts.lobby.vouched(id)?)))
            .collect();
        if known.len() == ids.len() {
            let known = ids.iter().filter_map(|id| known.remove(id.as_str()));
            return Ok(known.map(Pending::from).collect());
        }
        let rows = store.inbox_pending(vault, most).await?;
        let pending = |row: InboxRow| match known.remove(row.id.as_str()) {
            Some(vouched) => Pending::from(vouched),
            None => Pending::from(row),
        };
        Ok(rows.into_iter().map(pending).collect())
    }

    /// What is not answered goes the durable way from here on, until a batch is committed again.
    fn give_back(&self, requests: Vec<Pending>, error: &BatchError) {
        let lobby = &self.parts.lobby;
        lobby.set_open(false);
        lobby.note_stored();
        let fresh = requests.into_iter().filter(Pending::is_fresh);
        if let BatchError::Commit(CommitError::Unknown(_)) = error {
            // They may be in the inbox, with an answer: to store them might tell a lie.
            fresh.for_each(|request| lobby.refuse(&request.row.id, intake::unknown()));
        } else {
            lobby.give_back(fresh.map(|request| request.row));
        }
    }

    /// One of these requests can't be committed, however often it is tried. Each goes alone, so that the others are
    /// answered, and the one that fails is refused instead of holding up the vault for ever.
    async fn isolate(&mut self, requests: Vec<Pending>) -> Result<(), EngineError> {
        self.parts.lobby.note_stored();
        for pending in requests {
            let fresh = pending.is_fresh();
            let mut alone = vec![pending];
            if fresh {
                // Another node may have taken the nonce in meanwhile.
                self.weed(&mut alone).await;
            }
            let Err(error) = self.step(&mut alone, Vec::new()).await else {
                continue;
            };
            if !error.comes_again() {
                self.give_back(alone, &error);
                self.recover(&error).await?;
                continue;
            }
            self.recover(&error).await?;
            for pending in alone {
                let id = &pending.row.id;
                tracing::error!(request = %id, %error, "a request that can't be committed is refused");
                if fresh {
                    self.parts.lobby.refuse(id, Problem::internal());
                } else if let Err(error) = self.refuse(id.clone()).await {
                    self.recover(&error).await?;
                }
            }
        }
        Ok(())
    }

    /// Back to what the journal says.
    pub(super) async fn recover(&mut self, error: &BatchError) -> Result<(), EngineError> {
        if let Some(what) = error.journal_key_nonce() {
            return Err(EngineError::JournalKey(what.to_owned()));
        }
        let part = match error {
            BatchError::Sign(_) => "hsm-journal",
            _ => "database",
        };
        self.parts.pulse.note_trouble(part, Some(error.to_string()));
        if let BatchError::Commit(CommitError::Conflict { .. }) = error {
            let moved = Fact::JournalMoved(error.to_string());
            self.parts.alerts.see(vec![moved]);
        }
        tracing::error!(%error, "a batch was not committed; going back to the journal");
        metrics::counter!("custodyd_batches_failed_total").increment(1);
        if !matches!(
            error,
            BatchError::Commit(CommitError::Conflict { .. } | CommitError::Unknown(_))
        ) {
            tokio::time::sleep(SETBACK).await;
        }
        loop {
            let anchor = crate::journal::Anchor::at(self.parts.anchor.clone());
            let vault = self.vault.id().to_string();
            match replay_history(&self.parts.store, &vault, &self.parts.journal_key, &anchor).await
            {
                Ok((
                    Replayed {
                        vault,
                        head,
                        teller,
                    },
                    history,
                )) => {
                    self.announcer.catch_up(teller.last());
                    (self.vault, self.head) = (vault, head);
                    (self.teller, self.history) = (teller, history);
                    self.directory = Directory::from(&self.vault);
                    self.standing.set(InForce::from(&self.vault));
                    self.parts.lobby.note_stored();
                    self.parts.lobby.ring();
                    return Ok(());
                }
                Err(
                    ReplayError::Store(e) | ReplayError::Audit(crate::store::AuditError::Store(e)),
                ) => {
                    self.parts
                        .pulse
                        .note_trouble("database", Some(e.to_string()));
                    tokio::time::sleep(SETBACK).await;
                }
                Err(fatal) => return Err(fatal.into()),
            }
        }
    }

    /// Takes results in: what they say, and when the same may be tried again.
    pub(super) fn settle(&mut self, finished: impl Iterator<Item = Done>) -> Vec<Command> {
        let now = self.parts.clock.now();
        let poll = u64::try_from(self.parts.poll.as_millis()).unwrap_or(u64::MAX);
        let mut commands = Vec::new();
        for Done {
            job,
            part,
            result,
            tip,
        } in finished
        {
            if let Some((network, height)) = tip {
                let moved = self.tips.insert(network, height) != Some(height);
                if moved {
                    self.jobs.hurry_watches();
                }
                nodes::told_height(network, height, moved, now);
            }
            if self.parts.nodes.keys().any(|n| n.to_string() == part) {
                nodes::asked(&part, result.is_ok(), now);
            }
            match result {
                Ok(found) => {
                    self.parts.pulse.note_trouble(&part, None);
                    let pause = match job {
                        Job::Observe(_) | Job::Tip(_) => poll,
                        Job::Effect(Effect::Watch(_)) => WATCH_PAUSE_MS,
                        // Until the result is committed the effect is still outstanding; don't start it again meanwhile.
                        _ => 1_000,
                    };
                    self.jobs.succeeded(&job, now, pause);
                    commands.extend(found);
                }
                Err(error) => {
                    if let EffectError::JournalKeyNonce(what) = &error {
                        self.unsafe_journal_key = Some(what.clone());
                    }
                    self.parts
                        .pulse
                        .note_trouble(&part, Some(error.to_string()));
                    metrics::counter!("custodyd_effects_failed_total", "part" => part).increment(1);
                    self.jobs.failed(&job, now);
                }
            }
        }
        commands
    }

    /// Derives everything outstanding from the state, and begins what may begin.
    pub(super) fn sweep(&mut self) {
        self.note_compromised();
        let now = self.parts.clock.now();
        let mut wanted: BTreeSet<Job> = self
            .vault
            .pending_effects(now)
            .into_iter()
            .map(Job::Effect)
            .collect();
        wanted.extend(self.vault.wallets().keys().cloned().map(Job::Observe));
        wanted.extend(self.parts.nodes.keys().copied().map(Job::Tip));
        self.jobs.retain(&wanted);
        self.begin(wanted.into_iter().collect(), now);
    }

    /// After a commit: begins what the touched parts ask for, without waiting for the next sweep.
    pub(super) fn schedule(&mut self, touched: &BTreeSet<Touch>) {
        let now = self.parts.clock.now();
        let mut wanted: Vec<Job> = Vec::new();
        for touch in touched {
            let effect = match touch {
                Touch::Transaction(id) => self.vault.effect_of(id),
                Touch::Withdrawal(id) => self.vault.withdrawal_effect(id),
                Touch::Export(id) => self.vault.export_effect(id),
                Touch::Key(id) => {
                    Some(Effect::MakeKey(id.clone())).filter(|_| self.vault.wants_key(id))
                }
                _ => None,
            };
            wanted.extend(effect.map(Job::Effect));
        }
        wanted.extend(self.vault.quotes_wanted(now).into_iter().map(Job::Effect));
        for job in &wanted {
            match job {
                Job::Effect(Effect::Broadcast(_)) => self.jobs.hurry(job),
                // Nothing becomes of a transaction before the next block.
                Job::Effect(Effect::Watch(_)) => {
                    self.jobs
                        .defer(job, now.checked_add_ms(WATCH_PAUSE_MS).unwrap_or(now));
                }
                _ => {}
            }
        }
        self.begin(wanted, now);
    }

    fn begin(&mut self, wanted: Vec<Job>, now: Timestamp) {
        let due: Vec<Job> = wanted
            .into_iter()
            .filter(|job| self.jobs.start(job, now))
            .collect();
        let (grouped, single) = due.into_iter().partition::<Vec<_>, _>(|job| {
            matches!(
                job,
                Job::Effect(Effect::Broadcast(_) | Effect::Watch(_)) | Job::Observe(_)
            )
        });
        for job in single {
            self.perform(job, now);
        }
        for group in broadcasts(&self.vault, &grouped)
            .into_iter()
            .chain(observations(&self.vault, &grouped))
        {
            self.perform_group(group);
        }
    }
}
