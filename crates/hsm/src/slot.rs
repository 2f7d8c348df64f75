//! Finds the one token that a profile selects.

use cryptoki::context::Pkcs11;
use cryptoki::slot::{Limit, Slot};
use serde::{Deserialize, Serialize};

use crate::error::HsmError;
use crate::fault::Fault;
use crate::module::Module;
use crate::profile::{Profile, Selector, SessionMode};

/// What a token says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenInfo {
    /// Label.
    pub label: String,
    /// Serial number.
    pub serial: String,
    /// Model.
    pub model: String,
    /// Manufacturer.
    pub manufacturer: String,
    /// Firmware version, `major.minor`.
    pub firmware: String,
    /// Slot id, as it was when the token was found.
    pub slot: u64,
}

/// The state of the token's PIN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PinState {
    Open,
    LastAttempt,
    Locked,
}

#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) slot: Slot,
    pub(crate) info: TokenInfo,
    /// Sessions that the token allows, where it tells.
    pub(crate) max_sessions: Option<u64>,
}

/// The token of this profile.
pub(crate) fn find(module: &Module, profile: &Profile) -> Result<Found, Fault> {
    let mut present = Vec::new();
    let mut matching = Vec::new();
    let mut failed = None;
    // Half of the time for opening, so that a listing that hangs is told from an opening that hangs.
    for slot in module.slots(profile.open_timeout / 2)? {
        // One slot that misbehaves must not hide the others.
        let found = match describe(&module.context, slot, profile.mode) {
            Ok(found) => found,
            Err(fault) => {
                failed.get_or_insert(fault);
                continue;
            }
        };
        if selected(&found.info, &profile.selector) {
            matching.push(found);
        } else if !found.info.label.is_empty() {
            present.push(found.info.label);
        }
    }
    let count = matching.len();
    match matching.pop() {
        Some(found) if count == 1 => Ok(found),
        Some(_) => Err(HsmError::TokenAmbiguous {
            selector: profile.selector.to_string(),
            count,
        }
        .into()),
        None => Err(match failed {
            // Whether the token that could not be asked is the one, nobody knows.
            Some(fault) if present.is_empty() || fault.may_pass(&profile.quirks.retry_codes) => {
                fault
            }
            _ => HsmError::TokenMissing {
                selector: profile.selector.to_string(),
                present,
            }
            .into(),
        }),
    }
}

pub(crate) fn describe(context: &Pkcs11, slot: Slot, mode: SessionMode) -> Result<Found, Fault> {
    let token = context.get_token_info(slot)?;
    let limit = match mode {
        SessionMode::ReadWrite => token.max_rw_session_count(),
        SessionMode::ReadOnly => token.max_session_count(),
    };
    Ok(Found {
        slot,
        info: TokenInfo {
            label: token.label().to_owned(),
            serial: token.serial_number().to_owned(),
            model: token.model().to_owned(),
            manufacturer: token.manufacturer_id().to_owned(),
            firmware: token.firmware_version().to_string(),
            slot: slot.id(),
        },
        max_sessions: match limit {
            Limit::Max(count) => Some(count),
            Limit::Unavailable | Limit::Infinite => None,
        },
    })
}

fn selected(info: &TokenInfo, selector: &Selector) -> bool {
    match selector {
        Selector::Label(label) => info.label == *label,
        Selector::Serial(serial) => info.serial == *serial,
        Selector::Slot(slot) => info.slot == *slot,
    }
}

/// Asked before each C_Login.
pub(crate) fn pin_state(context: &Pkcs11, slot: Slot) -> Result<PinState, Fault> {
    let token = context.get_token_info(slot)?;
    Ok(state(token.user_pin_locked(), token.user_pin_final_try()))
}

/// The same of the security officer's PIN.
pub(crate) fn so_pin_state(context: &Pkcs11, slot: Slot) -> Result<PinState, Fault> {
    let token = context.get_token_info(slot)?;
    Ok(state(token.so_pin_locked(), token.so_pin_final_try()))
}

const fn state(locked: bool, final_try: bool) -> PinState {
    match (locked, final_try) {
        (true, _) => PinState::Locked,
        (false, true) => PinState::LastAttempt,
        (false, false) => PinState::Open,
    }
}
