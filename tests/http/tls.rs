//! TLS at the listener, and certificates of those who connect.

use std::time::Duration;

use custodyd::{
    config::TlsConfig,
    http::{Tls, TlsError},
};
use rustls::{
    HandshakeKind,
    version::{TLS12, TLS13},
};
use tokio::{io::AsyncReadExt as _, net::TcpStream, time::timeout};

use crate::{
    edge::{ALICE, Asked, DESK, Edge, SHOP, WITHDRAWAL},
    tls_wire::Authority,
    wire::raw_exchange,
};

#[tokio::test]
async fn tls_1_3_is_spoken_and_1_2_only_where_it_was_asked_for() {
    let authority = Authority::new();
    let server = authority.issue("localhost");
    let old = authority.client_of(None, &[&TLS12]);
    let new = authority.client_of(None, &[&TLS13]);

    let edge = Edge::configured(&authority.section(&server, "")).await;
    assert!(old.connect(edge.address).await.is_err());
    let stream = new.connect(edge.address).await.unwrap();
    let session = stream.get_ref().1;
    assert_eq!(
        session.protocol_version(),
        Some(rustls::ProtocolVersion::TLSv1_3)
    );
    assert_eq!(session.alpn_protocol(), Some(&b"http/1.1"[..]));

    let lenient = Edge::configured(&authority.section(&server, "min_version = \"1.2\"")).await;
    assert!(old.connect(lenient.address).await.is_ok());
    assert!(new.connect(lenient.address).await.is_ok());
}

#[tokio::test]
async fn a_signed_request_over_tls_is_taken_and_browsers_are_told_to_stay_with_it() {
    let authority = Authority::new();
    let edge = Edge::configured(&authority.section(&authority.issue("localhost"), "")).await;
    let caller = authority.client(None);
    let request = edge.signed(SHOP, &Asked::post("/v1/withdrawals", WITHDRAWAL));
    let answer = caller
        .exchange(edge.address, &request.bytes())
        .await
        .unwrap();
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(
        answer.header("strict-transport-security"),
        Some("max-age=31536000")
    );
    // Plain HTTP at the same port is no request.
    let plain = edge.signed(SHOP, &Asked::get("/v1/wallets")).bytes();
    let answer = raw_exchange(edge.address, &plain).await;
    assert!(!answer.starts_with(b"HTTP"), "{answer:?}");
    assert_eq!(edge.inbox().await.len(), 1);
}

#[tokio::test]
async fn who_connects_and_makes_no_handshake_is_cut_off() {
    let authority = Authority::new();
    let edge = Edge::configured(&authority.section(&authority.issue("localhost"), "")).await;
    let mut silent = TcpStream::connect(edge.address).await.unwrap();
    let mut byte = [0];
    let closed = timeout(Duration::from_secs(60), silent.read(&mut byte)).await;
    assert!(matches!(closed, Ok(Ok(0) | Err(_))), "{closed:?}");
}

#[tokio::test]
async fn with_certificates_required_each_speaks_with_its_own_and_strangers_not_at_all() {
    let authority = Authority::new();
    let section = authority.section(&authority.issue("localhost"), "client_ca = CA");
    let edge = Edge::configured(&format!(
        "{section}\n[clients.desk]\ncertificate = \"desk.example\"\n"
    ))
    .await;
    let shop = authority.client(Some(&authority.issue("custodyd:client/shop")));
    let desk = authority.client(Some(&authority.issue("desk.example")));
    let alice = authority.client(Some(&authority.issue("custodyd:operator/alice")));
    let stranger = authority.client(Some(&Authority::new().issue("custodyd:client/shop")));
    let ask = |keyid| edge.signed(keyid, &Asked::get("/v1/wallets")).bytes();

    for (caller, keyid) in [(&shop, SHOP), (&desk, DESK), (&alice, ALICE)] {
        let answer = caller.exchange(edge.address, &ask(keyid)).await.unwrap();
        assert_eq!(answer.status, 200, "{keyid}: {answer:?}");
    }
    for (caller, keyid) in [(&shop, DESK), (&desk, SHOP), (&shop, ALICE), (&alice, SHOP)] {
        let answer = caller.exchange(edge.address, &ask(keyid)).await.unwrap();
        answer.is_problem(403, "certificate");
    }
    // A certificate alone is nobody's word: the signature counts.
    let mut unsigned = edge.signed(SHOP, &Asked::get("/v1/wallets"));
    unsigned.without("signature");
    let answer = shop
        .exchange(edge.address, &unsigned.bytes())
        .await
        .unwrap();
    answer.is_problem(401, "unauthenticated");
    for caller in [authority.client(None), stranger] {
        assert!(caller.exchange(edge.address, &ask(SHOP)).await.is_err());
    }
}

#[tokio::test]
async fn with_certificates_optional_who_shows_one_is_held_to_it() {
    let authority = Authority::new();
    let section = authority.section(
        &authority.issue("localhost"),
        "client_ca = CA\nclient_auth = \"optional\"",
    );
    let edge = Edge::configured(&format!(
        "{section}\n[clients.desk]\ncertificate = \"desk.example\"\n"
    ))
    .await;
    let ask = |keyid| edge.signed(keyid, &Asked::get("/v1/wallets")).bytes();
    let bare = authority.client(None);
    let shop = authority.client(Some(&authority.issue("custodyd:client/shop")));
    let answer = bare.exchange(edge.address, &ask(SHOP)).await.unwrap();
    assert_eq!(answer.status, 200);
    let answer = shop.exchange(edge.address, &ask(SHOP)).await.unwrap();
    assert_eq!(answer.status, 200);
    let answer = shop.exchange(edge.address, &ask(ALICE)).await.unwrap();
    answer.is_problem(403, "certificate");
    // Its name stands in the configuration, so it shows one.
    let answer = bare.exchange(edge.address, &ask(DESK)).await.unwrap();
    answer.is_problem(403, "certificate");
}

#[tokio::test]
async fn a_revoked_certificate_connects_no_more() {
    let authority = Authority::new();
    let (stolen, good) = ("custodyd:client/shop", "custodyd:client/desk");
    let (stolen, good) = (authority.issue(stolen), authority.issue(good));
    authority.write("crl.pem", &authority.revoke(&[&stolen]));
    let section = authority.section(
        &authority.issue("localhost"),
        "client_ca = CA\nclient_crl = CRL",
    );
    let edge = Edge::configured(&section).await;
    let ask = |keyid| edge.signed(keyid, &Asked::get("/v1/wallets")).bytes();
    let stolen = authority.client(Some(&stolen));
    assert!(stolen.exchange(edge.address, &ask(SHOP)).await.is_err());
    let good = authority.client(Some(&good));
    let answer = good.exchange(edge.address, &ask(DESK)).await.unwrap();
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn where_certificates_of_clients_are_read_no_session_is_resumed_so_each_is_verified_again() {
    let authority = Authority::new();
    let server = authority.issue("localhost");
    let shop = authority.issue("custodyd:client/shop");
    let lines = [
        ("min_version = \"1.2\"", HandshakeKind::Resumed),
        ("min_version = \"1.2\"\nclient_ca = CA", HandshakeKind::Full),
        (
            "min_version = \"1.2\"\nclient_ca = CA\nclient_auth = \"optional\"",
            HandshakeKind::Full,
        ),
    ];
    for (more, expected) in lines {
        let edge = Edge::configured(&authority.section(&server, more)).await;
        for version in [&TLS12, &TLS13] {
            let caller = authority.client_of(Some(&shop), &[version]);
            let ask = || edge.signed(SHOP, &Asked::get("/v1/wallets")).bytes();
            // What a client resumes with comes along with the first answer.
            let answer = caller.exchange(edge.address, &ask()).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            let again = caller.connect(edge.address).await.unwrap();
            let kind = again.get_ref().1.handshake_kind();
            assert_eq!(kind, Some(expected), "{version:?} {more}");
            let answer = caller.exchange(edge.address, &ask()).await.unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_new_certificate_is_in_use_soon_after_its_files_changed_and_a_broken_one_never() {
    let authority = Authority::new();
    let edge = Edge::configured(&authority.section(&authority.issue("localhost"), "")).await;
    let caller = authority.client(None);
    let first = caller.server_certificate(edge.address).await.unwrap();
    // The key of another certificate: half of a change, or a mistake.
    let second = authority.issue("localhost");
    authority.write("server.key", &second.key);
    tokio::time::sleep(Duration::from_secs(12)).await;
    let shown = caller.server_certificate(edge.address).await;
    assert_eq!(shown.as_ref(), Some(&first));
    authority.write("server.pem", &second.certificate);
    let changed = async {
        while caller.server_certificate(edge.address).await.as_ref() == Some(&first) {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(Duration::from_secs(60), changed)
        .await
        .expect("read again");
    assert!(caller.server_certificate(edge.address).await.is_some());
}

#[test]
fn a_key_that_others_can_read_or_that_fits_no_certificate_is_refused_without_showing_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let authority = Authority::new();
    let (one, two) = (authority.issue("localhost"), authority.issue("localhost"));
    let files = TlsConfig {
        certificate: authority.write("one.pem", &one.certificate),
        key: authority.write("one.key", &one.key),
        min_version: Default::default(),
        client_ca: None,
        client_crl: None,
        client_auth: Default::default(),
    };
    assert!(Tls::open(&files).is_ok());
    let fault = |files: &TlsConfig| {
        let fault = Tls::open(files).unwrap_err();
        let text = format!("{fault} {fault:?}");
        let secret = one.key.lines().nth(1).unwrap();
        assert!(!text.contains(secret), "{text}");
        fault
    };
    let other = TlsConfig {
        certificate: authority.write("two.pem", &two.certificate),
        ..files.clone()
    };
    assert!(matches!(fault(&other), TlsError::Unusable { .. }));
    let swapped = TlsConfig {
        certificate: files.key.clone(),
        key: files.certificate.clone(),
        ..files.clone()
    };
    assert!(matches!(fault(&swapped), TlsError::Pem { .. }));
    let nowhere = TlsConfig {
        key: "/nowhere/key.pem".into(),
        ..files.clone()
    };
    assert!(matches!(fault(&nowhere), TlsError::Read { .. }));
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(fault(&files), TlsError::Open { mode: 0o640, .. }));
}
