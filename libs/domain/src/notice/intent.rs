//! Procurement intents (采购意向): checked, published once, never changed.

use prost::Message;
use sunbid_contracts::{
    common::v1::{Category, Track, Verdict},
    notice::v1::{Intent, IntentPublished, Notice, NoticeKind},
};
use sunbid_rules::{Engine, Jurisdiction};
use sunbid_terms::Instant;

use crate::{Aggregate, Event, Refusal, Unreadable, refusal::FieldCheck, verdicts};

use super::{facts, text};

/// An intent as its log tells it.
#[derive(Clone, PartialEq, Message)]
pub struct IntentState {
    #[prost(message, optional, tag = "1")]
    pub intent: Option<Intent>,
}

impl Aggregate for IntentState {
    fn evolve(&mut self, event: &Event, _at: Instant) -> Result<(), Unreadable> {
        let published = event
            .read::<IntentPublished>()?
            .ok_or_else(|| Unreadable::UnknownEvent(event.name.clone()))?;
        if self.intent.is_some() {
            return Err(Unreadable::Impossible {
                name: event.name.clone(),
                reason: "the intent is published already".to_owned(),
            });
        }
        self.intent = published.intent;
        Ok(())
    }
}

/// An intent about to be published, with its notice and what the rules say.
#[derive(Clone, Debug, PartialEq)]
pub struct PublishedIntent {
    pub intent: Intent,
    pub notice: Notice,
    pub verdicts: Vec<Verdict>,
}

/// Names of what is made.
#[derive(Clone, Copy, Debug)]
pub struct IntentNames<'a> {
    pub intent: &'a str,
    pub notice: &'a str,
    /// "organizations/{credit_code}".
    pub purchaser: &'a str,
}

/// Checks an intent and asks the rules.
pub fn publish(
    state: &IntentState,
    asked: &Intent,
    names: IntentNames<'_>,
    engine: &Engine,
    now: Instant,
) -> Result<PublishedIntent, Refusal> {
    if state.intent.is_some() {
        return Err(Refusal::state(
            "INTENT_EXISTS",
            "该意向已公开。",
            "The intent is published already.",
        ));
    }
    let mut asked = asked.clone();
    if asked.jurisdiction.is_empty() {
        // The rules of the whole country apply where no place is named.
        Jurisdiction::china()
            .as_str()
            .clone_into(&mut asked.jurisdiction);
    }
    check(&asked)?;
    let intent = Intent {
        name: names.intent.to_owned(),
        purchaser: names.purchaser.to_owned(),
        publish_time_us: now.micros(),
        ..asked
    };
    let (scope, facts) = facts::intent(&intent, now)?;
    let verdicts = verdicts::allowed(&engine.check(&scope, &facts))?;
    let (title, body_zh, body_en) = text::intent(&intent);
    let notice = Notice {
        name: names.notice.to_owned(),
        kind: NoticeKind::Intent as i32,
        track: intent.track,
        title,
        body_zh,
        body_en,
        purchaser: intent.purchaser.clone(),
        purchaser_display_name: intent.purchaser_display_name.clone(),
        publish_time_us: now.micros(),
        intent: Some(intent.clone()),
        ..Default::default()
    };
    Ok(PublishedIntent {
        intent,
        notice,
        verdicts,
    })
}

fn check(intent: &Intent) -> Result<(), Refusal> {
    let mut check = FieldCheck::new();
    check.require(
        intent.track() != Track::Unspecified,
        "intent.track",
        "请选择政府采购或工程建设项目招标。",
        "must be government procurement or engineering tender.",
    );
    check.require(
        intent.category() != Category::Unspecified,
        "intent.category",
        "请选择货物、服务或工程。",
        "must be goods, services or works.",
    );
    check.require(
        Jurisdiction::parse(&intent.jurisdiction).is_ok(),
        "intent.jurisdiction",
        "应为CN，或CN-加六位行政区划代码，如CN-140600。",
        "must be CN, or CN- and six digits of GB/T 2260 such as CN-140600.",
    );
    check.text(&intent.title, 200, "intent.title");
    check.text(
        &intent.purchaser_display_name,
        100,
        "intent.purchaser_display_name",
    );
    check.optional_text(&intent.demand, 5_000, "intent.demand");
    check.optional_text(&intent.urgent_reason, 500, "intent.urgent_reason");
    for (field, value) in [
        ("intent.budget_fen", intent.budget_fen),
        ("intent.planned_time_us", intent.planned_time_us),
        (
            "intent.budget_approval_time_us",
            intent.budget_approval_time_us,
        ),
    ] {
        check.require(value >= 0, field, "不得为负。", "must not be negative.");
    }
    check.finish()
}
