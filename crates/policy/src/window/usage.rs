//! How much of each limit is used, for people and programs to read.

use serde::{Deserialize, Serialize};

use crate::ids::LimitId;
use crate::instant::Timestamp;
use crate::limit::{Dimension, Limit};
use crate::reason::Measure;
use crate::window::places::Places;
use crate::window::series::Series;

/// How much of a limit is used by one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitUsage {
    /// The limit.
    pub limit: LimitId,
    /// What it counts apart.
    pub per: Dimension,
    /// Which of them, such as `wallet hot-1`; `any wallet` where nothing is used by any.
    pub key: String,
    /// The window's length in milliseconds.
    pub window_ms: u64,
    /// Used within the window that ends now.
    pub used: Measure,
    /// The most that may be used within any window.
    pub max: Measure,
    /// How many withdrawals that is.
    pub count: u64,
    /// When the oldest of them leave the window.
    pub frees_at: Option<Timestamp>,
    /// When the window is empty, if nothing else is admitted.
    pub resets_at: Option<Timestamp>,
}

impl LimitUsage {
    /// An entry for each key that uses any of a limit, in order of limit and key, and one with nothing used for a
    /// limit that no key uses.
    pub(crate) fn of_all(limits: &[Limit], places: Option<&Places>, at: Timestamp) -> Vec<Self> {
        let mut used: Vec<Vec<Self>> = vec![Vec::new(); limits.len()];
        if let Some(places) = places {
            places.each(|key, windows| {
                for (index, series) in windows.iter().filter(|(_, s)| !s.is_idle(at)) {
                    if let (Some(limit), Some(of_limit)) =
                        (limits.get(*index), used.get_mut(*index))
                    {
                        of_limit.push(Self::of(limit, key.to_string(), Some(series), at));
                    }
                }
            });
        }
        for (limit, of_limit) in limits.iter().zip(&mut used) {
            of_limit.sort_by(|a, b| a.key.cmp(&b.key));
            if of_limit.is_empty() {
                let key = format!("any {}", limit.per);
                of_limit.push(Self::of(limit, key, None, at));
            }
        }
        used.into_iter().flatten().collect()
    }

    fn of(limit: &Limit, key: String, series: Option<&Series>, at: Timestamp) -> Self {
        let total = series.map(|s| s.within(at)).unwrap_or_default();
        // More than can exist is shown as the limit itself: all of it is used.
        let used = limit.measure(total.weight).unwrap_or(limit.max);
        Self {
            limit: limit.id.clone(),
            per: limit.per,
            key,
            window_ms: limit.window_ms,
            used,
            max: limit.max,
            count: total.count,
            frees_at: series.and_then(|s| s.frees_at(at)),
            resets_at: series.and_then(|s| s.resets_at(at)),
        }
    }
}
