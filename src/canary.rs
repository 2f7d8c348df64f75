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

/// Tests every token each `every`, first after that time, until `stopped`. A token found biased gets no more work until the
/// daemon starts again: good luck in the next test proves nothing. The last one that is left is not taken away, but trouble
/// for as long.
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
                Ok(result) => tell(&*hsm, &token, &result, &mut unable, &pulse),
                Err(error) => tracing::error!(token, %error, "the canary's test broke off"),
            }
        }
    }
}

/// Counts a result, takes a biased token out, and says what a person must know.
fn tell(
    hsm: &dyn Hsm,
    token: &str,
    result: &Result<CanaryReport, HsmError>,
    unable: &mut BTreeSet<String>,
    pulse: &Pulse,
) {
    let verdict = match result {
        Ok(CanaryReport::Sound { .. }) => "sound",
        Ok(CanaryReport::Biased { samples, findings }) => {
            let findings = findings.join("; ");
            if hsm.bar(token, &format!("its nonces are biased: {findings}")) {
                tracing::error!(
                    token,
                    samples,
                    findings,
                    "a token's nonces are biased: it gets no more work until the daemon starts again"
                );
            } else {
                tracing::error!(
                    token,
                    samples,
                    findings,
                    "a token's nonces are biased, and no other token is left: stop signing with it"
                );
                pulse.note_trouble(PART, Some(format!("{token}: {findings}")));
            }
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
    use custodyd_hsm::{Counters, Fleet, FleetSettings, Health, MemberStatus, Reply, Request};
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    /// A token that is only there.
    #[derive(Debug)]
    struct Bystander(&'static str);

    impl Hsm for Bystander {
        fn submit(&self, _: Request, _: Duration, _: Reply) -> Result<(), HsmError> {
            Err(HsmError::Closed)
        }

        fn members(&self) -> Vec<MemberStatus> {
            vec![MemberStatus {
                name: self.0.to_owned(),
                info: None,
                health: Health::Up,
                counters: Counters::default(),
                restarts: 0,
                missing_keys: 0,
            }]
        }

        fn call_limit(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn biased() -> Result<CanaryReport, HsmError> {
        Ok(CanaryReport::Biased {
            samples: 1_024,
            findings: vec!["bit 0 is set in 0 of 1024 nonces".to_owned()],
        })
    }

    fn sound() -> Result<CanaryReport, HsmError> {
        Ok(CanaryReport::Sound { samples: 1_024 })
    }

    #[test]
    fn a_biased_token_is_trouble_even_after_a_good_test_and_each_verdict_is_counted() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let (hsm, pulse, mut unable) = (Bystander("a"), Pulse::default(), BTreeSet::new());
        let code = "CKR_TEMPLATE_INCONSISTENT".to_owned();
        metrics::with_local_recorder(&recorder, || {
            for (token, result) in [
                ("a", sound()),
                ("b", Ok(CanaryReport::NotPossible { code })),
                ("b", Err(HsmError::Closed)),
            ] {
                tell(&hsm, token, &result, &mut unable, &pulse);
            }
            assert!(pulse.trouble().is_empty());
            for result in [biased(), sound()] {
                tell(&hsm, "a", &result, &mut unable, &pulse);
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

    #[test]
    fn of_two_tokens_the_biased_one_is_out_and_nothing_is_trouble_until_both_are() {
        let members: Vec<Arc<dyn Hsm>> = vec![Arc::new(Bystander("a")), Arc::new(Bystander("b"))];
        let fleet = Fleet::new(members, FleetSettings::default()).unwrap();
        let (pulse, mut unable) = (Pulse::default(), BTreeSet::new());
        tell(&fleet, "b", &sound(), &mut unable, &pulse);
        for result in [biased(), sound()] {
            tell(&fleet, "a", &result, &mut unable, &pulse);
        }
        assert!(pulse.trouble().is_empty(), "{:?}", pulse.trouble());
        let Health::Out { reason } = fleet.members().swap_remove(0).health else {
            panic!("the biased token takes work");
        };
        assert!(
            reason.starts_with("its nonces are biased: bit 0"),
            "{reason}"
        );

        tell(&fleet, "b", &biased(), &mut unable, &pulse);
        let trouble = pulse.trouble();
        assert!(trouble[PART].starts_with("b: "), "{trouble:?}");
    }
}
