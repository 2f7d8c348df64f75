//! What is measured of every request. Handles are kept: to find one by its labels costs more than to count with it.
//!
//! Invariant: bounded. Routes are the router's, methods and statuses those that have a name here.

use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
    time::Duration,
};

use axum::http::StatusCode;
use metrics::{Counter, Histogram};

/// What is counted and timed, for each route.
#[derive(Default)]
pub(super) struct Meters(RwLock<HashMap<String, Meter>>);

struct Meter {
    seconds: Histogram,
    requests: Vec<(&'static str, StatusCode, Counter)>,
}

impl Meters {
    /// A request was answered.
    pub(super) fn note(
        &self,
        method: &'static str,
        route: &str,
        status: StatusCode,
        elapsed: Duration,
    ) {
        if !self.noted(method, route, status, elapsed) {
            self.add(method, route, status);
            self.noted(method, route, status, elapsed);
        }
    }

    /// Whether there were meters for it.
    fn noted(&self, method: &str, route: &str, status: StatusCode, elapsed: Duration) -> bool {
        let meters = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let found = meters.get(route).and_then(|meter| {
            let mut requests = meter.requests.iter();
            let (_, _, count) = requests.find(|(m, s, _)| (*m, *s) == (method, status))?;
            Some((meter, count))
        });
        if let Some((meter, count)) = found {
            count.increment(1);
            meter.seconds.record(elapsed);
        }
        found.is_some()
    }

    fn add(&self, method: &'static str, route: &str, status: StatusCode) {
        let mut meters = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let meter = meters.entry(route.to_owned()).or_insert_with(|| Meter {
            seconds: metrics::histogram!("custodyd_http_seconds", "route" => route.to_owned()),
            requests: Vec::new(),
        });
        // Another request may have been faster.
        let requests = &mut meter.requests;
        if !requests
            .iter()
            .any(|(m, s, _)| (*m, *s) == (method, status))
        {
            let count = metrics::counter!(
                "custodyd_http_requests_total",
                "method" => method, "route" => route.to_owned(), "status" => status.as_str().to_owned()
            );
            requests.push((method, status, count));
        }
    }
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;

    #[test]
    fn each_method_and_status_of_a_route_is_counted_by_itself_and_timed_together() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let shown = recorder.handle();
        metrics::with_local_recorder(&recorder, || {
            let meters = Meters::default();
            let note = |method, route, status| {
                meters.note(method, route, status, Duration::from_millis(1));
            };
            note("GET", "/a", StatusCode::OK);
            note("GET", "/a", StatusCode::OK);
            note("POST", "/a", StatusCode::OK);
            note("GET", "/a", StatusCode::NOT_FOUND);
            note("GET", "/b", StatusCode::OK);
        });
        let shown = shown.render();
        for line in [
            r#"custodyd_http_requests_total{method="GET",route="/a",status="200"} 2"#,
            r#"custodyd_http_requests_total{method="POST",route="/a",status="200"} 1"#,
            r#"custodyd_http_requests_total{method="GET",route="/a",status="404"} 1"#,
            r#"custodyd_http_requests_total{method="GET",route="/b",status="200"} 1"#,
            r#"custodyd_http_seconds_count{route="/a"} 4"#,
            r#"custodyd_http_seconds_count{route="/b"} 1"#,
        ] {
            assert!(shown.contains(line), "{line} in {shown}");
        }
    }
}
