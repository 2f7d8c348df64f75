//! The task that watches: gathers what there is to see, has the detector say what is to be told, and tells it.

use std::{
    collections::{BTreeSet, VecDeque},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use custodyd_chain::Network;
use custodyd_hsm::{Health, Hsm};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

use super::{
    Alert, Condition, Detector, Fact, Facts, Kind, Phase, VaultSight,
    audit::Audit,
    coins::{explained, unexplained},
    outbox,
    outbox::Outbox,
    spool::{Letter, Spool},
    stopped,
};
use crate::{
    clock::Clock,
    config::{AlertsConfig, ConfigError},
    engine::{Inquiries, Pulse},
    journal::JournalKey,
    store::Store,
    webhooks::Courier,
};

/// How often parts are looked at.
const GLANCE: Duration = Duration::from_secs(1);
/// Longest wait for the engine to be asked; it is asked again soon.
const PATIENCE: Duration = Duration::from_secs(5);
/// Alerts on their way to the outbox.
const QUEUE: usize = 256;
/// Coins that the database could not be asked about, at most.
const MOST_UNEXPLAINED: usize = 256;
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
    /// Where alerts are kept until they have arrived.
    pub spool: PathBuf,
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
            mut detector,
            facts: Facts(mut facts),
            courier,
            config,
        } = self;
        let mut tasks = JoinSet::new();
        let (out, letters) = mpsc::channel(QUEUE);
        let mut spool = None;
        let overflow = Arc::<AtomicBool>::default();
        let out = courier.map(|courier| {
            spool = open_spool(&subjects.spool);
            let left = spool.as_ref().map(Spool::left).unwrap_or_default();
            detector.go_on_from(left.told);
            overflow.store(left.more, Ordering::Relaxed);
            let outbox = Outbox {
                courier,
                clock: subjects.clock.clone(),
                pulse: Arc::clone(&subjects.pulse),
                give_up: Duration::from_secs(config.give_up_s),
                spool: spool.clone(),
                overflow: Arc::clone(&overflow),
            };
            tasks.spawn(outbox.run(left.letters, letters, stop.clone()));
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
            spool,
            overflow,
            unexplained: VecDeque::new(),
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

/// Without it alerts are told as long as the daemon lives.
fn open_spool(folder: &Path) -> Option<Spool> {
    let opened = Spool::open(folder.to_owned());
    let failed = |error| {
        let folder = folder.display();
        tracing::error!(%error, %folder, "alerts can't be kept; a restart would lose those that did not arrive");
    };
    opened.map_err(failed).ok()
}

struct Watching {
    subjects: Subjects,
    detector: Detector,
    out: Option<mpsc::Sender<Letter>>,
    spool: Option<Spool>,
    /// Set where something is in the spool alone.
    overflow: Arc<AtomicBool>,
    /// What the database could not be asked about yet.
    unexplained: VecDeque<Fact>,
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
        self.show_active();
        loop {
            tokio::select! {
                () = stopped(&mut stop) => break,
                many = facts.recv_many(&mut batches, AT_ONCE) => if many == 0 { break },
                Some(fault) = audits.recv() => {
                    let now = self.subjects.clock.now();
                    let alerts = self.detector.see_audit(fault, now);
                    self.tell(alerts).await;
                }
                _ = glances.tick() => self.glance().await,
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
            self.note(fact).await;
        }
    }

    async fn note(&mut self, fact: Fact) {
        let fact = match explained(&self.subjects.store, fact).await {
            Ok(Some(fact)) => fact,
            Ok(None) => return,
            Err(fact) if self.unexplained.len() < MOST_UNEXPLAINED => {
                return self.unexplained.push_back(fact);
            }
            // Rather told wrongly than not at all.
            Err(fact) => match unexplained(fact) {
                Some(fact) => fact,
                None => return,
            },
        };
        let now = self.subjects.clock.now();
        let alert = self.detector.note(&fact, now);
        self.tell(alert).await;
    }

    /// Time passed; how are the parts?
    async fn glance(&mut self) {
        // One at a time, while the database doesn't answer.
        while let Some(fact) = self.unexplained.pop_front() {
            let before = self.unexplained.len();
            self.note(fact).await;
            if self.unexplained.len() > before {
                break;
            }
        }
        let now = self.subjects.clock.now();
        let alerts = self.detector.tick(now);
        self.tell(alerts).await;
        let conditions = self.parts();
        let alerts = self.detector.see_parts(conditions, now);
        self.tell(alerts).await;
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
            tracing::warn!("the vault could not be asked how it is; what held is taken to hold");
            return;
        };
        let stale = &sight.stale_prices;
        let trouble = (!stale.is_empty()).then(|| {
            let assets = stale.join(", ");
            format!("no price of {assets} is fresh enough for the policy")
        });
        self.subjects.pulse.note_trouble(PRICES, trouble);
        let alerts = self.detector.see_vault(&sight, self.subjects.clock.now());
        self.tell(alerts).await;
    }

    async fn tell(&self, alerts: impl IntoIterator<Item = Alert>) {
        let mut any = false;
        for alert in alerts {
            any = true;
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
            self.send(&alert).await;
        }
        if any && let Some(spool) = &self.spool {
            spool.keep_told(&self.detector.told()).await;
        }
        if any {
            self.show_active();
        }
    }

    async fn send(&self, alert: &Alert) {
        let Some(out) = &self.out else {
            return;
        };
        let letter = outbox::letter(&self.subjects.vault, alert);
        if let Some(spool) = &self.spool {
            spool.keep(&letter.message).await;
        }
        if out.try_send(letter).is_err() {
            match self.spool {
                // It is sent from there once there is room.
                Some(_) => self.overflow.store(true, Ordering::Relaxed),
                None => outbox::given_up("too many wait"),
            }
        }
    }

    fn show_active(&self) {
        for (kind, active) in self.detector.active() {
            let active = u32::try_from(active).unwrap_or(u32::MAX);
            metrics::gauge!("custodyd_alert_active", "kind" => kind.word()).set(active);
        }
    }
}
