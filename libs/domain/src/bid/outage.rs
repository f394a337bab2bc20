//! What an outage does to a tender's deadline, and the same made again by whoever checks it: holders,
//! the verifier. Only ever later, once for each outage, and for all bidders alike.

use sunbid_contracts::bid::v1::{
    BidSubmitted, BidWithdrawn, BiddingClosed, DeadlineMovedByOutage, Outage, OutageRecorded,
};
use sunbid_contracts::common::v1::{LogHead, Verdict};
use sunbid_rules::{
    Engine, Scope,
    facts::{Maintenance, OutageFacts},
};
use sunbid_terms::{Instant, MICROS};

use super::{TenderBox, fault, intake::SILENCE_SECONDS};
use crate::{Aggregate, Refusal, Unreadable, opening::bid_log::LoggedEvent, verdicts};

/// The outage and the deadline as the rules are asked.
fn facts(outage: &Outage, deadline: Instant, moved_before: u32) -> OutageFacts {
    let at = Instant::from_micros;
    OutageFacts {
        from: at(outage.from_us),
        until: at(outage.until_us),
        maintenance: outage.maintenance.as_ref().map(|announced| Maintenance {
            announced_at: at(announced.announce_time_us),
            from: at(announced.from_us),
            until: at(announced.until_us),
        }),
        deadline,
        moved_before,
        new_deadline: None,
    }
}

fn due(engine: &Engine, scope: &Scope, facts: &OutageFacts) -> Result<Instant, Refusal> {
    let said = engine.deadline_after_outage(scope, facts);
    said.map(|extension| extension.deadline).ok_or_else(|| {
        Refusal::state(
            "NO_OUTAGE_RULE",
            "规则表中没有停机顺延规则。",
            "The rule table has no rule on outages.",
        )
    })
}

/// The move that an outage brings to an open box, with what the rules say of it; nothing where the
/// deadline stays. What is held, closed or ended does not move, and no outage moves a deadline twice.
pub fn extension(
    tender_box: &TenderBox,
    outage: &Outage,
    intake_head: LogHead,
    engine: &Engine,
) -> Result<Option<(DeadlineMovedByOutage, Vec<Verdict>)>, Refusal> {
    let open = !tender_box.tender.is_empty()
        && !tender_box.ended
        && !tender_box.closed
        && !tender_box.held;
    if !open || outage.seq <= tender_box.last_outage {
        return Ok(None);
    }
    let scope = fault::scope(tender_box, Instant::from_micros(outage.until_us))?;
    let mut facts = facts(outage, tender_box.deadline(), tender_box.moved_by_outages);
    let new = due(engine, &scope, &facts)?;
    if new <= tender_box.deadline() {
        return Ok(None);
    }
    facts.new_deadline = Some(new);
    let said = verdicts::allowed(&engine.check(&scope, &facts))?;
    Ok(Some((
        DeadlineMovedByOutage {
            old_deadline_us: tender_box.deadline_us,
            new_deadline_us: new.micros(),
            outage: Some(outage.clone()),
            intake_head: Some(intake_head),
        },
        said,
    )))
}

/// The verdicts of a move that stands in a log, if it is the very one that the rules lead to from the
/// box as it stood before, at the time of its record.
pub fn recheck(
    tender_box: &TenderBox,
    moved: &DeadlineMovedByOutage,
    at: Instant,
    engine: &Engine,
) -> Result<Vec<Verdict>, String> {
    let outage = moved.outage.clone().unwrap_or_default();
    if at.micros() < outage.until_us {
        return Err("the deadline was moved for an outage before it was over".to_owned());
    }
    let head = moved.intake_head.clone().unwrap_or_default();
    match extension(tender_box, &outage, head, engine) {
        Ok(Some((again, said))) if again == *moved => Ok(said),
        Ok(Some((again, _))) => Err(format!(
            "the outage moves the deadline to {}, not to {}",
            Instant::from_micros(again.new_deadline_us),
            Instant::from_micros(moved.new_deadline_us)
        )),
        Ok(None) => Err("the outage moves no deadline here".to_owned()),
        Err(_) => Err("the rules do not allow this move".to_owned()),
    }
}

/// The outages of an intake log, in its order; each must name its own place.
pub fn recorded(intake: &[LoggedEvent]) -> Result<Vec<Outage>, Unreadable> {
    let mut outages: Vec<Outage> = Vec::new();
    for logged in intake {
        let Some(event) = logged.event.read::<OutageRecorded>()? else {
            continue;
        };
        let outage = event.outage.unwrap_or_default();
        let follows = outages.last().is_none_or(|before| before.seq < outage.seq);
        let placed = u64::try_from(outage.seq) == Ok(logged.seq)
            && outage.from_us < outage.until_us
            && outage.until_us <= logged.at.micros();
        if !placed || !follows {
            return Err(Unreadable::Impossible {
                name: logged.event.name.clone(),
                reason: "an outage is not where or when it says".to_owned(),
            });
        }
        outages.push(outage);
    }
    Ok(outages)
}

/// Whether a bidder's record says that bids were taken while the platform says that none could be. A
/// last proof holds for a moment, in which bids may be taken without another.
pub fn contradicts(outage: &Outage, record: Instant) -> bool {
    let dark = outage.from_us.saturating_add(SILENCE_SECONDS * MICROS);
    record.micros() > dark && record.micros() < outage.until_us
}

/// The first outage that a closing's deadline fell into and that should have moved it: no bidder could
/// have submitted then. `moved` is how often outages moved the deadline before.
pub fn overlooked<'a>(
    tender_box: &TenderBox,
    outages: &'a [Outage],
    engine: &Engine,
) -> Option<&'a Outage> {
    outages.iter().find(|outage| {
        let within =
            outage.from_us < tender_box.deadline_us && tender_box.deadline_us <= outage.until_us;
        within
            && !matches!(
                extension(tender_box, outage, LogHead::default(), engine),
                Ok(None)
            )
    })
}

/// What a closed bid log and the intake log say of each other, for who has both whole: every move is
/// the one that its outage leads to, no bid was taken in an outage, and the deadline that bidding was
/// closed for did not pass in one.
pub fn agree(bids: &[LoggedEvent], outages: &[Outage], engine: &Engine) -> Result<(), String> {
    let mut tender_box = TenderBox::default();
    for LoggedEvent { seq, at, event } in bids {
        let wrong = |what: String| format!("record {seq}: {what}");
        let unreadable = |error: Unreadable| wrong(error.to_string());
        if event.is::<BidSubmitted>() || event.is::<BidWithdrawn>() {
            if let Some(outage) = outages.iter().find(|outage| contradicts(outage, *at)) {
                return Err(wrong(format!(
                    "a bid was taken in outage {}, when none could be",
                    outage.seq
                )));
            }
            continue;
        }
        if let Some(moved) = event.read::<DeadlineMovedByOutage>().map_err(unreadable)? {
            if !outages
                .iter()
                .any(|outage| moved.outage.as_ref() == Some(outage))
            {
                return Err(wrong("the intake log does not hold this outage".to_owned()));
            }
            recheck(&tender_box, &moved, *at, engine).map_err(wrong)?;
        }
        if event.is::<BiddingClosed>()
            && let Some(outage) = overlooked(&tender_box, outages, engine)
        {
            return Err(wrong(format!(
                "bidding was closed though its deadline passed in outage {}",
                outage.seq
            )));
        }
        tender_box.evolve(event, *at).map_err(unreadable)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Event;
    use proptest::prelude::*;
    use std::sync::LazyLock;
    use sunbid_contracts::bid::v1::BiddingOpened;
    use sunbid_contracts::common::v1::Track;
    use sunbid_contracts::tender::v1::{Tender, Timetable};

    fn engine() -> &'static Engine {
        static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new().unwrap());
        &ENGINE
    }

    fn at(text: &str) -> i64 {
        Instant::parse(&format!("{text}:00+08:00"))
            .unwrap()
            .micros()
    }

    fn open(deadline_us: i64) -> TenderBox {
        TenderBox {
            tender: "tenders/t".into(),
            track: Track::Engineering as i32,
            deadline_us,
            ..TenderBox::default()
        }
    }

    fn outage() -> Outage {
        Outage {
            seq: 1,
            from_us: at("2026-03-23T08:30"),
            until_us: at("2026-03-23T09:40"),
            ..Outage::default()
        }
    }

    fn moves(tender_box: &TenderBox) -> Option<DeadlineMovedByOutage> {
        let found = extension(tender_box, &outage(), LogHead::default(), engine()).unwrap();
        found.map(|(moved, said)| {
            assert!(said.iter().any(|verdict| verdict.rule_id == "T1"));
            moved
        })
    }

    #[test]
    fn an_open_box_moves_and_no_other() {
        let now = open(at("2026-03-23T09:00"));
        let moved = moves(&now).unwrap();
        assert_eq!(moved.new_deadline_us, at("2026-03-23T11:40"));
        assert_eq!(moves(&open(at("2026-03-23T08:30"))), None);
        let changed = |change: fn(&mut TenderBox)| {
            let mut other = now.clone();
            change(&mut other);
            moves(&other)
        };
        assert_eq!(changed(|b| b.held = true), None);
        assert_eq!(changed(|b| b.closed = true), None);
        assert_eq!(changed(|b| b.ended = true), None);
        assert_eq!(changed(|b| b.moved_by_outages = 10), None);
    }

    #[test]
    fn a_move_is_made_again_and_nothing_else_passes() {
        let tender_box = open(at("2026-03-23T09:00"));
        let moved = moves(&tender_box).unwrap();
        let recovery = Instant::from_micros(outage().until_us);
        assert!(recheck(&tender_box, &moved, recovery, engine()).is_ok());
        let early = recovery.plus_micros(-1);
        assert!(recheck(&tender_box, &moved, early, engine()).is_err());
        let changed = |change: fn(&mut DeadlineMovedByOutage)| {
            let mut other = moved.clone();
            change(&mut other);
            recheck(
                &tender_box,
                &other,
                recovery.plus_seconds(86_400 * 9),
                engine(),
            )
        };
        assert!(changed(|m| m.new_deadline_us += 60_000_000).is_err());
        assert!(changed(|m| m.old_deadline_us -= 1).is_err());
        assert!(changed(|m| m.outage = None).is_err());
        assert!(
            changed(|m| m.outage.as_mut().unwrap().until_us += 3_600_000_000).is_err(),
            "a longer outage does not lead to the same deadline"
        );
    }

    #[test]
    fn a_deadline_in_an_outage_is_not_overlooked() {
        let within = open(at("2026-03-23T09:00"));
        let all = [outage()];
        assert!(overlooked(&within, &all, engine()).is_some());
        for deadline in ["2026-03-23T08:30", "2026-03-23T11:40", "2026-03-24T09:00"] {
            assert!(overlooked(&open(at(deadline)), &all, engine()).is_none());
        }
    }

    #[test]
    fn bids_taken_in_an_outage_contradict_it() {
        let outage = outage();
        let from = Instant::from_micros(outage.from_us);
        assert!(!contradicts(&outage, from));
        assert!(!contradicts(&outage, from.plus_seconds(SILENCE_SECONDS)));
        assert!(contradicts(&outage, from.plus_seconds(SILENCE_SECONDS + 1)));
        assert!(!contradicts(&outage, Instant::from_micros(outage.until_us)));
    }

    #[test]
    fn a_bid_log_and_the_intake_log_agree() {
        let deadline = at("2026-03-23T09:00");
        let opened = BiddingOpened {
            tender: Some(Tender {
                name: "tenders/t".into(),
                track: Track::Engineering as i32,
                timetable: Some(Timetable {
                    bid_deadline_us: deadline,
                    ..Timetable::default()
                }),
                ..Tender::default()
            }),
            ..BiddingOpened::default()
        };
        let moved = moves(&open(deadline)).unwrap();
        let log = |events: &[(&str, Event)]| -> Vec<LoggedEvent> {
            let events = events.iter().zip(0_u64..);
            let logged = |((when, event), seq): (&(&str, Event), u64)| LoggedEvent {
                seq,
                at: Instant::from_micros(at(when)),
                event: event.clone(),
            };
            events.map(logged).collect()
        };
        let closed = |deadline_us| {
            Event::of(&BiddingClosed {
                deadline_us,
                ..BiddingClosed::default()
            })
        };
        let submitted = || Event::of(&BidSubmitted::default());
        let first = ("2026-03-01T09:00", Event::of(&opened));
        let told = |events: &[(&str, Event)], outages: &[Outage]| {
            agree(&log(events), outages, engine())
                .err()
                .unwrap_or_default()
        };
        let good = [
            first.clone(),
            ("2026-03-23T08:29", submitted()),
            ("2026-03-23T09:40", Event::of(&moved)),
            ("2026-03-23T10:00", submitted()),
            ("2026-03-23T11:40", closed(moved.new_deadline_us)),
        ];
        assert_eq!(told(&good, &[outage()]), "");
        // The move is of an outage that nobody else was told of, or of a longer one.
        assert!(told(&good, &[]).contains("does not hold"));
        let mut longer = outage();
        longer.until_us += 60_000_000;
        assert!(told(&good, &[longer]).contains("does not hold"));
        // The same outage moves once.
        let mut twice = good[..3].to_vec();
        let again = DeadlineMovedByOutage {
            old_deadline_us: moved.new_deadline_us,
            new_deadline_us: at("2026-03-23T13:40"),
            ..moved.clone()
        };
        twice.push(("2026-03-23T09:41", Event::of(&again)));
        assert!(told(&twice, &[outage()]).contains("moves no deadline"));
        // A bid within it; a closing for a deadline within it.
        let mut taken = good.to_vec();
        taken[1].0 = "2026-03-23T08:45";
        assert!(told(&taken, &[outage()]).contains("a bid was taken"));
        let overlooked = [first, ("2026-03-23T09:41", closed(deadline))];
        assert!(told(&overlooked, &[outage()]).contains("passed in outage"));
        assert_eq!(told(&overlooked, &[]), "");
    }

    proptest! {
        #[test]
        fn repeated_outages_only_ever_move_later(
            steps in proptest::collection::vec((0_i64..40 * 3600, 1_i64..6 * 3600), 1..14),
            start in 0_i64..900 * 86_400,
        ) {
            let mut tender_box = open(at("2024-01-02T09:00") + start * MICROS);
            let mut until = tender_box.deadline_us - 8 * 3600 * MICROS;
            for ((wait, length), seq) in steps.into_iter().zip(1_i64..) {
                let outage = Outage {
                    seq,
                    from_us: until + wait * MICROS,
                    until_us: until + (wait + length) * MICROS,
                    ..Outage::default()
                };
                until = outage.until_us;
                let before = tender_box.clone();
                let found = extension(&before, &outage, LogHead::default(), engine()).unwrap();
                if let Some((moved, _)) = found {
                    prop_assert!(moved.new_deadline_us > before.deadline_us);
                    let when = Instant::from_micros(until);
                    prop_assert!(recheck(&before, &moved, when, engine()).is_ok());
                    tender_box.evolve(&Event::of(&moved), when).unwrap();
                    // The same outage again has no effect.
                    let again = extension(&tender_box, &outage, LogHead::default(), engine());
                    prop_assert_eq!(again.unwrap(), None);
                }
            }
            prop_assert!(tender_box.moved_by_outages <= 10);
        }
    }
}
