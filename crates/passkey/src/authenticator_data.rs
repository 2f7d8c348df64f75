//! What the authenticator says about itself and its user (WebAuthn Level 2 §6.1): 32 bytes of the relying party's hash, one
//! of flags, four of counter; then extensions, if it says so.

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

/// Holds authenticator data against the relying party, and asks for a verified user.
pub(crate) fn check(data: &[u8], party: &RelyingParty) -> Result<Presence, AssertionFault> {
    let malformed = AssertionFault::AuthenticatorData;
    let (hash, rest) = data
        .split_first_chunk::<32>()
        .ok_or(malformed("too short"))?;
    let (&[flags], rest) = rest.split_first_chunk().ok_or(malformed("too short"))?;
    let (counter, rest) = rest
        .split_first_chunk::<4>()
        .ok_or(malformed("too short"))?;
    let has = |flag: u8| flags & flag != 0;
    if *hash != party.id_hash() {
        return Err(AssertionFault::RelyingParty);
    }
    if has(RESERVED) {
        return Err(malformed("reserved flags are set"));
    }
    if has(ATTESTED_CREDENTIAL) {
        return Err(malformed("a new credential where none was asked for"));
    }
    if has(EXTENSIONS) == rest.is_empty() || rest.len() > LONGEST_EXTENSIONS {
        return Err(malformed("its length is not what its flags say"));
    }
    if has(BACKED_UP) && !has(BACKUP_ELIGIBLE) {
        return Err(malformed("backed up, and not eligible for it"));
    }
    if !has(USER_PRESENT) {
        return Err(AssertionFault::NotPresent);
    }
    if !has(USER_VERIFIED) {
        return Err(AssertionFault::NotVerified);
    }
    Ok(Presence {
        counter: u32::from_be_bytes(*counter),
        backed_up: has(BACKED_UP),
    })
}
