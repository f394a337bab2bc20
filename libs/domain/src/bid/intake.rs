//! When bids could be taken: the fold of the intake log, and how a gap between two proofs is judged.
//! Pure. A clock that was set is no outage and hides none: length is told by a steady clock where there
//! is one; the civil clock only says where the outage lies.

use sunbid_contracts::bid::v1::{
    AnnounceMaintenanceRequest, IntakeBegan, Maintenance, MaintenanceAnnounced, Outage,
    OutageRecorded,
};
use sunbid_terms::{Instant, MICROS};

use crate::{Aggregate, Event, Refusal, Unreadable, refusal::FieldCheck};

/// What the intake log is about, at the bid service.
pub const SCOPE: &str = "intake";
/// Its one stream.
pub const STREAM: &str = "intake";

/// How long a proof that bids can be taken holds. Within it a bid may still be taken without another;
/// at most as long as the shortest outage that counts (rule T1).
pub const SILENCE_SECONDS: i64 = 30;

/// Announced maintenance lasts so long at most, seconds: ten days.
const LONGEST_MAINTENANCE: i64 = 10 * 86_400;
/// Maintenance remembered: what is over does not matter any more.
const REMEMBERED: usize = 100;

/// The intake log, folded.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Intake {
    #[prost(bool, tag = "1")]
    pub began: bool,
    #[prost(message, optional, tag = "2")]
    pub last: Option<Outage>,
    /// The newest last.
    #[prost(message, repeated, tag = "3")]
    pub maintenance: Vec<Maintenance>,
}

impl Aggregate for Intake {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        let impossible = |reason: &str| Unreadable::Impossible {
            name: event.name.clone(),
            reason: reason.to_owned(),
        };
        if event.is::<IntakeBegan>() {
            if self.began {
                return Err(impossible("intake began before"));
            }
            self.began = true;
            return Ok(());
        }
        if !self.began {
            return Err(impossible("intake has not begun"));
        }
        if let Some(recorded) = event.read::<OutageRecorded>()? {
            let outage = recorded
                .outage
                .ok_or_else(|| impossible("it holds no outage"))?;
            if outage.from_us >= outage.until_us {
                return Err(impossible("it ends before it begins"));
            }
            self.last = Some(outage);
        } else if let Some(announced) = event.read::<MaintenanceAnnounced>()? {
            if self.maintenance.len() >= REMEMBERED {
                self.maintenance.remove(0);
            }
            self.maintenance.extend(announced.maintenance);
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        Ok(())
    }
}

impl Intake {
    /// The announced maintenance that an outage lies in.
    fn around(&self, from_us: i64, until_us: i64) -> Option<Maintenance> {
        let covers = |m: &&Maintenance| m.from_us <= from_us && m.until_us >= until_us;
        // The one that was announced first counts.
        self.maintenance.iter().find(covers).cloned()
    }
}

/// The last proof that bids could be taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Proof {
    pub at: Instant,
    /// The machine's start it was made under; empty where it has no steady clock.
    pub boot: String,
    /// The steady clock then, microseconds.
    pub steady_us: i64,
}

/// What is known at a proof that succeeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Now {
    pub at: Instant,
    pub boot: String,
    pub steady_us: i64,
    /// How long ago this very process had its last proof, by its own steady clock; none: it had none.
    pub own_us: Option<i64>,
}

/// A time without a proof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    pub from: Instant,
    pub until: Instant,
    pub steady_us: i64,
    pub clock_moved_us: i64,
}

/// The outage between two proofs, if there was one.
pub fn judge(last: &Proof, now: &Now) -> Option<Gap> {
    let silence = SILENCE_SECONDS * MICROS;
    let civil = now.at.micros().saturating_sub(last.at.micros());
    // Proven by this process not long ago: what the civil clock says beyond that was only set.
    if now.own_us.is_some_and(|own| own <= silence) {
        return None;
    }
    let same_machine = !last.boot.is_empty() && last.boot == now.boot;
    let steady = same_machine
        .then(|| now.steady_us.saturating_sub(last.steady_us))
        .filter(|steady| *steady >= 0);
    let length = steady.unwrap_or(civil);
    if length <= silence {
        return None;
    }
    let from = now.at.plus_micros(-length);
    Some(Gap {
        from,
        until: now.at,
        steady_us: steady.unwrap_or(0),
        clock_moved_us: civil.saturating_sub(length),
    })
}

/// The outage as it is recorded, in its place in the log.
pub fn record(intake: &Intake, gap: &Gap, failing: &str, seq: i64) -> OutageRecorded {
    let (from_us, until_us) = (gap.from.micros(), gap.until.micros());
    OutageRecorded {
        outage: Some(Outage {
            seq,
            from_us,
            until_us,
            steady_us: gap.steady_us,
            clock_moved_us: gap.clock_moved_us,
            failing: failing.to_owned(),
            maintenance: intake.around(from_us, until_us),
        }),
    }
}

/// Announces maintenance. Whether it was early enough is for the rule to say (T2).
pub fn announce(
    request: &AnnounceMaintenanceRequest,
    now: Instant,
    seq: i64,
) -> Result<MaintenanceAnnounced, Refusal> {
    let (from, until) = (request.from_us, request.until_us);
    let longest = LONGEST_MAINTENANCE * MICROS;
    let mut check = FieldCheck::new();
    check.require(
        from > now.micros(),
        "from_us",
        format!("维护开始时间须晚于现在（{now}）。"),
        format!("must be after the present moment, {now}."),
    );
    check.require(
        until > from && until.saturating_sub(from) <= longest,
        "until_us",
        "维护结束时间须晚于开始时间，且维护不超过十天。",
        "must be after the beginning, ten days later at most.",
    );
    check.text(&request.reason, 2000, "reason");
    check.finish()?;
    Ok(MaintenanceAnnounced {
        maintenance: Some(Maintenance {
            from_us: from,
            until_us: until,
            reason: request.reason.clone(),
            announce_time_us: now.micros(),
            seq,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = MICROS;

    fn proof(at: i64, boot: &str, steady: i64) -> Proof {
        Proof {
            at: Instant::from_seconds(at),
            boot: boot.into(),
            steady_us: steady * SECOND,
        }
    }

    fn now(at: i64, boot: &str, steady: i64, own: Option<i64>) -> Now {
        Now {
            at: Instant::from_seconds(at),
            boot: boot.into(),
            steady_us: steady * SECOND,
            own_us: own.map(|own| own * SECOND),
        }
    }

    fn gap(last: &Proof, now: &Now) -> Option<(i64, i64)> {
        judge(last, now).map(|gap| (gap.from.seconds(), gap.until.seconds()))
    }

    #[test]
    fn a_stopped_process_was_out_from_its_last_proof() {
        let last = proof(1_000, "a", 50);
        assert_eq!(
            gap(&last, &now(1_600, "a", 650, None)),
            Some((1_000, 1_600))
        );
        // Half a minute without a proof is none yet.
        assert_eq!(gap(&last, &now(1_030, "a", 80, None)), None);
        assert_eq!(gap(&last, &now(1_031, "a", 81, None)), Some((1_000, 1_031)));
        // After a restart of the machine only the civil clock can tell.
        assert_eq!(gap(&last, &now(1_600, "b", 5, None)), Some((1_000, 1_600)));
        // A process that hung is no better than one that was away.
        assert_eq!(
            gap(&last, &now(1_600, "a", 650, Some(600))),
            Some((1_000, 1_600))
        );
    }

    #[test]
    fn a_clock_that_was_set_is_no_outage() {
        let last = proof(1_000, "a", 50);
        // Three hours forward, one second after the last proof.
        assert_eq!(gap(&last, &now(11_801, "a", 51, Some(1))), None);
        assert_eq!(
            gap(&last, &now(11_801, "a", 51, None)),
            None,
            "a quick restart"
        );
        assert_eq!(
            gap(&last, &now(11_801, "", 0, Some(1))),
            None,
            "no steady clock"
        );
        // Another machine's process has been proving it all the time.
        assert_eq!(gap(&last, &now(11_801, "b", 9, Some(1))), None);
    }

    #[test]
    fn a_clock_that_was_set_hides_no_outage() {
        let last = proof(10_000, "a", 50);
        // Down for ten minutes, and the clock set back by an hour meanwhile.
        let back = now(7_000, "a", 650, None);
        assert_eq!(gap(&last, &back), Some((6_400, 7_000)));
        assert_eq!(judge(&last, &back).unwrap().clock_moved_us, -3_600 * SECOND);
        // The clock set forward by an hour while it was down: only the ten minutes count.
        let forward = now(14_200, "a", 650, None);
        assert_eq!(gap(&last, &forward), Some((13_600, 14_200)));
        // A hang, with the clock set to look as if nothing had been.
        assert_eq!(
            gap(&last, &now(10_001, "a", 650, Some(600))),
            Some((9_401, 10_001))
        );
    }

    #[test]
    fn maintenance_is_found_by_the_outage_in_it() {
        let mut intake = Intake::default();
        let at = Instant::from_seconds(1);
        intake
            .evolve(
                &Event::of(&IntakeBegan {
                    silence_seconds: 30,
                }),
                at,
            )
            .unwrap();
        let request = AnnounceMaintenanceRequest {
            from_us: 100 * SECOND,
            until_us: 200 * SECOND,
            reason: "升级".into(),
            ..AnnounceMaintenanceRequest::default()
        };
        let announced = announce(&request, at, 1).unwrap();
        intake.evolve(&Event::of(&announced), at).unwrap();
        let of = |from, until| {
            let gap = Gap {
                from: Instant::from_seconds(from),
                until: Instant::from_seconds(until),
                steady_us: 0,
                clock_moved_us: 0,
            };
            record(&intake, &gap, "", 2).outage.unwrap().maintenance
        };
        assert_eq!(of(100, 200), announced.maintenance);
        assert_eq!(of(99, 200), None);
        assert_eq!(of(100, 201), None);
        for (from_us, until_us) in [(0, 5 * SECOND), (100, 100), (100, i64::MAX)] {
            let request = AnnounceMaintenanceRequest {
                from_us,
                until_us,
                ..request.clone()
            };
            assert!(announce(&request, at, 1).is_err());
        }
        assert!(
            Intake::default()
                .evolve(&Event::of(&announced), at)
                .is_err()
        );
    }
}
