//! custodyctl.
fn main() {}
