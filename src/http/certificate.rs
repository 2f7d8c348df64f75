//! The names in a client's certificate, and whose they are.

use rustls::pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};
use webpki::EndEntityCert;

use crate::directory::Speaker;

/// A certificate that rustls verified up to `http.tls.client_ca`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    dns: Vec<String>,
    uris: Vec<String>,
    sha256: [u8; 32],
}

impl Certificate {
    /// Reads its subject alternative names (RFC 5280 §4.2.1.6); the subject itself names nobody here.
    pub(super) fn read(der: &CertificateDer<'_>) -> Result<Self, webpki::Error> {
        let certificate = EndEntityCert::try_from(der)?;
        let owned = |names: &mut dyn Iterator<Item = &str>| names.map(str::to_owned).collect();
        Ok(Self {
            dns: owned(&mut certificate.valid_dns_names()),
            uris: owned(&mut certificate.valid_uri_names()),
            sha256: Sha256::digest(der).into(),
        })
    }

    /// Whether it holds this name: a URI, which has a colon, to the letter, a DNS name in any case. A wildcard is only the text
    /// that it is.
    #[must_use]
    pub fn holds(&self, name: &str) -> bool {
        if name.contains(':') {
            self.uris.iter().any(|uri| uri == name)
        } else {
            self.dns.iter().any(|dns| dns.eq_ignore_ascii_case(name))
        }
    }

    /// SHA-256 of the certificate.
    #[must_use]
    pub fn sha256(&self) -> [u8; 32] {
        self.sha256
    }
}

/// The URI that a speaker's certificate holds unless the configuration names another: `custodyd:client/<id>` or
/// `custodyd:operator/<id>`.
pub(super) fn usual_name(speaker: &Speaker) -> String {
    format!("custodyd:{speaker}")
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, SanType};

    use super::*;

    #[test]
    fn a_certificate_speaks_for_the_names_in_it_and_for_no_other() {
        let mut params = CertificateParams::new(vec!["Shop.Example".to_owned()]).unwrap();
        let uri = |text: &str| SanType::URI(text.try_into().unwrap());
        params.subject_alt_names.push(uri("custodyd:client/shop"));
        // A common name is no name.
        params
            .distinguished_name
            .push(rcgen::DnType::CommonName, "custodyd:client/desk");
        let key = KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let certificate = Certificate::read(made.der()).unwrap();
        for name in ["shop.example", "SHOP.EXAMPLE", "custodyd:client/shop"] {
            assert!(certificate.holds(name), "{name}");
        }
        for name in [
            "custodyd:client/SHOP",
            "custodyd:client/sho",
            "custodyd:client/desk",
            "example",
            "*.example",
            "",
        ] {
            assert!(!certificate.holds(name), "{name}");
        }
        assert_eq!(
            usual_name(&Speaker::Client("shop".parse().unwrap())),
            "custodyd:client/shop"
        );
    }
}
