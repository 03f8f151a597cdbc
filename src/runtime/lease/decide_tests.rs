//! Each decision once, and then: however clocks, delays and crashes fall, two never lead at once.

use proptest::prelude::*;
use rstest::rstest;

use super::*;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn held(holder: Option<&str>, version: &str) -> LeaseRecord {
    LeaseRecord {
        holder: holder.map(str::to_owned),
        duration: Some(secs(15)),
        resource_version: version.to_owned(),
    }
}

fn present(holder: Option<&str>) -> Observed {
    Observed::Present(held(holder, "1"))
}

#[rstest]
#[case::nothing_there(Observed::Absent, 0, None, LeaseDecision::Create)]
#[case::deleted_under_its_holder(Observed::Vanished, 14, None, LeaseDecision::Wait(secs(1)))]
#[case::deleted_long_ago(Observed::Vanished, 15, None, LeaseDecision::Create)]
#[case::released(present(None), 0, None, LeaseDecision::TakeOver)]
#[case::another_just_seen(present(Some("b")), 0, None, LeaseDecision::Wait(secs(15)))]
#[case::another_almost_expired(present(Some("b")), 14, None, LeaseDecision::Wait(secs(1)))]
#[case::another_expired(present(Some("b")), 15, None, LeaseDecision::TakeOver)]
#[case::ours_without_knowing(present(Some("a")), 0, None, LeaseDecision::Renew)]
#[case::ours_fresh(present(Some("a")), 2, Some(2), LeaseDecision::Wait(secs(3)))]
#[case::ours_due(present(Some("a")), 5, Some(5), LeaseDecision::Renew)]
#[case::ours_late(present(Some("a")), 9, Some(9), LeaseDecision::Renew)]
#[case::ours_too_late(present(Some("a")), 10, Some(10), LeaseDecision::Lost)]
#[case::taken_from_us(present(Some("b")), 0, Some(1), LeaseDecision::Lost)]
#[case::released_for_us(present(None), 0, Some(1), LeaseDecision::Lost)]
#[case::deleted_under_us(Observed::Vanished, 0, Some(1), LeaseDecision::Lost)]
#[case::absent_under_us(Observed::Absent, 0, Some(1), LeaseDecision::Lost)]
fn decides(
    #[case] observed: Observed,
    #[case] seen_ago: u64,
    #[case] renewed_ago: Option<u64>,
    #[case] expected: LeaseDecision,
) {
    let now = secs(1_000);
    let seen = Sighting {
        observed,
        since: now - secs(seen_ago),
    };
    let led = renewed_ago.map(|ago| now - secs(ago));
    assert_eq!(
        decide_lease(now, &seen, led, "a", &Settings::default()),
        expected
    );
}

#[test]
fn the_holder_says_how_long_to_wait() {
    for (said, expected) in [(Some(60), 50), (None, 5)] {
        let record = LeaseRecord {
            duration: said.map(secs),
            ..held(Some("b"), "1")
        };
        let seen = Sighting {
            observed: Observed::Present(record),
            since: secs(0),
        };
        let decision = decide_lease(secs(10), &seen, None, "a", &Settings::default());
        assert_eq!(decision, LeaseDecision::Wait(secs(expected)));
    }
}

#[test]
fn only_a_change_of_version_starts_the_wait_again() {
    let first = Sighting::next(None, secs(1), Some(held(Some("b"), "1")));
    let again = Sighting::next(Some(first.clone()), secs(9), Some(held(Some("b"), "1")));
    assert_eq!(again, first);
    assert_eq!(
        Sighting::next(Some(again), secs(9), Some(held(Some("b"), "2"))).since,
        secs(9)
    );
}

#[test]
fn a_lease_that_vanished_under_its_holder_is_told_from_one_that_never_was() {
    let vanished = Sighting::next(
        Some(Sighting::next(None, secs(1), Some(held(Some("b"), "1")))),
        secs(2),
        None,
    );
    assert_eq!(
        vanished,
        Sighting {
            observed: Observed::Vanished,
            since: secs(2)
        }
    );
    assert_eq!(
        Sighting::next(Some(vanished.clone()), secs(3), None),
        vanished
    );
    assert_eq!(
        Sighting::next(None, secs(1), None).observed,
        Observed::Absent
    );
    let released = Sighting::next(None, secs(1), Some(held(None, "1")));
    assert_eq!(
        Sighting::next(Some(released), secs(2), None).observed,
        Observed::Absent
    );
}

/// One candidate of the model. Its clock is ahead of the model's by `offset`.
#[derive(Debug, Default)]
struct Candidate {
    name: String,
    offset: Duration,
    seen: Option<Sighting>,
    led_since: Option<Duration>,
    /// A write under way: when it was begun, the version it is against, and when it reaches the server.
    sent: Option<(Duration, Option<u64>, Duration)>,
    crashes: u64,
}

/// The Lease on the server: its version and holder.
type Server = Option<(u64, Option<String>)>;

#[derive(Clone, Debug)]
struct Turn {
    who: usize,
    /// What happens to the candidate in this half second.
    event: Event,
}

#[derive(Clone, Debug)]
enum Event {
    Work,
    /// Its write takes this many half seconds to arrive.
    Slow(u64),
    /// Reads what is there.
    Read,
    Crash,
    Release,
}

fn turns() -> impl Strategy<Value = Vec<Turn>> {
    let event = prop_oneof![
        20 => Just(Event::Work),
        4 => (1..60_u64).prop_map(Event::Slow),
        20 => Just(Event::Read),
        1 => Just(Event::Crash),
        1 => Just(Event::Release),
    ];
    proptest::collection::vec(
        (0..3_usize, event).prop_map(|(who, event)| Turn { who, event }),
        1..600,
    )
}

impl Candidate {
    fn clock(&self, time: Duration) -> Duration {
        time + self.offset
    }

    fn leads(&self, time: Duration, settings: &Settings) -> bool {
        self.led_since
            .is_some_and(|since| self.clock(time) - since < settings.renew_deadline)
    }

    /// A new process: nothing known, another identity.
    fn crash(&mut self) {
        let crashes = self.crashes + 1;
        let name = format!("{}'", self.name);
        *self = Self {
            name,
            crashes,
            offset: self.offset,
            ..Self::default()
        };
    }

    fn read(&mut self, time: Duration, server: &Server) {
        let record = server
            .as_ref()
            .map(|(version, holder)| held(holder.as_deref(), &version.to_string()));
        self.seen = Some(Sighting::next(self.seen.take(), self.clock(time), record));
    }

    fn act(&mut self, time: Duration, delay: Duration, settings: &Settings) {
        let now = self.clock(time);
        let Some(seen) = &self.seen else { return };
        if self.sent.is_some() {
            return;
        }
        let version = match &seen.observed {
            Observed::Present(record) => record.resource_version.parse().ok(),
            Observed::Absent | Observed::Vanished => None,
        };
        match decide_lease(now, seen, self.led_since, &self.name, settings) {
            LeaseDecision::Create | LeaseDecision::Renew | LeaseDecision::TakeOver => {
                self.sent = Some((now, version, time + delay));
            }
            LeaseDecision::Wait(_) => {}
            LeaseDecision::Lost => self.crash(),
        }
    }

    /// What is under way reaches the server, which answers at once.
    fn arrive(&mut self, time: Duration, server: &mut Server, versions: &mut u64) {
        let Some((begun, against, arrives)) = self.sent else {
            return;
        };
        if arrives > time {
            return;
        }
        self.sent = None;
        if server.as_ref().map(|(version, _)| *version) == against {
            *versions += 1;
            *server = Some((*versions, Some(self.name.clone())));
            self.led_since = Some(begun);
        }
        self.read(time, server);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn two_never_lead_at_once(turns in turns(), offsets in proptest::array::uniform3(0..1_000_000_u64)) {
        let settings = Settings::default();
        let mut server: Server = None;
        let mut versions = 0;
        let mut candidates: Vec<Candidate> = offsets
            .iter()
            .zip(["a", "b", "c"])
            .map(|(offset, name)| Candidate { name: name.to_owned(), offset: secs(*offset), ..Candidate::default() })
            .collect();
        for (step, turn) in (0_u32..).zip(turns) {
            let time = Duration::from_millis(500) * step;
            for candidate in &mut candidates {
                candidate.arrive(time, &mut server, &mut versions);
            }
            let candidate = &mut candidates[turn.who];
            match turn.event {
                Event::Work => candidate.act(time, Duration::ZERO, &settings),
                Event::Slow(halves) => candidate.act(time, Duration::from_millis(500) * u32::try_from(halves).unwrap_or(1), &settings),
                Event::Read => candidate.read(time, &server),
                Event::Crash => candidate.crash(),
                Event::Release => {
                    let ours = |(_, holder): &(u64, Option<String>)| holder.as_deref() == Some(candidate.name.as_str());
                    if candidate.led_since.is_some() && server.as_ref().is_some_and(ours) {
                        versions += 1;
                        server = Some((versions, None));
                    }
                    if candidate.led_since.is_some() {
                        candidate.crash();
                    }
                }
            }
            let leaders: Vec<_> = candidates.iter().filter(|candidate| candidate.leads(time, &settings)).collect();
            prop_assert!(leaders.len() < 2, "at {time:?}: {leaders:#?}");
        }
    }
}
