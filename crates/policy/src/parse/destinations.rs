//! `[destinations]`.

use toml::Spanned;

use super::{Parser, syntax};
use crate::destinations::{
    DestinationTerms, LookAlike, MAX_COMPARED, MAX_PROBE_TIMES, MAX_PROBE_WINDOW_MS,
    MAX_SCREENING_MS, MIN_COMPARED, Probe, Screening,
};
use crate::duration::{SECOND_MS, Span};
use crate::error::{Place, PolicyError, PolicyFault};
use crate::facts::DestinationClass;

/// How long a screening may take where the policy does not say.
const DEFAULT_SCREENING_MS: u64 = 10 * SECOND_MS;

impl Parser<'_> {
    pub(super) fn destinations(
        &self,
        written: &syntax::Destinations,
    ) -> Result<DestinationTerms, PolicyError> {
        let left_out = DestinationTerms::default();
        Ok(DestinationTerms {
            cool_off_ms: self.duration(
                &Place::Destinations,
                "cool_off",
                written.cool_off.as_ref(),
                left_out.cool_off_ms,
            )?,
            look_alike: match &written.look_alike {
                Some(table) => self.look_alike(table)?,
                None => left_out.look_alike,
            },
            probe: match &written.probe {
                Some(table) => self.probe(table.get_ref())?,
                None => left_out.probe,
            },
            screening: match &written.screening {
                Some(table) => Some(self.screening(table.get_ref())?),
                None => None,
            },
        })
    }

    fn look_alike(&self, table: &Spanned<syntax::LookAlike>) -> Result<LookAlike, PolicyError> {
        let left_out = LookAlike::default();
        let count = |written: Option<u64>, left_out: u8| match written {
            None => Some(left_out),
            Some(count) => u8::try_from(count).ok().filter(|c| *c <= MAX_COMPARED),
        };
        let written = table.get_ref();
        let read =
            count(written.prefix, left_out.prefix).zip(count(written.suffix, left_out.suffix));
        read.filter(|(prefix, suffix)| prefix.saturating_add(*suffix) >= MIN_COMPARED)
            .map(|(prefix, suffix)| LookAlike { prefix, suffix })
            .ok_or_else(|| {
                self.refused(
                    table,
                    PolicyFault::LookAlike {
                        least: MIN_COMPARED,
                        most: MAX_COMPARED,
                    },
                )
            })
    }

    fn probe(&self, written: &syntax::Probe) -> Result<Probe, PolicyError> {
        let left_out = Probe::default();
        let window_ms = self.bounded(
            "probe.window",
            written.window.as_ref(),
            left_out.window_ms,
            MAX_PROBE_WINDOW_MS,
        )?;
        let times = match &written.times {
            None => left_out.times,
            Some(times) if (2..=MAX_PROBE_TIMES).contains(times.get_ref()) => *times.get_ref(),
            Some(times) => {
                let most = MAX_PROBE_TIMES;
                return Err(self.refused(times, PolicyFault::ProbeTimes { most }));
            }
        };
        Ok(Probe { window_ms, times })
    }

    fn screening(&self, written: &syntax::Screening) -> Result<Screening, PolicyError> {
        let classes = &written.required_for;
        let required_for: std::collections::BTreeSet<_> =
            classes.get_ref().iter().copied().collect();
        // What is blocked is denied before anybody could be asked.
        if required_for.is_empty() || required_for.contains(&DestinationClass::Blocked) {
            return Err(self.refused(classes, PolicyFault::ScreeningClasses));
        }
        let deadline_ms = self.bounded(
            "screening.deadline",
            written.deadline.as_ref(),
            DEFAULT_SCREENING_MS,
            MAX_SCREENING_MS,
        )?;
        Ok(Screening {
            required_for,
            deadline_ms,
        })
    }

    /// A duration of `[destinations]` that is not above `most` milliseconds.
    fn bounded(
        &self,
        key: &'static str,
        written: Option<&Spanned<String>>,
        left_out: u64,
        most: u64,
    ) -> Result<u64, PolicyError> {
        let found = self.duration(&Place::Destinations, key, written, left_out)?;
        match written {
            Some(text) if found > most => {
                let most = Span(most);
                Err(self.refused(text, PolicyFault::DestinationsTooLong { key, most }))
            }
            _ => Ok(found),
        }
    }
}
