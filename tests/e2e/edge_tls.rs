//! A daemon that speaks TLS by itself, to those who show its authority's certificates.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use custodyd_client::{Client, ClientError, Endpoint, KeyFile, Papers, Retries, State, Tls};
use custodyd_testbed::{House, Signal};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd,
};
use reqwest::{Certificate, Identity};

use crate::{
    bad_inputs::PAY,
    house::{LONG, Plan, SOMEBODY, ask, house},
    typed::ctl_with,
    wire::{Letter, Speaker},
};

pub(crate) type Issuer = CertifiedIssuer<'static, KeyPair>;

pub(crate) fn authority() -> Issuer {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

/// A certificate that is good until this year begins, and its key, PEM.
fn issue_until(issuer: &Issuer, name: SanType, year: i32) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.not_after = date_time_ymd(year, 1, 1);
    params.subject_alt_names = vec![name];
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, issuer).unwrap();
    (certificate.pem(), key.serialize_pem())
}

fn issue(issuer: &Issuer, name: SanType) -> (String, String) {
    issue_until(issuer, name, 2999)
}

/// Puts papers for the server's address in place, as a renewal does: each file at once.
pub(crate) fn write_papers(folder: &Path, issuer: &Issuer, year: i32) {
    let address = SanType::IpAddress([127, 0, 0, 1].into());
    let (certificate, key) = issue_until(issuer, address, year);
    for (name, text) in [("server.pem", certificate), ("server.key", key)] {
        let fresh = folder.join("fresh.pem");
        fs::write(&fresh, text).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(&fresh, folder.join(name)).unwrap();
    }
}

/// Somebody who believes one authority and shows papers of another.
pub(crate) fn caller(server: &Issuer, papers: Option<(String, String)>) -> reqwest::Client {
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

/// The value of one series.
async fn metric(caller: &reqwest::Client, url: &str, series: &str) -> String {
    let page = caller.get(format!("{url}/metrics")).send().await.unwrap();
    let page = page.text().await.unwrap();
    let mut values = page.lines().filter_map(|line| line.strip_prefix(series));
    values.next().unwrap_or_default().trim().to_owned()
}

pub(crate) async fn until_served(house: &House, caller: &reqwest::Client, url: &str) {
    let ready = async || {
        let answer = caller.get(format!("{url}/readyz")).send().await;
        answer.is_ok_and(|answer| answer.status() == 200)
    };
    house.until("served over TLS", LONG, ready).await.unwrap();
}

/// A house whose daemon asks each who connects for a certificate of `clients`.
async fn house_over_tls(servers: &Issuer, clients: &Issuer, more: &str) -> House {
    let plan = Plan {
        litecoin: false,
        ..Plan::default()
    };
    let mut house = house(plan).await;
    let folder = house.folder().to_owned();
    write_papers(&folder, servers, 2998);
    fs::write(folder.join("clients.pem"), clients.pem()).unwrap();
    let mut config = fs::read_to_string(house.daemon.config()).unwrap();
    config += "\n[http.tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\nclient_ca = \"clients.pem\"\n";
    config += more;
    fs::write(house.daemon.config(), config).unwrap();
    house.daemon.restart().unwrap();
    house
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_speaks_tls_with_its_clients_certificates_and_takes_new_ones_at_a_signal() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let (servers, clients) = (authority(), authority());
    let more = "[clients.exchange]\nper_minute = 1000\n[clients.gone]\nper_second = 1\n";
    let mut house = house_over_tls(&servers, &clients, more).await;
    let folder = house.folder().to_owned();

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
    // 2998-01-01T00:00:00Z.
    let expires = r#"custodyd_tls_expires_timestamp_seconds{file="certificate"}"#;
    assert_eq!(metric(&exchange, &url, expires).await, "32440608000");

    // New papers of another authority, and the signal that they are there.
    let renewed = authority();
    write_papers(&folder, &renewed, 2999);
    house.daemon.process().signal(Signal::HUP).unwrap();
    let after = caller(&renewed, Some(papers));
    until_served(&house, &after, &url).await;
    let taken = send(&after, &url, letter(&speaker, "after")).await;
    assert_eq!(taken.unwrap(), 201);
    assert_eq!(metric(&after, &url, expires).await, "32472144000");
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

#[tokio::test(flavor = "multi_thread")]
async fn a_hang_up_ends_no_daemon_that_has_no_certificates_to_read_again() {
    let mut house = house(Plan {
        litecoin: false,
        ..Plan::default()
    })
    .await;
    let pid = house.daemon.pid();
    house.daemon.process().signal(Signal::HUP).unwrap();
    house
        .until("answer the signal", LONG, async || {
            let log = house.daemon.log().unwrap_or_default();
            log.contains("SIGHUP: there are no certificates to read again")
        })
        .await
        .unwrap();
    assert_eq!(house.daemon.get("/readyz").unwrap().status, 200);
    assert_eq!(house.daemon.pid(), pid);
}

/// Writes somebody's certificate and key, as a client is given them.
fn write_client(folder: &Path, clients: &Issuer, name: &str) -> Papers {
    let uri = SanType::URI(format!("custodyd:{name}").as_str().try_into().unwrap());
    let (certificate, key) = issue(clients, uri);
    let name = name.replace('/', "-");
    let at = |what: &str| folder.join(format!("{name}.{what}.pem"));
    let papers = Papers {
        certificate: at("cert"),
        key: at("cert-key"),
    };
    fs::write(&papers.certificate, certificate).unwrap();
    fs::write(&papers.key, key).unwrap();
    fs::set_permissions(&papers.key, fs::Permissions::from_mode(0o600)).unwrap();
    papers
}

#[tokio::test(flavor = "multi_thread")]
async fn custodyctl_and_the_typed_client_show_certificates_and_believe_one_authority() {
    let (servers, clients) = (authority(), authority());
    let house = house_over_tls(&servers, &clients, "").await;
    let folder = house.folder().to_owned();
    let ca = folder.join("servers.pem");
    fs::write(&ca, servers.pem()).unwrap();
    let exchange = write_client(&folder, &clients, "client/exchange");
    let alice = write_client(&folder, &clients, "operator/alice");
    let url = house.daemon.url().replace("http://", "https://");

    let identity = || {
        let key = KeyFile::load(&house.key_file("client/exchange")).unwrap();
        custodyd_client::Identity::new("client/exchange".parse().unwrap(), key)
    };
    let over = |ca: &Path, papers: Option<&Papers>| {
        let tls = Tls::load(Some(ca), papers).unwrap();
        Client::over(
            &tls,
            Endpoint::parse(&url, false).unwrap(),
            Some(identity()),
        )
        .unwrap()
    };
    let client = over(&ca, Some(&exchange));
    let ready = async || client.ready().await.is_ok_and(|r| r.status == "ready");
    house.until("served over TLS", LONG, ready).await.unwrap();
    let order = ask("ETH", "20", SOMEBODY);
    let asked = client.withdraw("tls", &order, Retries::default()).await;
    assert_eq!(asked.unwrap().state, State::Denied);

    let no_answer = async |client: Client| match client.policy().await {
        Err(ClientError::NoAnswer { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let stranger = no_answer(over(&folder.join("clients.pem"), Some(&exchange))).await;
    assert!(stranger.contains("invalid peer certificate"), "{stranger}");
    // In TLS 1.3 the server refuses after the client has finished: its alert and the request cross, and whoever writes first into a
    // connection that ends hears only that it ended.
    let mut bare = String::new();
    for _ in 0..20 {
        bare = no_answer(over(&ca, None)).await;
        if bare.contains("CertificateRequired") {
            break;
        }
    }
    assert!(bare.contains("CertificateRequired"), "{bare}");
    let others = over(&ca, Some(&alice)).policy().await.unwrap_err();
    assert!(matches!(others, ClientError::Refused(p) if p.code() == "certificate"));

    let ctl = |arguments: &[&str], more: &[(&str, &Path)]| {
        let mut environment = vec![("CUSTODYD_URL", PathBuf::from(&url))];
        environment.extend(more.iter().map(|(name, path)| (*name, path.to_path_buf())));
        ctl_with(&house, "operator/alice", arguments, &environment)
    };
    let believed = ("CUSTODYD_CA", ca.as_path());
    let shown = [
        believed,
        ("CUSTODYD_CERT", &alice.certificate),
        ("CUSTODYD_CERT_KEY", &alice.key),
    ];
    assert!(ctl(&["wallets"], &shown).done().out.contains("hot-eth"));
    let frozen = ctl(&["freeze", "--asset", "ETH", "--reason", "drill"], &shown);
    frozen.done();
    let options = [
        "health",
        "--ca",
        ca.to_str().unwrap(),
        "--cert",
        alice.certificate.to_str().unwrap(),
        "--cert-key",
        alice.key.to_str().unwrap(),
    ];
    assert!(ctl(&options, &[]).done().out.contains("ready"));
    let bare = ctl(&["wallets"], &[believed]);
    assert_eq!(bare.code, Some(3), "{bare:?}");
    let doubted = ctl(&["wallets"], &[]);
    assert_eq!(doubted.code, Some(3), "{doubted:?}");
    assert!(
        doubted.err.contains("invalid peer certificate"),
        "{doubted:?}"
    );
}
