//! custodyd.
