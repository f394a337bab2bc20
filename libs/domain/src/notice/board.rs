//! A tender's notice board: the notice, what was clarified since, and whether bids are still asked
//! for. Decides what may be published; the rules have the last word.

use prost::Message;
use sunbid_contracts::{
    common::v1::Verdict,
    notice::v1::{
        Clarification, ClarificationPublished, FollowUpPublished, Intent, Notice, NoticeKind,
        TenderNoticePublished,
    },
    tender::v1::{Tender, TenderState},
};
use sunbid_rules::Engine;
use sunbid_terms::{Instant, MICROS};

use crate::{Aggregate, Event, Refusal, Unreadable, refusal::FieldCheck, tender::draft, verdicts};

use super::{facts, text};

/// What is published about one tender.
#[derive(Clone, PartialEq, Message)]
pub struct Board {
    /// The tender as announced, with the deadline in force.
    #[prost(message, optional, tag = "1")]
    pub tender: Option<Tender>,
    /// Name of the tender notice.
    #[prost(string, tag = "2")]
    pub notice: String,
    #[prost(bool, tag = "3")]
    pub held: bool,
    /// Terminated, failed or opened: nothing is clarified any more.
    #[prost(bool, tag = "4")]
    pub ended: bool,
    #[prost(uint32, tag = "5")]
    pub clarifications: u32,
}

impl Aggregate for Board {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        let impossible = |reason: &str| Unreadable::Impossible {
            name: event.name.clone(),
            reason: reason.to_owned(),
        };
        if let Some(published) = event.read::<TenderNoticePublished>()? {
            if self.tender.is_some() {
                return Err(impossible("the tender is announced already"));
            }
            let notice = published
                .notice
                .ok_or_else(|| impossible("it holds no notice"))?;
            self.notice = notice.name;
            self.tender = notice.announced;
            return Ok(());
        }
        if self.tender.is_none() {
            return Err(impossible("the tender is not announced"));
        }
        if let Some(published) = event.read::<ClarificationPublished>()? {
            self.clarifications += 1;
            self.move_deadline(published.notice.map_or(0, |notice| notice.deadline_us));
        } else if let Some(published) = event.read::<FollowUpPublished>()? {
            let notice = published
                .notice
                .ok_or_else(|| impossible("it holds no notice"))?;
            match notice.kind() {
                NoticeKind::Suspension => self.held = true,
                NoticeKind::Resumption => {
                    self.held = false;
                    self.move_deadline(notice.deadline_us);
                }
                NoticeKind::Outage => self.move_deadline(notice.deadline_us),
                NoticeKind::Termination | NoticeKind::Failure | NoticeKind::OpeningRecord => {
                    self.held = false;
                    self.ended = true;
                }
                _ => return Err(impossible("no notice of this kind follows by itself")),
            }
        } else {
            return Err(Unreadable::UnknownEvent(event.name.clone()));
        }
        Ok(())
    }
}

impl Board {
    /// The deadline in force.
    pub fn deadline(&self) -> Instant {
        let timetable = self.tender.as_ref().and_then(|tender| tender.timetable);
        Instant::from_micros(timetable.unwrap_or_default().bid_deadline_us)
    }

    fn move_deadline(&mut self, deadline_us: i64) {
        let timetable = self
            .tender
            .as_mut()
            .and_then(|tender| tender.timetable.as_mut());
        if let Some(timetable) = timetable.filter(|_| deadline_us > 0) {
            timetable.bid_deadline_us = deadline_us;
        }
    }

    /// The tender, while bids are asked for.
    pub fn bidding(&self, now: Instant) -> Result<&Tender, Refusal> {
        let tender = self.tender.as_ref().ok_or(Refusal::Forbidden)?;
        if self.held {
            return Err(Refusal::state(
                "TENDER_SUSPENDED",
                "项目已被监督部门暂停。",
                "The tender is suspended by the supervisor.",
            ));
        }
        if self.ended || now >= self.deadline() {
            return Err(Refusal::state(
                "BIDDING_CLOSED",
                "投标已截止或项目已结束。",
                "Bidding has closed, or the tender has ended.",
            ));
        }
        Ok(tender)
    }
}

/// A notice about to be published, and what the rules say.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    pub notice: Notice,
    pub verdicts: Vec<Verdict>,
}

/// Announces a tender as the tender service showed it.
pub fn announce(
    board: &Board,
    tender: &Tender,
    intent: Option<&Intent>,
    name: &str,
    engine: &Engine,
    now: Instant,
) -> Result<Publication, Refusal> {
    if board.tender.is_some() {
        return Err(Refusal::state(
            "ALREADY_ANNOUNCED",
            "该项目的公告已发布。",
            "The tender's notice is published already.",
        ));
    }
    if let Some(hold) = &tender.hold {
        return Err(Refusal::state(
            "TENDER_SUSPENDED",
            format!("项目已被监督部门暂停：{}", hold.reason),
            format!("The tender is suspended by the supervisor: {}", hold.reason),
        ));
    }
    if tender.state() != TenderState::Ready {
        return Err(Refusal::state(
            "TENDER_NOT_READY",
            "投标加密公钥尚未就绪，完成密钥仪式后才能发布公告。",
            "The tender's key does not stand yet; its notice follows the key ceremony.",
        ));
    }
    let deadline = tender.timetable.unwrap_or_default().bid_deadline_us;
    if deadline <= now.micros() {
        return Err(Refusal::field(
            "tender.timetable.bid_deadline_us",
            "投标截止时间已过，请修改。",
            "has passed; change it.",
        ));
    }
    if let Some(intent) = intent.filter(|intent| intent.purchaser != tender.purchaser) {
        return Err(Refusal::field(
            "tender.intent",
            format!("{}不是本采购人的意向。", intent.name),
            format!("{} is another purchaser's intent.", intent.name),
        ));
    }
    let (scope, facts) = facts::tender_notice(tender, intent, now)?;
    let verdicts = verdicts::allowed(&engine.check(&scope, &facts))?;
    let mut announced = tender.clone();
    announced.set_state(TenderState::Announced);
    announced.announce_time_us = now.micros();
    let (title, body_zh, body_en) = text::tender(&announced);
    let notice = Notice {
        deadline_us: deadline,
        announced: Some(announced),
        ..about(
            tender,
            NoticeKind::Tender,
            name,
            title,
            body_zh,
            body_en,
            now,
        )
    };
    Ok(Publication { notice, verdicts })
}

/// What a purchaser wants to clarify.
#[derive(Clone, Copy, Debug)]
pub struct Clarify<'a> {
    /// "organizations/{credit_code}" of the caller.
    pub purchaser: &'a str,
    pub text: &'a str,
    pub affects_bids: bool,
    pub changes_subject_or_qualification: bool,
    /// 0: as the law asks.
    pub new_deadline_us: i64,
    /// The question answered; empty: none.
    pub question: &'a str,
}

/// Clarifies or amends. Where no deadline is given and the law asks for a later one, the earliest
/// lawful one is taken.
pub fn clarify(
    board: &Board,
    asked: Clarify<'_>,
    name: &str,
    engine: &Engine,
    now: Instant,
) -> Result<Publication, Refusal> {
    let own = |tender: &&Tender| tender.purchaser == asked.purchaser && !asked.purchaser.is_empty();
    board
        .tender
        .as_ref()
        .filter(own)
        .ok_or(Refusal::Forbidden)?;
    let tender = board.bidding(now)?;
    let old = board.deadline();
    let mut check = FieldCheck::new();
    check.text(asked.text, 10_000, "text");
    let given = asked.new_deadline_us;
    check.require(
        given == 0 || (given % MICROS == 0 && given >= old.micros()),
        "new_deadline_us",
        format!("应为整秒时刻，且不早于现截止时间{old}。"),
        format!("must be a moment in whole seconds, not before the deadline {old}."),
    );
    let question = asked
        .question
        .strip_prefix(tender.name.as_str())
        .and_then(|q| q.strip_prefix('/'));
    check.require(
        asked.question.is_empty() || question.is_some_and(|q| draft::is_name("questions", q)),
        "question",
        "应为本项目的问题。",
        "must be a question about this tender.",
    );
    check.finish()?;
    let mut clarification = Clarification {
        text: asked.text.to_owned(),
        affects_bids: asked.affects_bids,
        changes_subject_or_qualification: asked.changes_subject_or_qualification,
        old_deadline_us: old.micros(),
        new_deadline_us: if given == 0 { old.micros() } else { given },
        question: asked.question.to_owned(),
    };
    if given == 0 {
        let (scope, facts) = facts::clarification(tender, &clarification, now)?;
        if let Some(extension) = engine.extended_deadline(&scope, &facts) {
            clarification.new_deadline_us = extension.deadline.micros();
        }
    }
    let (scope, facts) = facts::clarification(tender, &clarification, now)?;
    let verdicts = verdicts::allowed(&engine.check(&scope, &facts))?;
    let (title, body_zh, body_en) = text::clarification(tender, &clarification);
    let notice = Notice {
        deadline_us: clarification.new_deadline_us,
        clarification: Some(clarification),
        ..about(
            tender,
            NoticeKind::Clarification,
            name,
            title,
            body_zh,
            body_en,
            now,
        )
    };
    Ok(Publication { notice, verdicts })
}

/// What all notices about a tender have in common.
pub(super) fn about(
    tender: &Tender,
    kind: NoticeKind,
    name: &str,
    title: String,
    body_zh: String,
    body_en: String,
    now: Instant,
) -> Notice {
    Notice {
        name: name.to_owned(),
        kind: kind as i32,
        tender: tender.name.clone(),
        track: tender.track,
        title,
        body_zh,
        body_en,
        purchaser: tender.purchaser.clone(),
        purchaser_display_name: tender.purchaser_display_name.clone(),
        publish_time_us: now.micros(),
        ..Default::default()
    }
}
