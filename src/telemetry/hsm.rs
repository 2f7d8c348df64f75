//! The HSM's metrics, brought up to date at each scrape.

use custodyd_hsm::{Health, MemberStatus};

/// Brings the HSM's metrics up to date.
pub fn record_hsm(members: &[MemberStatus]) {
    use metrics::{counter, gauge};
    for member in members {
        let (token, counters) = (&member.name, &member.counters);
        for (name, count) in [
            ("custodyd_hsm_signatures_total", counters.signatures),
            ("custodyd_hsm_bad_signatures_total", counters.bad_signatures),
            ("custodyd_hsm_retries_total", counters.retries),
            ("custodyd_hsm_relogins_total", counters.relogins),
            (
                "custodyd_hsm_sessions_opened_total",
                counters.sessions_opened,
            ),
            ("custodyd_hsm_stuck_calls_total", counters.stuck_calls),
            ("custodyd_hsm_restarts_total", member.restarts),
        ] {
            counter!(name, "token" => token.clone()).absolute(count);
        }
        for (class, count) in [
            ("retryable", counters.failures_retryable),
            ("fatal", counters.failures_fatal),
            ("misconfigured", counters.failures_misconfigured),
        ] {
            counter!("custodyd_hsm_failures_total", "token" => token.clone(), "class" => class)
                .absolute(count);
        }
        let out = matches!(member.health, Health::Out { .. });
        for (name, value) in [
            ("custodyd_hsm_up", u64::from(!out)),
            (
                "custodyd_hsm_recovering",
                u64::from(member.health == Health::Recovering),
            ),
            ("custodyd_hsm_missing_keys", member.missing_keys),
            ("custodyd_hsm_stuck_workers", counters.stuck_workers),
            ("custodyd_hsm_queued", counters.queued),
        ] {
            // No more than 32 bits of any of them mean anything.
            let value = u32::try_from(value).unwrap_or(u32::MAX);
            gauge!(name, "token" => token.clone()).set(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use custodyd_hsm::Counters;

    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    fn member(name: &str, health: Health) -> MemberStatus {
        MemberStatus {
            name: name.into(),
            info: None,
            health,
            counters: Counters {
                signatures: 7,
                failures_fatal: 2,
                ..Counters::default()
            },
            restarts: 1,
            missing_keys: 3,
        }
    }

    #[test]
    fn a_scrape_tells_which_token_is_out() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let reason = "gone".to_owned();
        metrics::with_local_recorder(&recorder, || {
            record_hsm(&[
                member("hsm-a", Health::Up),
                member("hsm-b", Health::Out { reason }),
            ]);
        });
        let page = recorder.handle().render();
        for line in [
            r#"custodyd_hsm_up{token="hsm-a"} 1"#,
            r#"custodyd_hsm_up{token="hsm-b"} 0"#,
            r#"custodyd_hsm_signatures_total{token="hsm-b"} 7"#,
            r#"custodyd_hsm_failures_total{token="hsm-a",class="fatal"} 2"#,
            r#"custodyd_hsm_restarts_total{token="hsm-a"} 1"#,
            r#"custodyd_hsm_missing_keys{token="hsm-a"} 3"#,
        ] {
            assert!(page.lines().any(|found| found == line), "{line}\n{page}");
        }
    }
}
