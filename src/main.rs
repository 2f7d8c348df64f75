//! custodyd.
fn main() {}
