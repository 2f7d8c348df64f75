//! Why a passkey's word doesn't count.

/// Why an assertion is refused. None of these says anything that its sender doesn't know.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AssertionFault {
    /// Another credential's.
    #[error("the assertion is by another credential")]
    OtherCredential,
    /// The client data is not the JSON that a browser makes.
    #[error("the client data can't be read: {0}")]
    ClientData(String),
    /// Not of the ceremony that was begun: `webauthn.get`, or `webauthn.create` at registration.
    #[error("the client data is of type {0:?}, which was not asked for")]
    Type(String),
    /// Somebody signed something else.
    #[error("what was signed is not what is asked for: the challenge differs")]
    Challenge,
    /// Another site asked.
    #[error("it was signed for the origin {0:?}, which is not this console's")]
    Origin(String),
    /// Asked from inside of another site's page.
    #[error("it was signed inside of another site's frame")]
    CrossOrigin,
    /// Too short, or of a length that its flags don't explain.
    #[error("the authenticator data can't be read: {0}")]
    AuthenticatorData(&'static str),
    /// Another relying party's credential.
    #[error("the authenticator signed for another relying party")]
    RelyingParty,
    /// Nobody touched it.
    #[error("nobody was present at the authenticator")]
    NotPresent,
    /// Nobody proved to the authenticator who they are.
    #[error("the authenticator did not verify its user; a PIN or biometry is needed")]
    NotVerified,
    /// It isn't the credential's signature over this.
    #[error("the signature is not this credential's")]
    Signature,
}

/// Why a new passkey is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationFault {
    /// What browser and authenticator say about page and user is not as it should be.
    #[error(transparent)]
    Said(#[from] AssertionFault),
    /// Not CBOR as the specification has it.
    #[error("the attestation object can't be read: {0}")]
    Attestation(&'static str),
    /// A statement about the authenticator's make, which nobody asked for.
    #[error("it is attested in the format {0:?}; none was asked for")]
    Format(String),
    /// A key that is not used here.
    #[error("its key is of COSE algorithm {0}, not ES256 (-7) or EdDSA (-8)")]
    Algorithm(i64),
    /// A key of the right algorithm that is none.
    #[error("its key can't be used: {0}")]
    Key(&'static str),
}

/// A text that is not a passkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a passkey (passkey:es256:<id>:<point> or passkey:ed25519:<id>:<key>)")]
pub struct CredentialFault(pub(crate) String);

/// A relying party that no browser would sign for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PartyFault {
    /// Not a host's name.
    #[error("{0:?} is not a host's name in lower case, without port")]
    Id(String),
    /// Nobody could sign.
    #[error("a console needs 1 to 8 origins, this one has {0}")]
    Origins(usize),
    /// Browsers hand out passkeys over https only, and to localhost.
    #[error("{0:?} is not an origin: https://host[:port], or http://localhost[:port]")]
    Origin(String),
    /// A browser refuses an id that isn't the page's host or above it.
    #[error("the origin {origin:?} is not at {id} or below it")]
    Foreign {
        /// The origin.
        origin: String,
        /// The id.
        id: String,
    },
}
