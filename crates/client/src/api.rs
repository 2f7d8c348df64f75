//! A method for each thing that the API does, with typed answers.

mod reads;
mod writes;

use custodyd_policy::ClientId;

use crate::state::State;

pub use writes::ColdSelection;

/// Which withdrawals to list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those of this client; for operators.
    pub client: Option<ClientId>,
}

/// How often a request is sent again where it is unknown whether it was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retries {
    /// Times that it is sent at most, the first one counted; at least one.
    pub attempts: u32,
    /// The pause after the first failure, milliseconds; twice as long after each further one, 30 s at most.
    pub pause_ms: u64,
}

impl Default for Retries {
    fn default() -> Self {
        Self {
            attempts: 6,
            pause_ms: 250,
        }
    }
}
