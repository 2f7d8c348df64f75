//! Named places at which a test may end the process as `kill -9` would. Compiled in only with the feature `failpoints`;
//! a release has none.
//!
//! Set through the environment, as `fail` reads it: `FAILPOINTS="signed=return"` kills at the place named `signed`,
//! `FAILPOINTS="signed=2*off->return"` at its third passing.

/// Passes a named place.
#[cfg(feature = "failpoints")]
pub fn pass(name: &str) {
    fail::fail_point!(name, |_| {
        let _ =
            rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
        loop {
            std::thread::park();
        }
    });
}

/// Passes a named place.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn pass(_name: &str) {}

/// Whether the environment names this place: the program then takes the way that the name says.
#[cfg(feature = "failpoints")]
pub fn is_set(name: &str) -> bool {
    fail::fail_point!(name, |_| true);
    false
}

/// Whether the environment names this place.
#[cfg(not(feature = "failpoints"))]
#[inline(always)]
pub fn is_set(_name: &str) -> bool {
    false
}

/// Passes a place whose name is put together from parts; costs nothing without the feature.
#[inline(always)]
pub fn pass_for(stage: &str, kind: &str) {
    if cfg!(feature = "failpoints") {
        pass(&format!("{stage}:{kind}"));
    }
}
