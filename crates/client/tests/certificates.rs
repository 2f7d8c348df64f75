//! Files of certificates: each that can't be used is refused before anything is sent, and nothing of a key is shown.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use custodyd_client::{Client, ClientError, Endpoint, Papers, SecretFileError, Tls, TlsError};
use rcgen::{CertificateParams, KeyPair};

/// A folder with a certificate and its key.
struct Folder {
    folder: tempfile::TempDir,
    key: String,
}

impl Folder {
    fn new() -> Self {
        let (certificate, key) = issue();
        let folder = Self {
            folder: tempfile::tempdir().unwrap(),
            key,
        };
        folder.write("cert.pem", &certificate);
        folder.write("key.pem", &folder.key);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
        fs::set_permissions(self.path(name), Permissions::from_mode(0o600)).unwrap();
    }

    fn papers(&self, certificate: &str, key: &str) -> Papers {
        Papers {
            certificate: self.path(certificate),
            key: self.path(key),
        }
    }

    /// Why these papers are refused; the reason holds nothing of the key.
    fn refused(&self, certificate: &str, key: &str) -> TlsError {
        let fault = Tls::load(None, Some(&self.papers(certificate, key))).unwrap_err();
        let (text, secret) = (
            format!("{fault} {fault:?}"),
            self.key.lines().nth(1).unwrap(),
        );
        assert!(!text.contains(secret), "{text}");
        fault
    }

    /// `custodyctl health` with these options.
    fn ctl(&self, options: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_custodyctl"));
        command.env_clear().stdin(Stdio::null()).arg("health");
        command.args(options).current_dir(self.folder.path());
        command.output().unwrap()
    }
}

/// A certificate and its key, PEM.
fn issue() -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (certificate.pem(), key.serialize_pem())
}

#[test]
fn a_certificate_with_its_key_loads_from_two_files_or_from_one() {
    let folder = Folder::new();
    let certificate = fs::read_to_string(folder.path("cert.pem")).unwrap();
    folder.write("both.pem", &format!("{}{certificate}", folder.key));
    for (certificate, key) in [("cert.pem", "key.pem"), ("both.pem", "both.pem")] {
        let papers = folder.papers(certificate, key);
        Tls::load(Some(&folder.path("cert.pem")), Some(&papers)).unwrap();
    }
}

#[test]
fn a_key_that_others_may_read_or_that_is_no_files_is_refused() {
    let folder = Folder::new();
    for mode in [0o640, 0o604, 0o644] {
        fs::set_permissions(folder.path("key.pem"), Permissions::from_mode(mode)).unwrap();
        let fault = folder.refused("cert.pem", "key.pem");
        assert!(
            matches!(fault, TlsError::Key(SecretFileError::Mode { mode: seen, .. }) if seen == mode)
        );
    }
    let fault = folder.refused("cert.pem", "absent");
    assert!(matches!(fault, TlsError::Key(SecretFileError::File { .. })));
    let fault = folder.refused("cert.pem", ".");
    assert!(matches!(fault, TlsError::Key(SecretFileError::NotFile(_))));
}

#[test]
fn what_is_not_one_key_is_refused() {
    let folder = Folder::new();
    let (_, second) = issue();
    for (name, text) in [
        ("empty", ""),
        ("garbage", "secret-garbage"),
        ("two", &format!("{}{second}", folder.key)),
        ("broken", &folder.key.replace("-----END", "----END")),
        (
            "locked",
            &folder.key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY"),
        ),
        (
            "other",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ),
    ] {
        folder.write(name, text);
        let fault = folder.refused("cert.pem", name);
        assert!(matches!(fault, TlsError::NoKey(_)), "{name}: {fault}");
    }
    folder.write("huge", &"x".repeat(100_000));
    let fault = folder.refused("cert.pem", "huge");
    assert!(matches!(
        fault,
        TlsError::Key(SecretFileError::TooLong { .. })
    ));
}

#[test]
fn another_certificates_key_is_refused_before_a_daemon_can_wonder() {
    let folder = Folder::new();
    folder.write("other.pem", &issue().1);
    let fault = folder.refused("cert.pem", "other.pem");
    assert!(matches!(fault, TlsError::Mismatch { .. }), "{fault}");
}

#[test]
fn a_file_without_certificates_is_refused_as_authority_and_as_papers() {
    let folder = Folder::new();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    folder.write("empty", "");
    folder.write("broken", broken);
    folder.write(
        "huge",
        &fs::read_to_string(folder.path("cert.pem"))
            .unwrap()
            .repeat(10_000),
    );
    let authority = |name: &str| Tls::load(Some(&folder.path(name)), None).unwrap_err();
    for name in ["empty", "key.pem", "huge"] {
        assert!(
            matches!(authority(name), TlsError::NoCertificate(_)),
            "{name}"
        );
        let fault = folder.refused(name, "key.pem");
        assert!(
            matches!(fault, TlsError::NoCertificate(_)),
            "{name}: {fault}"
        );
    }
    assert!(matches!(authority("broken"), TlsError::Authority { .. }));
    let fault = folder.refused("broken", "key.pem");
    assert!(matches!(fault, TlsError::Unusable { .. }), "{fault}");
    for name in ["absent", "."] {
        assert!(matches!(authority(name), TlsError::Read { .. }), "{name}");
    }
}

#[test]
fn certificates_for_plain_http_are_refused() {
    let folder = Folder::new();
    let tls = Tls::load(Some(&folder.path("cert.pem")), None).unwrap();
    let at = |url: &str| Client::over(&tls, Endpoint::parse(url, false).unwrap(), None);
    assert!(at("https://localhost:8480").is_ok());
    let refused = at("http://localhost:8480").unwrap_err();
    assert!(matches!(refused, ClientError::Tls(TlsError::PlainHttp(_))));
}

#[test]
fn custodyctl_says_in_one_line_what_is_wrong_with_a_file() {
    let folder = Folder::new();
    folder.write("other.pem", &issue().1);
    let url = "--url=https://localhost:1";
    for (options, said) in [
        (
            &[url, "--cert=cert.pem"][..],
            "--cert-key is missing (or set CUSTODYD_CERT_KEY)",
        ),
        (
            &[url, "--cert-key=key.pem"],
            "--cert is missing (or set CUSTODYD_CERT)",
        ),
        (
            &[url, "--ca=key.pem"],
            "key.pem holds no certificate in PEM",
        ),
        (
            &[url, "--ca=absent"],
            "absent: No such file or directory (os error 2)",
        ),
        (
            &[url, "--cert=cert.pem", "--cert-key=other.pem"],
            "other.pem is not the key of cert.pem",
        ),
        (
            &["--url=http://localhost:1", "--ca=cert.pem"],
            "http://localhost:1 is plain http, where certificates are neither checked nor shown; use https",
        ),
    ] {
        let ended = folder.ctl(options);
        assert_eq!(ended.status.code(), Some(2), "{options:?}: {ended:?}");
        let text = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(text.trim_end(), format!("custodyctl: {said}"));
    }
}
