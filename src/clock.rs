//! Where time comes from. Decisions get it handed in; only the edge reads the system's clock.

use std::sync::Arc;

use custodyd_policy::Timestamp;

/// A source of the current time.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Clock")
    }
}

impl Clock {
    /// A clock that tells what this says.
    pub fn of(tell: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(tell))
    }

    /// The system's clock.
    pub fn system() -> Self {
        Self::of(|| {
            let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
            let millis = since_epoch.map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX));
            Timestamp::from_ms(millis.unwrap_or(0))
        })
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}
