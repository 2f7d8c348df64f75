//! Tries a profile on the live token, a finding for each thing that must hold, in the order in which they are found.
//!
//! An examination ends at the first part without which nothing further can be tried. It leaves nothing behind: the key
//! pairs that it makes are destroyed by the handles that their generation gave.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Instant;

use cryptoki::mechanism::MechanismType;
use secrecy::SecretString;

use crate::error::HsmError;
use crate::fault::Fault;
use crate::inspect;
use crate::key::Curve;
use crate::login::Login;
use crate::module::Module;
use crate::profile::{Profile, SessionMode};
use crate::self_check::self_check;
use crate::slot::{self, Found};
use crate::trial;
use crate::worker::attempt;

/// Sessions held at once to see that they can be.
const SESSIONS: usize = 4;
/// Keys named one by one; the rest are counted.
const NAMED: usize = 20;

/// How one thing was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it must be.
    Good,
    /// Not there or not tried, and not needed.
    Absent,
    /// Not as it must be.
    Miss,
}

/// One line of an examination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was looked at.
    pub part: String,
    /// How it was found.
    pub outcome: Outcome,
    /// What was found, or what is wrong and what to do about it; one line, nothing secret.
    pub text: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.outcome {
            Outcome::Good => "ok",
            Outcome::Absent => "-",
            Outcome::Miss => "FAIL",
        };
        write!(f, "{mark:<4} {:<24} {}", self.part, self.text)
    }
}

/// All that was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Examination {
    /// In the order in which it was looked at.
    pub findings: Vec<Finding>,
}

impl Examination {
    /// How many things are not as they must be.
    #[must_use]
    pub fn misses(&self) -> usize {
        let missed = |finding: &&Finding| finding.outcome == Outcome::Miss;
        self.findings.iter().filter(missed).count()
    }
}

/// Examines the token that the profile selects, and tells `report` each finding when it is made.
///
/// A PIN that is refused is offered once. Each step may take the longer of the profile's `open_ms` and `call_ms`; a
/// module that hangs is left hanging, so the caller's process should end soon.
pub fn examine(
    profile: &Profile,
    pin: SecretString,
    report: &mut dyn FnMut(&Finding),
) -> Examination {
    let limit = profile.open_timeout.max(profile.call_timeout);
    let receiver = start(profile.clone(), pin);
    let mut examination = Examination::default();
    let mut note = |finding: Finding| {
        report(&finding);
        examination.findings.push(finding);
    };
    loop {
        match receiver.recv_timeout(limit) {
            Ok(Some(finding)) => note(finding),
            Ok(None) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return examination,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                let text = format!(
                    "the module did not come back within {} ms: look at the HSM and its network",
                    limit.as_millis()
                );
                note(Finding {
                    part: "time".to_owned(),
                    outcome: Outcome::Miss,
                    text,
                });
                return examination;
            }
        }
    }
}

/// The steps on a thread of their own, which ends what is received here when it ends.
fn start(profile: Profile, pin: SecretString) -> mpsc::Receiver<Option<Finding>> {
    const PART: &str = "examination";
    let (sender, receiver) = mpsc::channel();
    let findings = Findings(sender);
    let on_thread = findings.clone();
    let started = thread::Builder::new()
        .name("hsm-examine".to_owned())
        .spawn(move || {
            let all = catch_unwind(AssertUnwindSafe(|| steps(&on_thread, profile, pin)));
            if all.is_err() {
                on_thread.miss(PART, "it panicked: report this as a bug");
            }
        });
    if let Err(error) = started {
        findings.miss(PART, format!("no thread could be started: {error}"));
    }
    receiver
}

/// Where findings go; nothing is a sign of life.
#[derive(Clone)]
pub(crate) struct Findings(mpsc::Sender<Option<Finding>>);

impl Findings {
    pub(crate) fn add(&self, part: &str, outcome: Outcome, text: impl Into<String>) {
        // Nobody listens any more when a step took too long.
        let _ = self.0.send(Some(Finding {
            part: part.to_owned(),
            outcome,
            text: text.into(),
        }));
    }

    /// A step of many calls got further.
    pub(crate) fn alive(&self) {
        let _ = self.0.send(None);
    }

    pub(crate) fn good(&self, part: &str, text: impl Into<String>) {
        self.add(part, Outcome::Good, text);
    }

    pub(crate) fn miss(&self, part: &str, text: impl Into<String>) {
        self.add(part, Outcome::Miss, text);
    }

    /// The value; none, and a miss, where there is an error.
    pub(crate) fn need<T>(&self, part: &str, result: Result<T, HsmError>) -> Option<T> {
        result
            .inspect_err(|error| self.miss(part, format!("{error}; {}", error.advice())))
            .ok()
    }
}

fn steps(findings: &Findings, profile: Profile, pin: SecretString) {
    let quirks = profile.quirks.clone();
    let told = |fault: Fault| fault.into_error(&quirks.retry_codes);
    let _ = reach(findings, &profile, &told)
        .and_then(|()| log_in(findings, profile, pin))
        .map(|login| {
            sessions(findings, &login, &told);
            trial::make_and_use(findings, &login, Curve::Secp256k1);
            trial::make_and_use(findings, &login, Curve::P256);
            match login.demand_eddsa() {
                Ok(()) => trial::make_and_use(findings, &login, Curve::Ed25519),
                Err(error) => findings.add("ed25519", Outcome::Absent, format!("absent: {error}")),
            }
            keys(findings, &login);
        });
}

/// Everything that needs no PIN.
fn reach(findings: &Findings, profile: &Profile, told: &impl Fn(Fault) -> HsmError) -> Option<()> {
    findings.need("known answers", self_check())?;
    findings.good("known answers", "secp256k1, P-256, Ed25519");

    let module = findings.need("module", Module::load(profile))?;
    let library = module.context.get_library_info().map_err(Fault::from);
    let library = findings.need("module", library.map_err(told))?;
    findings.good(
        "module",
        format!(
            "{}: {} {}, version {}, PKCS#11 {}",
            profile.module.display(),
            library.manufacturer_id(),
            library.library_description(),
            library.library_version(),
            library.cryptoki_version()
        ),
    );

    let Found { slot, info, .. } =
        findings.need("token", slot::find(&module, profile).map_err(told))?;
    findings.good(
        "token",
        format!(
            "{:?}, serial {}, model {} {}, firmware {}, slot {}",
            info.label, info.serial, info.manufacturer, info.model, info.firmware, info.slot
        ),
    );

    let present = module.context.get_mechanism_list(slot).map_err(Fault::from);
    let present = findings.need("mechanisms", present.map_err(told))?;
    mechanisms(findings, profile, &present)
}

fn mechanisms(findings: &Findings, profile: &Profile, present: &[MechanismType]) -> Option<()> {
    let wrapping = profile.wrapping;
    let wrapped = |kind| wrapping.supported && wrapping.mechanism.kind() == kind;
    let mut complete = Some(());
    for (kind, name, needed) in [
        (MechanismType::ECDSA, "CKM_ECDSA", true),
        (MechanismType::ECC_KEY_PAIR_GEN, "CKM_EC_KEY_PAIR_GEN", true),
        (MechanismType::EDDSA, "CKM_EDDSA", false),
        (
            MechanismType::AES_KEY_GEN,
            "CKM_AES_KEY_GEN",
            wrapping.supported,
        ),
        (
            MechanismType::AES_KEY_WRAP,
            "CKM_AES_KEY_WRAP",
            wrapped(MechanismType::AES_KEY_WRAP),
        ),
        (
            MechanismType::AES_KEY_WRAP_PAD,
            "CKM_AES_KEY_WRAP_PAD",
            wrapped(MechanismType::AES_KEY_WRAP_PAD),
        ),
    ] {
        let needed_for = match kind {
            MechanismType::EDDSA => "Ed25519",
            _ => "wrapped keys",
        };
        match (present.contains(&kind), needed) {
            (true, _) => findings.good(name, "present"),
            (false, false) => findings.add(
                name,
                Outcome::Absent,
                format!("absent, needed for {needed_for} only"),
            ),
            (false, true) => {
                findings.miss(name, "absent, and the profile or every key needs it");
                complete = None;
            }
        }
    }
    complete
}

fn log_in(findings: &Findings, profile: Profile, pin: SecretString) -> Option<Arc<Login>> {
    let login = findings.need("PIN", Login::open(profile, pin, 1))?;
    findings.good("PIN", "accepted");
    Some(Arc::new(login))
}

/// Opens a few more sessions than one, as workers will.
fn sessions(findings: &Findings, login: &Login, told: &impl Fn(Fault) -> HsmError) {
    let profile = &login.profile;
    let wanted = SESSIONS.min(profile.max_sessions.saturating_sub(profile.idle_sessions()));
    let opened: Result<Vec<_>, _> = (0..wanted).map(|_| login.session()).collect();
    let Some(opened) = findings.need("sessions", opened.map_err(told)) else {
        return;
    };
    let mode = match profile.mode {
        SessionMode::ReadWrite => "read-write",
        SessionMode::ReadOnly => "read-only",
    };
    findings.good(
        "sessions",
        format!(
            "{} {mode} at once; the profile allows {}",
            opened.len(),
            profile.max_sessions
        ),
    );
}

/// The keys that are there already, those of whoever made them with an id like ours.
fn keys(findings: &Findings, login: &Arc<Login>) {
    const PART: &str = "keys on the token";
    let limit = login.profile.call_timeout;
    let quirks = &login.profile.quirks;
    let mut session = None;
    let ids = attempt(login, &mut session, Instant::now() + limit, |session| {
        inspect::ids(&session.session, quirks)
    });
    let Some(ids) = findings.need(PART, ids) else {
        return;
    };
    let refused: Vec<HsmError> = ids
        .iter()
        .filter_map(|id| {
            findings.alive();
            attempt(login, &mut session, Instant::now() + limit, |session| {
                session.check(id).map(drop)
            })
            .err()
        })
        .collect();
    for error in refused.iter().take(NAMED) {
        findings.miss(PART, format!("{error}; {}", error.advice()));
    }
    if let Some(more @ 1..) = refused.len().checked_sub(NAMED) {
        findings.miss(PART, format!("and {more} more"));
    }
    if refused.is_empty() {
        findings.good(
            PART,
            format!("{} with ids of ours, each as it must be", ids.len()),
        );
    }
}
