//! The task that watches: gathers what there is to see, has the detector say what is to be told, and tells it.

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Duration};

use custodyd_chain::Network;
use custodyd_hsm::{Health, Hsm};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

use super::{
    Alert, Condition, Detector, Fact, Facts, Kind, Phase, VaultSight, audit::Audit, outbox,
    outbox::Outbox, stopped,
};
use crate::{
    clock::Clock,
    config::{AlertsConfig, ConfigError},
    engine::{Inquiries, Pulse},
    journal::JournalKey,
    store::Store,
    webhooks::{Courier, Message},
};

/// How often parts are looked at.
const GLANCE: Duration = Duration::from_secs(1);
/// Longest wait for the engine to be asked; it is asked again soon.
const PATIENCE: Duration = Duration::from_secs(5);
/// Alerts on their way to the outbox.
const QUEUE: usize = 256;
/// Batches of facts looked at in one go.
const AT_ONCE: usize = 64;
/// What `/readyz` calls it when the policy's prices are missing or old.
const PRICES: &str = "prices";

/// What is watched.
#[derive(Debug)]
pub struct Subjects {
    /// The vault's name.
    pub vault: String,
    /// The vault itself.
    pub inquiries: Inquiries,
    /// The HSM's tokens.
    pub hsm: Arc<dyn Hsm>,
    /// Networks with a node.
    pub networks: BTreeSet<Network>,
    /// What doesn't work, as the engine says.
    pub pulse: Arc<Pulse>,
    /// The database.
    pub store: Store,
    /// The journal's public key, as pinned outside of the database.
    pub journal_key: JournalKey,
    /// Where the last head is kept outside of the database.
    pub anchor: PathBuf,
    /// The time.
    pub clock: Clock,
}

/// The task that watches.
#[derive(Debug)]
pub struct Watch {
    subjects: Subjects,
    detector: Detector,
    facts: Facts,
    courier: Option<Courier>,
    config: AlertsConfig,
}

impl Watch {
    /// As the configuration says.
    ///
    /// # Errors
    /// The webhook can't be used.
    pub fn new(
        subjects: Subjects,
        facts: Facts,
        config: AlertsConfig,
    ) -> Result<Self, ConfigError> {
        let recipient = config.recipient()?;
        Ok(Self {
            detector: Detector::new(config.thresholds()),
            courier: recipient.map(Courier::new).transpose()?,
            subjects,
            facts,
            config,
        })
    }

    /// Watches until `stop` says so, and then tells what was handed in last.
    pub async fn run(self, stop: watch::Receiver<bool>) {
        let Self {
            subjects,
            detector,
            facts: Facts(mut facts),
            courier,
            config,
        } = self;
        let mut tasks = JoinSet::new();
        let (out, letters) = mpsc::channel(QUEUE);
        let out = courier.map(|courier| {
            let outbox = Outbox {
                courier,
                clock: subjects.clock.clone(),
                pulse: Arc::clone(&subjects.pulse),
                give_up: Duration::from_secs(config.give_up_s),
            };
            tasks.spawn(outbox.run(letters, stop.clone()));
            out
        });
        let (report, mut audits) = mpsc::channel(1);
        if config.audit_s > 0 {
            let audit = Audit {
                store: subjects.store.clone(),
                vault: subjects.vault.clone(),
                journal_key: subjects.journal_key.clone(),
                anchor: subjects.anchor.clone(),
            };
            let every = Duration::from_secs(config.audit_s);
            tasks.spawn(audit.run(every, report.clone(), stop.clone()));
        }
        let mut watching = Watching {
            subjects,
            detector,
            out,
        };
        for kind in Kind::ALL {
            // So that there is something to compare the first with.
            metrics::counter!("custodyd_alerts_total", "kind" => kind.word()).increment(0);
        }
        watching
            .go_on(
                &mut facts,
                &mut audits,
                Duration::from_secs(config.every_s),
                stop,
            )
            .await;
        drop(watching);
        while tasks.join_next().await.is_some() {}
    }
}

struct Watching {
    subjects: Subjects,
    detector: Detector,
    out: Option<mpsc::Sender<Message>>,
}

impl Watching {
    async fn go_on(
        &mut self,
        facts: &mut mpsc::Receiver<Vec<Fact>>,
        audits: &mut mpsc::Receiver<Option<String>>,
        every: Duration,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut glances = tokio::time::interval(GLANCE);
        let mut looks = tokio::time::interval(every);
        glances.set_missed_tick_behavior(MissedTickBehavior::Delay);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut batches = Vec::new();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                many = facts.recv_many(&mut batches, AT_ONCE) => if many == 0 { break },
                Some(fault) = audits.recv() => {
                    let now = self.subjects.clock.now();
                    let alerts = self.detector.see_audit(fault, now);
                    self.tell(alerts);
                }
                _ = glances.tick() => self.glance(),
                _ = looks.tick() => self.look().await,
            }
            self.take(batches.drain(..)).await;
        }
        // What ended the daemon was handed in last.
        while let Ok(batch) = facts.try_recv() {
            self.take([batch]).await;
        }
    }

    async fn take(&mut self, batches: impl IntoIterator<Item = Vec<Fact>>) {
        for fact in batches.into_iter().flatten() {
            let Some(fact) = self.explained(fact).await else {
                continue;
            };
            let now = self.subjects.clock.now();
            let alert = self.detector.note(&fact, now);
            self.tell(alert);
        }
    }

    /// Coins that one of our transactions spends have gone where they should.
    async fn explained(&self, fact: Fact) -> Option<Fact> {
        let Fact::CoinsGone {
            wallet,
            network,
            outpoints,
        } = fact
        else {
            return Some(fact);
        };
        let network = network.to_string();
        match self.subjects.store.unreserved(&network, &outpoints).await {
            Ok(unexplained) => Some(Fact::CoinsUnexplained {
                wallet,
                many: unexplained.len(),
                example: *unexplained.first()?,
            }),
            Err(error) => {
                tracing::error!(%error, %wallet, "what became of a wallet's coins could not be looked up");
                None
            }
        }
    }

    /// Time passed; how are the parts?
    fn glance(&mut self) {
        let now = self.subjects.clock.now();
        let alerts = self.detector.tick(now);
        self.tell(alerts);
        let conditions = self.parts();
        let alerts = self.detector.see_parts(conditions, now);
        self.tell(alerts);
    }

    fn parts(&self) -> Vec<Condition> {
        let mut conditions = Vec::new();
        let mut see = |kind, subject: &str, what: String| {
            conditions.push(Condition {
                kind,
                subject: subject.to_owned(),
                what,
            });
        };
        let networks: BTreeSet<String> = self
            .subjects
            .networks
            .iter()
            .map(Network::to_string)
            .collect();
        for (part, what) in self.subjects.pulse.trouble() {
            match part.as_str() {
                "database" | "hsm-journal" => see(Kind::NotCommitting, &part, what),
                "hsm-canary" => see(Kind::HsmNonces, "", what),
                "hsm" => see(Kind::HsmDown, "", what),
                network if networks.contains(network) => see(Kind::NodeDown, &part, what),
                _ => {}
            }
        }
        for member in self.subjects.hsm.members() {
            if let Health::Out { reason } = &member.health {
                see(Kind::HsmDown, &member.name, reason.clone());
            }
        }
        conditions
    }

    /// How is the vault? If it can't be asked, what held is taken to hold.
    async fn look(&mut self) {
        let asked = self.subjects.inquiries.ask(VaultSight::of);
        let Ok(Ok(sight)) = tokio::time::timeout(PATIENCE, asked).await else {
            return;
        };
        let stale = &sight.stale_prices;
        let trouble = (!stale.is_empty()).then(|| {
            let assets = stale.join(", ");
            format!("no price of {assets} is fresh enough for the policy")
        });
        self.subjects.pulse.note_trouble(PRICES, trouble);
        let alerts = self.detector.see_vault(&sight, self.subjects.clock.now());
        self.tell(alerts);
    }

    fn tell(&self, alerts: impl IntoIterator<Item = Alert>) {
        for alert in alerts {
            let (kind, severity) = (alert.kind.word(), alert.kind.severity().word());
            let Alert {
                subject, summary, ..
            } = &alert;
            match alert.phase {
                Phase::Firing => {
                    metrics::counter!("custodyd_alerts_total", "kind" => kind).increment(1);
                    tracing::error!(alert = kind, severity, subject, "{summary}");
                }
                Phase::Resolved => {
                    tracing::warn!(alert = kind, severity, subject, "over: {summary}");
                }
            }
            if let Some(out) = &self.out
                && out
                    .try_send(outbox::message(&self.subjects.vault, &alert))
                    .is_err()
            {
                outbox::given_up("too many wait");
            }
        }
        self.show_active();
    }

    fn show_active(&self) {
        for (kind, active) in self.detector.active() {
            let active = u32::try_from(active).unwrap_or(u32::MAX);
            metrics::gauge!("custodyd_alert_active", "kind" => kind.word()).set(active);
        }
    }
}
