//! Publishing what a purchaser wants published: intents, tender notices, clarifications. The rules
//! decide inside the transaction, at the time the record will carry.

use sunbid_contracts::{
    notice::v1::{
        ClarificationPublished, IntentPublished, PublishClarificationRequest,
        PublishClarificationResponse, PublishIntentRequest, PublishIntentResponse,
        PublishTenderNoticeRequest, PublishTenderNoticeResponse, TenderNoticePublished,
    },
    registry::v1::GetOrganizationRequest,
    tender::v1::GetTenderRequest,
};
use sunbid_domain::{
    Refusal,
    notice::{
        Board, IntentState,
        board::{self, Clarify},
        intent::{self, IntentNames},
    },
};
use sunbid_service::{
    Caller, Decided, Problem, Step,
    ledger::{self, Done},
    names,
};

use crate::{
    NAME, reserving,
    service::{Notices, board_stream, intent_stream},
    store,
};

/// The notice that a caller's request makes, whenever it is asked.
fn notice_name(caller: &Caller, method: &str, request_id: &str) -> Result<String, Refusal> {
    let id = names::check_request_id(request_id)?;
    let parts = [
        b"notice",
        method.as_bytes(),
        caller.subject().as_bytes(),
        id.as_bytes(),
    ];
    Ok(format!("notices/{}", names::derived(&parts)))
}

impl Notices {
    pub async fn publish_intent(
        &self,
        caller: Caller,
        request: PublishIntentRequest,
    ) -> Result<PublishIntentResponse, Problem> {
        let notice = notice_name(&caller, "PublishIntent", &request.request_id)?;
        let name = format!(
            "intents/{}",
            names::derived(&[b"intent", notice.as_bytes()])
        );
        let step = Step::of_caller(
            NAME,
            &name,
            "PublishIntent",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        caller.acts_for(caller.organization())?;
        let mut asked = request
            .intent
            .ok_or_else(|| Refusal::field("intent", "必填。", "is required."))?;
        // Nobody publishes in another name than the one it is registered under.
        asked.purchaser_display_name = self.registered_name(caller.organization()).await?;
        let rules = self.rules.clone();
        let step = step.reading(&[intent_stream()]);
        let done: Done<PublishIntentResponse> = ledger::commit(&self.journal, step, move |view| {
            let state: IntentState = ledger::load(view, intent_stream())?;
            let names = IntentNames {
                intent: &name,
                notice: &notice,
                purchaser: caller.organization(),
            };
            let made = intent::publish(&state, &asked, names, &rules, view.now)?;
            let event = IntentPublished {
                intent: Some(made.intent.clone()),
                notice: made.notice.name.clone(),
            };
            Ok(Decided::new()
                .event(intent_stream(), &event)
                .verdicts(made.verdicts.clone())
                .fold::<IntentState>(view, intent_stream())?
                .also(store::put_notice(&made.notice))
                .reply(move |_| PublishIntentResponse {
                    intent: Some(made.intent),
                    verdicts: made.verdicts,
                }))
        })
        .await?;
        Ok(done.reply)
    }

    pub async fn publish_tender(
        &self,
        caller: Caller,
        request: PublishTenderNoticeRequest,
    ) -> Result<PublishTenderNoticeResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let name = notice_name(&caller, "PublishTenderNotice", &request.request_id)?;
        let step = Step::of_caller(
            NAME,
            &request.tender,
            "PublishTenderNotice",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let asked = GetTenderRequest {
            name: request.tender.clone(),
        };
        let answer = self.peers.tender().get_tender(asked).await?.into_inner();
        let own = |tender: &sunbid_contracts::tender::v1::Tender| {
            caller.acts_for(&tender.purchaser).is_ok()
        };
        let tender = answer.tender.filter(own).ok_or(Refusal::Forbidden)?;
        let tender_head = answer
            .head
            .ok_or_else(|| Problem::internal("the tender came without its head"))?;
        let intent = match tender.intent.as_str() {
            "" => None,
            intent => self.intent_state(intent).await?.intent,
        };
        let rules = self.rules.clone();
        let step = step.reading(&[board_stream()]);
        let done: Done<PublishTenderNoticeResponse> =
            ledger::commit(&self.journal, step, move |view| {
                let board: Board = ledger::load(view, board_stream())?;
                let made =
                    board::announce(&board, &tender, intent.as_ref(), &name, &rules, view.now)?;
                let event = TenderNoticePublished {
                    notice: Some(made.notice.clone()),
                    tender_head: Some(tender_head),
                };
                Ok(Decided::new()
                    .event(board_stream(), &event)
                    .verdicts(made.verdicts.clone())
                    .fold::<Board>(view, board_stream())?
                    .also(store::put_notice(&made.notice))
                    .reply(move |_| PublishTenderNoticeResponse {
                        notice: Some(made.notice),
                        verdicts: made.verdicts,
                    }))
            })
            .await?;
        Ok(done.reply)
    }

    pub async fn publish_clarification(
        &self,
        caller: Caller,
        request: PublishClarificationRequest,
    ) -> Result<PublishClarificationResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let name = notice_name(&caller, "PublishClarification", &request.request_id)?;
        let step = Step::of_caller(
            NAME,
            &request.tender,
            "PublishClarification",
            caller.subject(),
            &request.request_id,
            &request,
        )?;
        let mut request = request;
        // What was published before is only answered again.
        let mut reserved = None;
        if store::notice(self.journal.db(), &name).await?.is_none() {
            (request.new_deadline_us, reserved) =
                self.move_deadline(&caller, &request, &name).await?;
        }
        let rules = self.rules.clone();
        let step = step.reading(&[board_stream()]);
        let done: Done<PublishClarificationResponse> =
            ledger::commit(&self.journal, step, move |view| {
                let board: Board = ledger::load(view, board_stream())?;
                // Another clarification may have the deadline since.
                if reserved.is_some_and(|until| view.now >= until) {
                    return Err(reserving::under_way().into());
                }
                let asked = clarify(caller.organization(), &request);
                let made = board::clarify(&board, asked, &name, &rules, view.now)?;
                let event = ClarificationPublished {
                    notice: Some(made.notice.clone()),
                };
                Ok(Decided::new()
                    .also(store::release(&request.tender, &made.notice.name))
                    .event(board_stream(), &event)
                    .verdicts(made.verdicts.clone())
                    .fold::<Board>(view, board_stream())?
                    .also(store::put_notice(&made.notice))
                    .reply(move |_| PublishClarificationResponse {
                        notice: Some(made.notice),
                        verdicts: made.verdicts,
                    }))
            })
            .await?;
        let notice = done.reply.notice.clone().unwrap_or_default();
        let question = notice.clarification.clone().unwrap_or_default().question;
        if let (Some(entry), false) = (done.entries.first(), question.is_empty()) {
            let cause = [entry.log.as_bytes().as_slice(), &entry.seq.to_be_bytes()].concat();
            if let Err(problem) = self
                .answer(&cause, &notice.tender, &question, &notice.name)
                .await
            {
                tracing::warn!(
                    question,
                    ?problem,
                    "the question will be answered in a moment"
                );
            }
        }
        Ok(done.reply)
    }

    async fn registered_name(&self, organization: &str) -> Result<String, Problem> {
        let request = GetOrganizationRequest {
            name: organization.to_owned(),
        };
        let answer = self
            .peers
            .registry()
            .get_organization(request)
            .await?
            .into_inner();
        Ok(answer.organization.ok_or(Refusal::Forbidden)?.display_name)
    }
}

pub fn clarify<'a>(purchaser: &'a str, request: &'a PublishClarificationRequest) -> Clarify<'a> {
    Clarify {
        purchaser,
        text: &request.text,
        affects_bids: request.affects_bids,
        changes_subject_or_qualification: request.changes_subject_or_qualification,
        new_deadline_us: request.new_deadline_us,
        question: &request.question,
    }
}
