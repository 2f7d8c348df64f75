//! Until when certificates and revocation lists are good, as `/metrics` shows it: a certificate that ends unseen shuts
//! everybody out at once, and so does a revocation list.

use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use x509_cert::{Certificate, crl::CertificateList, der::Decode as _, time::Time};

/// When the first of each file's contents ends, Unix seconds.
#[derive(Debug, Default)]
pub(super) struct Ends(Vec<(&'static str, Option<u64>)>);

impl Ends {
    /// The certificates of the file that the configuration calls `name`.
    pub(super) fn note_certificates(
        &mut self,
        name: &'static str,
        certificates: &[CertificateDer<'_>],
    ) {
        // RFC 5280 §4.1.2.5.
        self.note(name, certificates, |der| {
            let certificate = Certificate::from_der(der).ok()?;
            Some(certificate.tbs_certificate.validity.not_after)
        });
    }

    /// The revocation lists of the file that the configuration calls `name`.
    pub(super) fn note_lists(
        &mut self,
        name: &'static str,
        lists: &[CertificateRevocationListDer<'_>],
    ) {
        // RFC 5280 §5.1.2.5.
        self.note(name, lists, |der| {
            CertificateList::from_der(der)
                .ok()?
                .tbs_cert_list
                .next_update
        });
    }

    fn note<D: AsRef<[u8]>>(
        &mut self,
        name: &'static str,
        contents: &[D],
        end: impl Fn(&[u8]) -> Option<Time>,
    ) {
        let ends = contents.iter().map(|der| {
            let end = end(der.as_ref())?;
            Some(end.to_unix_duration().as_secs())
        });
        // One that says nothing is not one that never ends.
        let ends: Option<Vec<u64>> = ends.collect();
        let first = ends.and_then(|ends| ends.into_iter().min());
        if first.is_none() && !contents.is_empty() {
            tracing::warn!("until when the contents of http.tls.{name} are good can't be read");
        }
        self.0.push((name, first));
    }

    /// These are in use from now on.
    pub(super) fn show(&self) {
        for (name, end) in &self.0 {
            // What can't be read is shown as long over, so that somebody looks.
            let seconds = end.unwrap_or_default() as f64;
            metrics::gauge!("custodyd_tls_expires_timestamp_seconds", "file" => *name).set(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer,
        IsCa, KeyIdMethod, KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
    };

    use super::*;

    /// 2031-01-01T00:00:00Z.
    const Y2031: u64 = 1_924_992_000;

    fn certificate(year: i32) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        params.self_signed(&key).unwrap().der().clone()
    }

    fn list(year: i32) -> CertificateRevocationListDer<'static> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(year, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: Vec::new(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&issuer).unwrap().der().clone()
    }

    #[test]
    fn a_file_is_good_until_the_first_of_its_contents_ends() {
        let mut ends = Ends::default();
        // After 2049 times are written in another form.
        let chain = [certificate(2060), certificate(2031), certificate(2040)];
        ends.note_certificates("certificate", &chain);
        ends.note_lists("client_crl", &[list(2055), list(2031)]);
        assert_eq!(
            ends.0,
            [("certificate", Some(Y2031)), ("client_crl", Some(Y2031))]
        );
    }

    #[test]
    fn what_can_not_be_read_never_counts_as_good_for_ever() {
        let mut ends = Ends::default();
        let junk = CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x07]);
        ends.note_certificates("certificate", &[certificate(2031), junk]);
        ends.note_lists("client_crl", &[]);
        assert_eq!(ends.0, [("certificate", None), ("client_crl", None)]);
    }
}
