//! A daemon that speaks TLS by itself, to those who show its authority's certificates.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use custodyd_testbed::{House, Signal};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use reqwest::{Certificate, Identity};

use crate::{
    bad_inputs::PAY,
    house::{LONG, Plan, house},
    wire::{Letter, Speaker},
};

type Issuer = CertifiedIssuer<'static, KeyPair>;

fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate and its key, PEM.
fn issue(issuer: &Issuer, name: SanType) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.subject_alt_names = vec![name];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

/// Puts papers for the server's address in place, as a renewal does: each file at once.
fn write_papers(folder: &Path, issuer: &Issuer) {
    let (certificate, key) = issue(issuer, SanType::IpAddress([127, 0, 0, 1].into()));
    for (name, text) in [("server.pem", certificate), ("server.key", key)] {
        let fresh = folder.join("fresh.pem");
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&fresh, folder.join(name)).unwrap();
    }
}

/// Somebody who believes one authority and shows papers of another.
fn caller(server: &Issuer, papers: Option<(String, String)>) -> reqwest::Client {
    let believed = Certificate::from_pem(server.pem().as_bytes()).unwrap();
    let mut builder = reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .tls_certs_only([believed]);
    if let Some((certificate, key)) = papers {
        let both = format!("{certificate}{key}");
        builder = builder.identity(Identity::from_pem(both.as_bytes()).unwrap());
    }
    builder.build().unwrap()
}

async fn send(caller: &reqwest::Client, url: &str, letter: Letter) -> reqwest::Result<u16> {
    let mut request = caller.post(format!("{url}{}", letter.target));
    for (name, value) in &letter.headers {
        request = request.header(name, value);
    }
    Ok(request.body(letter.body).send().await?.status().as_u16())
}

async fn until_served(house: &House, caller: &reqwest::Client, url: &str) {
    let ready = async || {
        let answer = caller.get(format!("{url}/readyz")).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    };
    house.until("served over TLS", LONG, ready).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_speaks_tls_with_its_clients_certificates_and_takes_new_ones_at_a_signal() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    let (servers, clients) = (authority(), authority());
    let folder = house.folder().to_owned();
    write_papers(&folder, &servers);
    fs::write(folder.join("clients.pem"), clients.pem()).unwrap();
    let mut config = fs::read_to_string(house.daemon.config()).unwrap();
    config += "\n[http.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"clients.pem\"\n\
               [clients.exchange]\nper_minute = 1000\n[clients.gone]\nper_second = 1\n";
    fs::write(house.daemon.config(), config).unwrap();
    house.daemon.restart().unwrap();

    let url = house.daemon.url().replace("http://", "https://");
    let uri = |name: &str| SanType::URI(name.try_into().unwrap());
    let papers = issue(&clients, uri("custodyd:client/exchange"));
    let exchange = caller(&servers, Some(papers.clone()));
    until_served(&house, &exchange, &url).await;

    let body = crate::bad_inputs::spoilt("amount", "\"11\"");
    let letter = |speaker: &Speaker, key| speaker.letter(PAY, Some(key), &body);
    let speaker = Speaker::of(&house, "client/exchange");
    let other = Speaker::of(&house, "client/payroll");
    let taken = send(&exchange, &url, letter(&speaker, "tls")).await;
    assert_eq!(taken.unwrap(), 201);
    let another = send(&exchange, &url, letter(&other, "tls")).await;
    assert_eq!(another.unwrap(), 403, "another client's signature");
    let bare = caller(&servers, None);
    assert!(send(&bare, &url, letter(&speaker, "bare")).await.is_err());
    assert!(house.daemon.get("/healthz").is_err(), "plain HTTP");

    // New papers of another authority, and the signal that they are there.
    let renewed = authority();
    write_papers(&folder, &renewed);
    house.daemon.process().signal(Signal::HUP).unwrap();
    let after = caller(&renewed, Some(papers));
    until_served(&house, &after, &url).await;
    let taken = send(&after, &url, letter(&speaker, "after")).await;
    assert_eq!(taken.unwrap(), 201);
    let fresh = caller(&servers, None);
    assert!(send(&fresh, &url, letter(&speaker, "old")).await.is_err());

    let log = house.daemon.log().unwrap();
    assert!(log.contains("certificates were read again"), "{log}");
    assert!(
        log.contains("[clients.gone]"),
        "a client that nobody knows: {log}"
    );
    assert!(!log.contains("PRIVATE KEY"));
}
