//! TLS by hand: an authority of the test's own, papers for whoever is to have some, and a client that shows them.

use std::{net::SocketAddr, os::unix::fs::PermissionsExt as _, path::PathBuf, sync::Arc};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, IsCa,
    KeyIdMethod, KeyPair, KeyUsagePurpose, RevocationReason, RevokedCertParams, SanType,
    SerialNumber, date_time_ymd,
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    version::{TLS12, TLS13},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::wire::Answer;

/// Who issues certificates, and a folder to put them in.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

/// A certificate and its key, PEM.
pub(crate) struct Papers {
    pub(crate) certificate: String,
    pub(crate) key: String,
    serial: SerialNumber,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        Self {
            issuer: CertifiedIssuer::self_signed(params, key).unwrap(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Papers for a name: a URI if it has a colon, else a DNS name.
    pub(crate) fn issue(&self, name: &str) -> Papers {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let serial = SerialNumber::from(uuid::Uuid::now_v7().as_bytes()[9..].to_vec());
        params.serial_number = Some(serial.clone());
        params.use_authority_key_identifier_extension = true;
        params.subject_alt_names = vec![match name.contains(':') {
            true => SanType::URI(name.try_into().unwrap()),
            false => SanType::DnsName(name.try_into().unwrap()),
        }];
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        Papers {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            serial,
        }
    }

    /// The list of what is no longer good.
    pub(crate) fn revoke(&self, papers: &[&Papers]) -> String {
        let revoked = papers.iter().map(|papers| RevokedCertParams {
            serial_number: papers.serial.clone(),
            revocation_time: date_time_ymd(2024, 1, 1),
            reason_code: Some(RevocationReason::KeyCompromise),
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2024, 1, 1),
            next_update: date_time_ymd(2999, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().pem().unwrap()
    }

    /// Writes a file that only its owner may read.
    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        let fresh = self.folder.path().join(format!("{name}.new"));
        std::fs::write(&fresh, text).unwrap();
        std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).unwrap();
        std::fs::rename(&fresh, &path).unwrap();
        path
    }

    /// `[http.tls]` for papers of the server's own, with these lines more.
    pub(crate) fn section(&self, server: &Papers, more: &str) -> String {
        let certificate = self.write("server.pem", &server.certificate);
        let key = self.write("server.key", &server.key);
        self.write("ca.pem", &self.pem());
        format!(
            "[http]\n[http.tls]\ncertificate = {certificate:?}\nkey = {key:?}\n{}\n",
            more.replace("CA", &format!("{:?}", self.folder.path().join("ca.pem")))
                .replace("CRL", &format!("{:?}", self.folder.path().join("crl.pem")))
        )
    }

    pub(crate) fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// A client that believes this authority and shows these papers.
    pub(crate) fn client(&self, papers: Option<&Papers>) -> Caller {
        self.client_of(papers, &[&TLS13, &TLS12])
    }

    pub(crate) fn client_of(
        &self,
        papers: Option<&Papers>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Caller {
        let mut roots = RootCertStore::empty();
        roots.add(self.issuer.der().clone()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match papers {
            None => builder.with_no_client_auth(),
            Some(papers) => {
                let chain = CertificateDer::pem_slice_iter(papers.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(papers.key.as_bytes()).unwrap();
                builder
                    .with_client_auth_cert(chain.map(Result::unwrap).collect(), key)
                    .unwrap()
            }
        };
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Caller(Arc::new(config))
    }
}

/// Somebody who speaks TLS.
#[derive(Clone)]
pub(crate) struct Caller(Arc<ClientConfig>);

impl Caller {
    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
    ) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::clone(&self.0))
            .connect(name, stream)
            .await
    }

    /// Sends bytes and reads until the server closes. In TLS 1.3 a server refuses a client's certificate after the client's
    /// handshake is done, so that shows here.
    pub(crate) async fn exchange(
        &self,
        address: SocketAddr,
        bytes: &[u8],
    ) -> std::io::Result<Answer> {
        let mut stream = self.connect(address).await?;
        stream.write_all(bytes).await?;
        let mut answer = Vec::new();
        let read = stream.read_to_end(&mut answer).await;
        if answer.is_empty() {
            read?;
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        Ok(Answer::read(&answer))
    }

    /// The certificate that the server shows.
    pub(crate) async fn server_certificate(&self, address: SocketAddr) -> Option<Vec<u8>> {
        let stream = self.connect(address).await.ok()?;
        let chain = stream.get_ref().1.peer_certificates()?;
        Some(chain.first()?.to_vec())
    }
}
