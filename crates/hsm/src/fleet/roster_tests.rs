//! A fleet's decisions, played through without threads and clocks: requests, answers and time come in any order.

use proptest::prelude::*;

use super::super::course::{Course, Next};
use super::*;
use crate::request::Response;

const NAMES: [&str; 3] = ["a", "b", "c"];

fn roster(now: Instant) -> Roster {
    let names = NAMES.iter().map(ToString::to_string).collect();
    Roster::new(names, FleetSettings::default(), now)
}

fn key(number: u8) -> KeyId {
    KeyId::from_bytes([number; 16])
}

fn failure() -> HsmError {
    HsmError::Closed
}

fn take_out(roster: &mut Roster, at: usize, now: Instant) {
    roster.distrust(at, "for the test", now);
    assert!(matches!(roster.health(at), Some(Health::Out { .. })));
}

#[test]
fn work_is_spread_and_equals_take_turns() {
    let now = Instant::now();
    let mut roster = roster(now);
    let mut choose = || roster.choose(None, &[], Other::Any, now).unwrap();
    let first: Vec<usize> = (0..3).map(|_| choose()).collect();
    assert_eq!(first.iter().sum::<usize>(), 3, "each got one: {first:?}");
    let took = Duration::from_millis(1);
    roster.finish(1, Verdict::Answered, "", took, now);
    assert_eq!(roster.choose(None, &[], Other::Any, now), Some(1));
}

#[test]
fn a_token_that_comes_back_gets_one_request_at_a_time_until_three_were_good() {
    let now = Instant::now();
    let mut roster = roster(now);
    let (gone, took) = (2, Duration::from_millis(1));
    take_out(&mut roster, gone, now);
    for _ in 0..9 {
        assert_ne!(roster.choose(None, &[], Other::Any, now), Some(gone));
    }
    roster.probed(gone, Verdict::Answered, "", now);
    assert_eq!(roster.health(gone), Some(Health::Recovering));
    for _ in 0..3 {
        assert_eq!(roster.choose(None, &[], Other::Any, now), Some(gone));
        assert_ne!(roster.choose(None, &[], Other::Any, now), Some(gone));
        roster.finish(gone, Verdict::Answered, "", took, now);
    }
    assert_eq!(roster.health(gone), None);
}

#[test]
fn a_loaded_token_is_waited_for_and_a_silent_one_is_not() {
    let now = Instant::now();
    let mut roster = roster(now);
    let (limit, ms) = (Duration::from_secs(10), Duration::from_millis);
    for _ in 0..9 {
        roster.choose(None, &[], Other::Any, now);
    }
    // It answered another 200 ms ago.
    roster.finish(0, Verdict::Answered, "", ms(200), now + ms(200));
    // Usually 25 ms by now: four times that is less than 300 ms, which count from its last answer.
    assert_eq!(
        roster.overdue(0, now, limit, now + ms(400)),
        Overdue::Until(now + ms(500))
    );
    assert_eq!(
        roster.overdue(0, now, ms(600), now + ms(400)),
        Overdue::Hedge,
        "half of the request's own limit is over"
    );
    assert_eq!(roster.health(0), None, "which is not held against it");
    assert_eq!(roster.overdue(0, now, limit, now + ms(500)), Overdue::Hedge);
}

#[test]
fn silence_takes_a_token_out_and_patience_grows_with_what_it_usually_takes() {
    let now = Instant::now();
    let mut roster = roster(now);
    let (limit, ms) = (Duration::from_secs(10), Duration::from_millis);
    assert_eq!(roster.patience(0), ms(300));
    for _ in 0..3 {
        assert_eq!(roster.overdue(0, now, limit, now + ms(301)), Overdue::Hedge);
    }
    assert!(matches!(roster.health(0), Some(Health::Out { .. })));
    for _ in 0..40 {
        roster.finish(1, Verdict::Answered, "", ms(500), now);
    }
    let patience = roster.patience(1);
    assert!(patience > ms(1900) && patience <= ms(2000), "{patience:?}");
    // One that hung and came back late changes nothing.
    roster.finish(1, Verdict::Answered, "", ms(60_000), now);
    assert_eq!(roster.patience(1), patience);
}

#[test]
fn a_key_that_a_token_lacks_is_looked_for_elsewhere_for_a_while() {
    let now = Instant::now();
    let mut roster = roster(now);
    for at in [0, 1] {
        roster.missed(at, key(1), now);
    }
    for _ in 0..9 {
        assert_eq!(roster.choose(Some(&key(1)), &[], Other::Any, now), Some(2));
    }
    assert_eq!(
        (roster.lacking(0, now), roster.lacking(2, now)),
        (1, 0),
        "and it is told"
    );
    assert_ne!(roster.choose(Some(&key(2)), &[], Other::Any, now), Some(2));
    // All others tried: memory alone refuses nothing.
    assert!(
        roster
            .choose(Some(&key(1)), &[2], Other::Any, now)
            .is_some()
    );
    let later = now + FleetSettings::default().absent_for;
    assert_eq!(roster.lacking(0, later), 0);
}

#[test]
fn a_token_with_a_wrong_key_stays_out_until_it_shows_the_right_one() {
    let now = Instant::now();
    let mut roster = roster(now);
    let point = |byte| PublicPoint::from_checked([byte; 33]);
    roster.observe(0, key(1), point(1)).unwrap();
    let error = roster.observe(1, key(1), point(2)).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("\"a\"") && text.contains("\"b\""), "{text}");
    take_out(&mut roster, 1, now);
    for _ in 0..9 {
        roster.probed(1, Verdict::Answered, "", now);
    }
    assert!(matches!(roster.health(1), Some(Health::Out { .. })));
    assert_eq!(roster.disputed(1), Some(key(1)));
    roster.observe(1, key(1), point(1)).unwrap();
    roster.probed(1, Verdict::Answered, "", now);
    assert_eq!(roster.health(1), Some(Health::Recovering));
}

#[test]
fn a_barred_token_is_asked_nothing_any_more_and_the_last_one_is_not_barred() {
    let now = Instant::now();
    let mut roster = roster(now);
    assert!(!roster.bar("d", "nobody of this name"));
    assert!(roster.bar("a", "biased") && roster.bar("b", "biased too"));
    assert!(roster.bar("a", "still biased"), "it stays out");
    assert!(!roster.bar("c", "biased as well"), "the last one");
    // Good answers that it still owed bring it back as little as time does.
    for _ in 0..9 {
        roster.probed(0, Verdict::Answered, "", now);
    }
    let later = now + Duration::from_secs(3_600);
    assert_eq!(roster.probes(later), [2]);
    let reason = "still biased".to_owned();
    assert_eq!(roster.health(0), Some(Health::Out { reason }));
    // Not even when no other is left.
    take_out(&mut roster, 2, now);
    assert_eq!(roster.choose(None, &[], Other::Any, now), Some(2));
    assert_eq!(roster.choose(None, &[2], Other::Any, now), None);
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Event {
    Request,
    /// The n-th request in flight gets an answer like this.
    Answer(usize, Verdict),
    /// The n-th request in flight is looked at.
    Alarm(usize),
    Probe(usize, bool),
    Pass(u64),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let verdict = prop_oneof![
        4 => Just(Verdict::Answered),
        1 => Just(Verdict::Absent),
        1 => Just(Verdict::Busy),
        1 => Just(Verdict::Unable),
        4 => Just(Verdict::Failed),
        1 => Just(Verdict::Untrusted),
    ];
    let event = prop_oneof![
        4 => Just(Event::Request),
        6 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Event::Answer(which, verdict)),
        3 => any::<usize>().prop_map(Event::Alarm),
        2 => (0..NAMES.len(), any::<bool>()).prop_map(|(at, good)| Event::Probe(at, good)),
        2 => (1..2_000_u64).prop_map(Event::Pass),
    ];
    prop::collection::vec(event, 1..200)
}

/// The thin shell's part, without the shell: what `relay` does with a course and a roster.
struct Play {
    roster: Roster,
    now: Instant,
    courses: Vec<Course>,
    answers: Vec<usize>,
    /// Course, token, since when.
    flying: Vec<(usize, usize, Instant)>,
}

impl Play {
    fn ask(&mut self, course: usize, other: Other) {
        if self.courses[course].is_answered() {
            return;
        }
        let tried = self.courses[course].tried().to_vec();
        let up = |at: &usize| !matches!(self.roster.health(*at), Some(Health::Out { .. }));
        let untried_up = (0..NAMES.len())
            .filter(|at| !tried.contains(at))
            .any(|at| up(&at));
        match self.roster.choose(None, &tried, other, self.now) {
            Some(at) => {
                assert!(!tried.contains(&at), "no token is asked twice");
                let chosen_up = !matches!(self.roster.health(at), Some(Health::Out { .. }));
                assert!(chosen_up || !untried_up, "one is out while another is up");
                self.courses[course].asked(at);
                self.flying.push((course, at, self.now));
            }
            None => {
                if self.courses[course].exhausted().is_some() {
                    self.answers[course] += 1;
                }
            }
        }
    }

    fn answer(&mut self, which: usize, verdict: Verdict) {
        if self.flying.is_empty() {
            return;
        }
        let (course, at, began) = self.flying.swap_remove(which % self.flying.len());
        let took = self.now - began;
        self.roster.finish(at, verdict, "played", took, self.now);
        let answer = match verdict {
            Verdict::Answered => Ok(Response::Done),
            Verdict::Absent => Ok(Response::Found(None)),
            _ => Err(failure()),
        };
        match self.courses[course].heard(verdict, answer) {
            Next::Answer(_) => self.answers[course] += 1,
            Next::Another => self.ask(course, Other::Any),
            Next::Nothing => {}
        }
    }
}

proptest! {
    #[test]
    fn every_request_is_answered_once_and_nobody_who_is_out_is_asked_while_another_is_up(events in events()) {
        let now = Instant::now();
        let mut play = Play {
            roster: roster(now),
            now,
            courses: Vec::new(),
            answers: Vec::new(),
            flying: Vec::new(),
        };
        for event in events {
            match event {
                Event::Request => {
                    play.courses.push(Course::default());
                    play.answers.push(0);
                    play.ask(play.courses.len() - 1, Other::Any);
                }
                Event::Answer(which, verdict) => play.answer(which, verdict),
                Event::Alarm(which) if !play.flying.is_empty() => {
                    let (course, at, began) = play.flying[which % play.flying.len()];
                    let limit = Duration::from_secs(10);
                    if play.roster.overdue(at, began, limit, play.now) == Overdue::Hedge {
                        play.ask(course, Other::Up);
                    }
                }
                Event::Alarm(_) => {}
                Event::Probe(at, good) => {
                    let verdict = if good { Verdict::Answered } else { Verdict::Failed };
                    play.roster.probed(at, verdict, "played", play.now);
                }
                Event::Pass(ms) => play.now += Duration::from_millis(ms),
            }
        }
        while !play.flying.is_empty() {
            play.answer(0, Verdict::Failed);
        }
        prop_assert!(play.answers.iter().all(|answers| *answers == 1), "{:?}", play.answers);
        prop_assert!(play.roster.seats.iter().all(|seat| seat.in_flight == 0));
    }

    #[test]
    fn a_request_that_a_good_token_could_answer_is_never_failed(bad in 0..NAMES.len(), worse in 0..NAMES.len()) {
        let now = Instant::now();
        let mut roster = roster(now);
        let mut course = Course::default();
        loop {
            let at = roster.choose(None, course.tried(), Other::Any, now).unwrap();
            course.asked(at);
            if at != bad && at != worse {
                prop_assert!(matches!(course.heard(Verdict::Answered, Ok(Response::Done)), Next::Answer(Ok(_))));
                break;
            }
            prop_assert_eq!(course.heard(Verdict::Failed, Err(failure())), Next::Another);
        }
    }
}

#[test]
fn a_key_is_absent_only_if_every_token_said_so() {
    let absent = || Ok(Response::Found(None));
    let play = |answers: Vec<(Verdict, Result<Response, HsmError>)>| {
        let mut course = Course::default();
        (0..answers.len()).for_each(|at| course.asked(at));
        for (verdict, answer) in answers {
            assert_eq!(course.heard(verdict, answer), Next::Another);
        }
        course.exhausted().unwrap()
    };
    let all = vec![(Verdict::Absent, absent()), (Verdict::Absent, absent())];
    assert_eq!(play(all), absent());
    let one_failed = vec![
        (Verdict::Failed, Err(failure())),
        (Verdict::Absent, absent()),
    ];
    assert_eq!(play(one_failed), Err(failure()));
    let full = || HsmError::QueueFull { capacity: 1 };
    let busy = vec![
        (Verdict::Failed, Err(failure())),
        (Verdict::Busy, Err(full())),
    ];
    assert_eq!(play(busy), Err(full()), "it may be tried again");
}

#[test]
fn each_token_is_probed_by_one_request_at_a_time() {
    let now = Instant::now();
    let mut roster = roster(now);
    assert_eq!(roster.probes(now), [0; 0], "all have just answered");
    take_out(&mut roster, 1, now);
    let later = now + FleetSettings::default().probe;
    assert_eq!(roster.probes(later), [1]);
    let much_later = later + Duration::from_secs(60);
    assert_eq!(roster.probes(much_later), [0, 2], "1 still owes its answer");
}
