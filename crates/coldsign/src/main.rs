//! coldsign.
fn main() {}
