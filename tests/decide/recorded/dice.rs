//! Schedules by chance that are the same for ever: a generator of our own, so that neither a newer proptest nor a change of its
//! strategies moves what was recorded.

use database_migration_operator::api::StepKind;

use crate::STEPS;
use crate::schedule::{Op, Setup};

/// SplitMix64.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// From 0 on, below `end`.
    pub fn below(&mut self, end: u8) -> u8 {
        u8::try_from(self.next() % u64::from(end)).unwrap()
    }

    fn from(&mut self, start: u8, end: u8) -> u8 {
        start + self.below(end - start)
    }

    fn index(&mut self, end: u8) -> usize {
        usize::from(self.below(end))
    }

    /// Once in so many times.
    fn once_in(&mut self, times: u8) -> bool {
        self.below(times) == 0
    }

    pub fn setup(&mut self) -> Setup {
        let fates = (0..self.below(3))
            .map(|_| (self.index(4), self.index(3), self.below(5)))
            .collect();
        let tests = if self.once_in(3) { self.below(3) } else { 0 };
        Setup {
            parallelism: u32::from(self.from(1, 4)),
            depends: self.once_in(2),
            fates,
            revert: self.once_in(2),
            restore: self.once_in(2).then(|| self.below(6)),
            tests: (0..tests)
                .map(|_| (self.below(5), u32::from(self.from(1, 4)), self.below(4)))
                .collect(),
            denied: self.once_in(4).then(|| self.index(4)),
            watch: self.once_in(4),
            points: self.below(3),
            forbidden: self.once_in(4),
            unknown_tables: self.once_in(6),
            downs_fail: self.once_in(4),
            room: if self.once_in(4) {
                u32::from(self.from(1, 4))
            } else {
                0
            },
        }
    }

    /// Watches, timers, faults and people, in any order.
    pub fn fault(&mut self) -> Op {
        let resource = self.index(2);
        match self.below(59) {
            0..12 => Op::Pass {
                resource,
                get: self.once_in(2),
                ticks: self.below(3),
                crash: None,
            },
            12..15 => self.crash(resource),
            15..23 => Op::Tick(self.from(1, 8)),
            23..31 => Op::Sync,
            31 => Op::Image(resource, self.from(1, 4)),
            32 => Op::Retry(resource),
            33 => Op::Suspend(resource, self.once_in(2)),
            34 => Op::Readable(self.below(3), self.once_in(2)),
            35 => Op::Push(self.from(1, 4)),
            36 => Op::Delete(resource),
            37 => Op::DropDatabase(resource, self.once_in(2)),
            38 => Op::Kill(self.below(8), self.once_in(2)),
            39 => Op::Vanish(self.below(8)),
            40 => Op::Stranger(self.below(3), self.from(1, 30)),
            41 => Op::Resolve(self.index(4)),
            42 => Op::Restart,
            43..46 => self.act(resource),
            46..49 => Op::Choose(resource, self.below(4)),
            49 => Op::Look(resource),
            50 => Op::Withdraw(self.below(4)),
            51 => Op::Mend(self.index(4)),
            52 => Op::MendTests,
            53 => Op::Interval,
            54 => Op::Grant,
            55 => Op::Refuse(self.refused()),
            _ => Op::Go(self.from(1, 6)),
        }
    }

    /// People at a world that mostly goes its way.
    pub fn human(&mut self) -> Op {
        // Mostly the first.
        let resource = usize::from(self.once_in(4));
        match self.below(24) {
            0..9 => Op::Go(self.from(1, 20)),
            9..12 => self.crash(resource),
            12..16 => Op::Choose(resource, self.below(4)),
            16..21 => self.act(resource),
            21 => Op::Sync,
            _ => self.fault(),
        }
    }

    fn act(&mut self, resource: usize) -> Op {
        Op::Act(resource, self.below(8), self.below(16))
    }

    fn crash(&mut self, resource: usize) -> Op {
        Op::Pass {
            resource,
            get: self.once_in(2),
            ticks: 0,
            crash: Some((self.below(6), self.once_in(2))),
        }
    }

    fn refused(&mut self) -> Option<StepKind> {
        // One more than there are: none.
        STEPS.get(self.index(7)).copied()
    }
}
