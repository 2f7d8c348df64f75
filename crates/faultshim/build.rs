//! A module that was loaded stays: its counters and the real module behind it must outlive a caller's dlclose.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
