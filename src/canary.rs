//! Tests each token's nonces from time to time, and tells when they are biased. What is tested and how: crates/hsm/src/canary.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use custodyd_hsm::{CanaryReport, Hsm, HsmError};
use tokio::{sync::watch, time::MissedTickBehavior};

use crate::engine::Pulse;

/// Signatures of a test: a nonce whose first bit is never set shows in them, as does one value too frequent in any byte.
pub const SAMPLES: u32 = 1_024;

/// What `/readyz` calls it when a token's nonces are biased.
const PART: &str = "hsm-canary";

/// Each token by itself, with its name.
pub fn tokens(hsm: &Arc<dyn Hsm>) -> Vec<(String, Arc<dyn Hsm>)> {
    let names = hsm.members().into_iter().map(|member| member.name);
    let each = hsm.each();
    if each.is_empty() {
        return names.take(1).map(|name| (name, Arc::clone(hsm))).collect();
    }
    names.zip(each).collect()
}

/// Tests every token each `every`, first after that time, until `stopped`. A token found biased stays trouble until the daemon
/// starts again: good luck in the next test proves nothing.
pub async fn watch(
    hsm: Arc<dyn Hsm>,
    every: Duration,
    pulse: Arc<Pulse>,
    mut stopped: watch::Receiver<bool>,
) {
    let mut unable = BTreeSet::new();
    let mut ticks = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            _ = stopped.wait_for(|stopped| *stopped) => return,
        }
        for (token, member) in tokens(&hsm) {
            let tested = tokio::task::spawn_blocking(move || member.canary(SAMPLES)).await;
            match tested {
                Ok(result) => tell(&token, &result, &mut unable, &pulse),
                Err(error) => tracing::error!(token, %error, "the canary's test broke off"),
            }
        }
    }
}

/// Counts a result, and says what a person must know.
fn tell(
    token: &str,
    result: &Result<CanaryReport, HsmError>,
    unable: &mut BTreeSet<String>,
    pulse: &Pulse,
) {
    let verdict = match result {
        Ok(CanaryReport::Sound { .. }) => "sound",
        Ok(CanaryReport::Biased { samples, findings }) => {
            let findings = findings.join("; ");
            tracing::error!(
                token,
                samples,
                findings,
                "a token's nonces are biased: stop signing with it"
            );
            pulse.note_trouble(PART, Some(format!("{token}: {findings}")));
            "biased"
        }
        Ok(CanaryReport::NotPossible { code }) => {
            if unable.insert(token.to_owned()) {
                tracing::warn!(
                    token,
                    code,
                    "a token takes no key from outside: its nonces can't be tested"
                );
            }
            "not_possible"
        }
        Err(error) => {
            tracing::warn!(token, %error, "a token's nonces could not be tested");
            "failed"
        }
    };
    metrics::counter!("custodyd_hsm_canary_total", "token" => token.to_owned(), "verdict" => verdict)
        .increment(1);
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn a_biased_token_is_trouble_even_after_a_good_test_and_each_verdict_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (pulse, mut unable) = (Pulse::default(), BTreeSet::new());
        let biased = CanaryReport::Biased {
            samples: 1_024,
            findings: vec!["bit 0 is set in 0 of 1024 nonces".to_owned()],
        };
        let sound = CanaryReport::Sound { samples: 1_024 };
        let code = "CKR_TEMPLATE_INCONSISTENT".to_owned();
        metrics::with_local_recorder(&recorder, || {
            for (token, result) in [
                ("a", Ok(sound.clone())),
                ("b", Ok(CanaryReport::NotPossible { code })),
                ("b", Err(HsmError::Closed)),
            ] {
                tell(token, &result, &mut unable, &pulse);
            }
            assert!(pulse.trouble().is_empty());
            for report in [biased, sound] {
                tell("a", &Ok(report), &mut unable, &pulse);
            }
        });
        assert_eq!(
            pulse.trouble().get(PART).map(String::as_str),
            Some("a: bit 0 is set in 0 of 1024 nonces")
        );
        let page = recorder.handle().render();
        for line in [
            r#"custodyd_hsm_canary_total{token="a",verdict="sound"} 2"#,
            r#"custodyd_hsm_canary_total{token="a",verdict="biased"} 1"#,
            r#"custodyd_hsm_canary_total{token="b",verdict="not_possible"} 1"#,
            r#"custodyd_hsm_canary_total{token="b",verdict="failed"} 1"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
