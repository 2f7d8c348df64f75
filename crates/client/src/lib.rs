//! The reference client and custodyctl.
