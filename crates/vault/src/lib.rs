//! The vault state machine: commands in, events out.
