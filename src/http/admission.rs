//! What `[clients.<id>]` and `[operators]` ask of a speaker beside the signature: from where, with which certificate, how fast.
//!
//! It is asked after the signature was verified, so that a stranger neither learns these rules nor uses up anybody's rate.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use custodyd_policy::{ClientId, OperatorId};

use super::{
    bucket::{Bucket, Rate},
    certificate::usual_name,
    peer::Peer,
};
use crate::{
    config::{ClientAccess, ClientAuth, Network, OperatorAccess, TlsConfig},
    directory::Speaker,
    problem::Problem,
};

/// The rules for speakers. Its default asks for nothing.
#[derive(Debug)]
pub struct Admission {
    began: Instant,
    certificates: Certificates,
    clients: BTreeMap<ClientId, ClientRule>,
    operators_from: Option<Vec<Network>>,
    operators_certificates: BTreeMap<OperatorId, String>,
}

/// Whether certificates are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Certificates {
    Ignored,
    IfShown,
    Always,
}

#[derive(Debug)]
struct ClientRule {
    from: Option<Vec<Network>>,
    rate: Option<(Rate, Mutex<Bucket>)>,
    certificate: Option<String>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            began: Instant::now(),
            certificates: Certificates::Ignored,
            clients: BTreeMap::new(),
            operators_from: None,
            operators_certificates: BTreeMap::new(),
        }
    }
}

impl Admission {
    /// The rules of a configuration.
    pub fn new(
        tls: Option<&TlsConfig>,
        clients: &BTreeMap<ClientId, ClientAccess>,
        operators: &OperatorAccess,
    ) -> Self {
        let reads = tls.filter(|tls| tls.client_ca.is_some());
        let rules = clients
            .iter()
            .map(|(id, access)| (id.clone(), ClientRule::from(access)));
        Self {
            began: Instant::now(),
            certificates: match reads.map(|tls| tls.client_auth) {
                None => Certificates::Ignored,
                Some(ClientAuth::Optional) => Certificates::IfShown,
                Some(ClientAuth::Required) => Certificates::Always,
            },
            clients: rules.collect(),
            operators_from: operators.from.clone(),
            operators_certificates: operators.certificates.clone(),
        }
    }
}

impl From<&ClientAccess> for ClientRule {
    fn from(access: &ClientAccess) -> Self {
        let burst = |count| access.burst.unwrap_or(count);
        let rate = match (access.per_second, access.per_minute) {
            (Some(count), _) => Some(Rate::per_second(count, burst(count))),
            (None, Some(count)) => Some(Rate::per_minute(count, burst(count))),
            (None, None) => None,
        };
        let rate = rate.map(|rate| (rate, Mutex::new(Bucket::full(rate, Duration::ZERO))));
        Self {
            from: access.from.clone(),
            rate,
            certificate: access.certificate.clone(),
        }
    }
}

impl Admission {
    /// Lets in a speaker whose signature, passkey or session was verified.
    ///
    /// # Errors
    /// 403 `origin` from another network than configured, 403 `certificate` without a certificate of its own, 429 when its rate
    /// is used up.
    pub fn admit(&self, speaker: &Speaker, peer: &Peer) -> Result<(), Problem> {
        self.admit_at(speaker, peer, self.began.elapsed())
    }

    fn admit_at(&self, speaker: &Speaker, peer: &Peer, now: Duration) -> Result<(), Problem> {
        let rule = match speaker {
            Speaker::Client(id) => self.clients.get(id),
            _ => None,
        };
        let from = match speaker {
            Speaker::Client(_) => rule.and_then(|rule| rule.from.as_ref()),
            _ => self.operators_from.as_ref(),
        };
        check_origin(from, speaker, peer.address)?;
        let named = match speaker {
            Speaker::Operator(id) => self.operators_certificates.get(id),
            _ => rule.and_then(|rule| rule.certificate.as_ref()),
        };
        self.check_certificate(named, speaker, peer)?;
        let Some((rate, bucket)) = rule.and_then(|rule| rule.rate.as_ref()) else {
            return Ok(());
        };
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(*rate, now).map_err(|empty| {
            metrics::counter!("custodyd_edge_refused_total", "why" => "client_rate").increment(1);
            empty.problem("this client's")
        })
    }

    fn check_certificate(
        &self,
        named: Option<&String>,
        speaker: &Speaker,
        peer: &Peer,
    ) -> Result<(), Problem> {
        // Who was only invited has no name yet; the handshake asked for a certificate already.
        if matches!(speaker, Speaker::Invitation(_)) {
            return Ok(());
        }
        let (certificate, named) = match (self.certificates, &peer.certificate, named) {
            (Certificates::Ignored, ..) | (Certificates::IfShown, None, None) => return Ok(()),
            (_, Some(certificate), named) => (Some(certificate), named),
            (_, None, named) => (None, named),
        };
        let name = named.map_or_else(|| usual_name(speaker), String::clone);
        if certificate.is_some_and(|certificate| certificate.holds(&name)) {
            return Ok(());
        }
        metrics::counter!("custodyd_edge_refused_total", "why" => "certificate").increment(1);
        Err(Problem::new(
            403,
            "certificate",
            "Not with this certificate",
            format!("{speaker} speaks with a certificate for {name}"),
        ))
    }
}

fn check_origin(
    from: Option<&Vec<Network>>,
    speaker: &Speaker,
    address: IpAddr,
) -> Result<(), Problem> {
    if from.is_none_or(|networks| networks.iter().any(|network| network.contains(address))) {
        return Ok(());
    }
    metrics::counter!("custodyd_edge_refused_total", "why" => "origin").increment(1);
    Err(Problem::new(
        403,
        "origin",
        "Not from there",
        format!("{speaker} may not come from {address}"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        Peer {
            address: address.parse().unwrap(),
            secure: true,
            certificate: None,
        }
    }

    fn admission(certificates: Certificates) -> Admission {
        let access: BTreeMap<ClientId, ClientAccess> = toml::from_str(
            "shop = { from = [\"10.0.0.0/8\", \"2001:db8::/32\"], per_second = 2, burst = 3 }\n\
             desk = { certificate = \"desk.example\" }",
        )
        .unwrap();
        Admission {
            clients: access
                .iter()
                .map(|(id, access)| (id.clone(), access.into()))
                .collect(),
            certificates,
            operators_from: Some(vec!["192.0.2.0/24".parse().unwrap()]),
            ..Admission::default()
        }
    }

    fn client(id: &str) -> Speaker {
        Speaker::Client(id.parse().unwrap())
    }

    #[test]
    fn each_speaker_comes_from_its_own_networks() {
        let admission = admission(Certificates::Ignored);
        let code = |speaker: &Speaker, address| {
            let admitted = admission.admit_at(speaker, &peer(address), Duration::from_secs(100));
            admitted.err().map(|problem| problem.kind)
        };
        let origin = Some("urn:custodyd:problem:origin".to_owned());
        assert_eq!(code(&client("shop"), "10.1.2.3"), None);
        assert_eq!(code(&client("shop"), "::ffff:10.1.2.3"), None);
        assert_eq!(code(&client("shop"), "2001:db8::1"), None);
        assert_eq!(code(&client("shop"), "192.0.2.1"), origin);
        // Without a rule from anywhere.
        assert_eq!(code(&client("desk"), "8.8.8.8"), None);
        assert_eq!(code(&client("new"), "8.8.8.8"), None);
        let alice = Speaker::Operator("alice".parse().unwrap());
        assert_eq!(code(&alice, "192.0.2.1"), None);
        assert_eq!(code(&alice, "10.1.2.3"), origin);
    }

    #[test]
    fn a_clients_rate_is_its_own_and_is_not_used_up_from_elsewhere() {
        let admission = admission(Certificates::Ignored);
        let ask = |speaker: &Speaker, address, now| {
            let admitted = admission.admit_at(speaker, &peer(address), Duration::from_millis(now));
            admitted.map_err(|problem| (problem.status, problem.retry_after))
        };
        let shop = client("shop");
        for _ in 0..100 {
            assert_eq!(ask(&shop, "192.0.2.1", 0), Err((403, None)));
        }
        for _ in 0..3 {
            assert_eq!(ask(&shop, "10.0.0.1", 0), Ok(()));
        }
        assert_eq!(ask(&shop, "10.0.0.2", 0), Err((429, Some(1))));
        assert_eq!(ask(&client("desk"), "10.0.0.2", 0), Ok(()));
        assert_eq!(ask(&shop, "10.0.0.2", 500), Ok(()));
        assert_eq!(ask(&shop, "10.0.0.2", 500), Err((429, Some(1))));
    }

    #[test]
    fn without_a_certificate_nobody_speaks_where_one_is_asked_for() {
        let refused = |certificates, id| {
            let admitted = admission(certificates).admit(&client(id), &peer("10.0.0.1"));
            admitted.err().map(|problem| problem.kind)
        };
        let certificate = Some("urn:custodyd:problem:certificate".to_owned());
        assert_eq!(refused(Certificates::Ignored, "desk"), None);
        assert_eq!(refused(Certificates::IfShown, "shop"), None);
        // Its name is configured: it shows one.
        assert_eq!(refused(Certificates::IfShown, "desk"), certificate);
        assert_eq!(refused(Certificates::Always, "shop"), certificate);
        assert_eq!(refused(Certificates::Always, "desk"), certificate);
    }
}
