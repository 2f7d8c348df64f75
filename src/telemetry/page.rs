//! Gauges that are read from the state at each scrape, in Prometheus' text format. They are not kept anywhere, so what no
//! longer is has no series, and amounts keep all their digits.

use std::fmt::{Display, Write as _};

use super::catalogue;

/// The lines of one scrape.
#[derive(Debug, Default)]
pub struct Page {
    text: String,
    last: &'static str,
}

impl Page {
    /// One value. Values of one metric come one after the other; a name that is not in the catalogue is left out, since
    /// nobody could know what it means.
    pub fn gauge(&mut self, name: &str, labels: &[(&str, &str)], value: impl Display) {
        let Some(metric) = catalogue::find(name) else {
            debug_assert!(false, "{name} is not in the catalogue");
            return;
        };
        if self.last != metric.name {
            let (name, kind, help) = (metric.name, metric.kind.word(), metric.help);
            let _ = writeln!(self.text, "# HELP {name} {help}\n# TYPE {name} {kind}");
            self.last = metric.name;
        }
        self.text.push_str(metric.name);
        for (place, (label, value)) in labels.iter().enumerate() {
            let before = if place == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{label}=\"{}\"", escaped(value));
        }
        if !labels.is_empty() {
            self.text.push('}');
        }
        let _ = writeln!(self.text, " {value}");
    }

    /// What was written.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// A label's value: backslash, quotation mark and line feed are escaped (Prometheus' exposition formats).
fn escaped(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_described_once_and_no_label_breaks_out_of_its_quotes() {
        let mut page = Page::default();
        page.gauge("custodyd_freezes", &[("scope", "vault")], 0);
        page.gauge("custodyd_freezes", &[("scope", "a\"b\\c\nd")], 2);
        page.gauge("custodyd_wallet_balance", &[], "0.000000000000000001");
        let help = "Freezes in force: vault, wallet, asset, client, destination";
        let text = page.into_text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[..4],
            [
                &format!("# HELP custodyd_freezes {help}"),
                "# TYPE custodyd_freezes gauge",
                r#"custodyd_freezes{scope="vault"} 0"#,
                r#"custodyd_freezes{scope="a\"b\\c\nd"} 2"#,
            ]
        );
        assert_eq!(lines[6], "custodyd_wallet_balance 0.000000000000000001");
    }
}
