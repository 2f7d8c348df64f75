//! What the authenticator says about itself and its user (WebAuthn Level 2 §6.1): 32 bytes of the relying party's hash, one
//! of flags, four of counter; then a new credential, or extensions, if it says so.

use crate::{AssertionFault, Presence, RelyingParty};

const USER_PRESENT: u8 = 1;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const ATTESTED_CREDENTIAL: u8 = 1 << 6;
const EXTENSIONS: u8 = 1 << 7;
/// Bits 1 and 5 are reserved for later.
const RESERVED: u8 = (1 << 1) | (1 << 5);
/// Longest extension output that is let through unread, bytes.
const LONGEST_EXTENSIONS: usize = 1024;

/// Holds an assertion's authenticator data against the relying party, and asks for a verified user.
pub(crate) fn check(data: &[u8], party: &RelyingParty) -> Result<Presence, AssertionFault> {
    let said = Said::read(data, party)?;
    if said.has(ATTESTED_CREDENTIAL) {
        return Err(AssertionFault::AuthenticatorData(
            "a new credential where none was asked for",
        ));
    }
    said.ends_with(said.rest)?;
    said.presence()
}

/// The same for a registration; gives what tells of the new credential.
pub(crate) fn attested<'a>(
    data: &'a [u8],
    party: &RelyingParty,
) -> Result<Attested<'a>, AssertionFault> {
    let said = Said::read(data, party)?;
    if !said.has(ATTESTED_CREDENTIAL) {
        return Err(AssertionFault::AuthenticatorData("no new credential"));
    }
    said.presence()?;
    let short = AssertionFault::AuthenticatorData("too short");
    // The authenticator's make: nobody asked for it.
    let (_aaguid, rest) = said
        .rest
        .split_first_chunk::<16>()
        .ok_or_else(|| short.clone())?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or_else(|| short.clone())?;
    let length = usize::from(u16::from_be_bytes(*length));
    let (id, rest) = rest.split_at_checked(length).ok_or(short)?;
    Ok(Attested { said, id, rest })
}

/// A new credential, as its authenticator tells of it.
pub(crate) struct Attested<'a> {
    said: Said<'a>,
    pub(crate) id: &'a [u8],
    /// Its key in CBOR, and whatever comes after.
    pub(crate) rest: &'a [u8],
}

impl Attested<'_> {
    /// Whether after the key there is what the flags say.
    pub(crate) fn ends_with(&self, after_key: &[u8]) -> Result<(), AssertionFault> {
        self.said.ends_with(after_key)
    }
}

struct Said<'a> {
    flags: u8,
    counter: u32,
    rest: &'a [u8],
}

impl<'a> Said<'a> {
    fn read(data: &'a [u8], party: &RelyingParty) -> Result<Self, AssertionFault> {
        let malformed = AssertionFault::AuthenticatorData;
        let (hash, rest) = data
            .split_first_chunk::<32>()
            .ok_or(malformed("too short"))?;
        let (&[flags], rest) = rest.split_first_chunk().ok_or(malformed("too short"))?;
        let (counter, rest) = rest
            .split_first_chunk::<4>()
            .ok_or(malformed("too short"))?;
        if *hash != party.id_hash() {
            return Err(AssertionFault::RelyingParty);
        }
        let said = Self {
            flags,
            counter: u32::from_be_bytes(*counter),
            rest,
        };
        if said.has(RESERVED) {
            return Err(malformed("reserved flags are set"));
        }
        if said.has(BACKED_UP) && !said.has(BACKUP_ELIGIBLE) {
            return Err(malformed("backed up, and not eligible for it"));
        }
        Ok(said)
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn ends_with(&self, extensions: &[u8]) -> Result<(), AssertionFault> {
        if self.has(EXTENSIONS) == extensions.is_empty() || extensions.len() > LONGEST_EXTENSIONS {
            return Err(AssertionFault::AuthenticatorData(
                "its length is not what its flags say",
            ));
        }
        Ok(())
    }

    fn presence(&self) -> Result<Presence, AssertionFault> {
        if !self.has(USER_PRESENT) {
            return Err(AssertionFault::NotPresent);
        }
        if !self.has(USER_VERIFIED) {
            return Err(AssertionFault::NotVerified);
        }
        Ok(Presence {
            counter: self.counter,
            backed_up: self.has(BACKED_UP),
        })
    }
}
