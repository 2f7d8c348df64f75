//! Where one withdrawal stands in the windows: what its keys use already, itself left out.

use custodyd_chain::U256;

use crate::condition::Subject;
use crate::instant::Timestamp;
use crate::limit::{Dimension, Limit};
use crate::window::places::Windows;
use crate::window::series::Series;

/// The windows that one withdrawal counts towards.
#[derive(Default)]
pub(crate) struct Standing<'a> {
    /// In order of dimension.
    pub(super) windows: [Option<&'a Windows>; Dimension::ALL.len()],
    /// As it was counted, if it was.
    pub(super) own: Option<Subject<'a>>,
}

impl<'a> Standing<'a> {
    /// What the subject's key uses of the policy's limit with this index.
    pub(crate) fn of(&self, index: usize, limit: &Limit, subject: &Subject<'_>) -> Used<'a> {
        let windows = self.windows.get(limit.per as usize).copied().flatten();
        let series = windows.and_then(|windows| windows.of(index));
        let own = self
            .own
            .filter(|own| limit.applies(own) && limit.per.is_same(own, subject));
        Used {
            series,
            own: own.map(|own| (own.at, limit.weight(&own))),
        }
    }
}

/// What one key of one limit uses, the withdrawal in question left out.
pub(crate) struct Used<'a> {
    series: Option<&'a Series>,
    /// When and with what weight the withdrawal itself was counted.
    own: Option<(Timestamp, U256)>,
}

impl Used<'_> {
    /// The weight in the window that ends at `t`.
    pub(crate) fn within(&self, t: Timestamp) -> U256 {
        let Some(series) = self.series else {
            return U256::ZERO;
        };
        let own = self.own.filter(|(at, _)| series.counts(*at, t));
        let own = own.map(|(_, weight)| weight).unwrap_or_default();
        series.within(t).weight.saturating_sub(own)
    }

    /// The first instant, not before `t`, at which `asked` more is at most `max`.
    pub(crate) fn fits_at(&self, t: Timestamp, asked: U256, max: U256) -> Option<Timestamp> {
        match self.series {
            Some(series) => series.fits_at(t, asked, max, self.own),
            None => (asked <= max).then_some(t),
        }
    }
}
