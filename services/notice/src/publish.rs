//! Publishing: an intent, a tender's notice, a clarification. The rules have the last word, and a
//! deadline moves in the bid log first, where it is decided.

use sunbid_contracts::{
    bid::v1::MoveDeadlineRequest,
    common::v1::LogHead,
    notice::v1::{
        ClarificationPublished, IntentPublished, PublishClarificationRequest,
        PublishClarificationResponse, PublishIntentRequest, PublishIntentResponse,
        PublishTenderNoticeRequest, PublishTenderNoticeResponse, QuestionAnswered,
        TenderNoticePublished,
    },
    registry::v1::GetOrganizationRequest,
    tender::v1::{GetTenderRequest, Tender},
};
use sunbid_domain::{
    Refusal,
    notice::{
        Board, IntentState, Questions,
        board::{self, Clarify},
        intent::{self, IntentNames},
        question,
    },
};
use sunbid_service::{
    Caller, Problem,
    ledger::{self, Decided, Step},
    names,
};

use crate::{Notices, SERVICE, board_stream, intent_stream, questions_stream, store};

impl Notices {
    pub(crate) async fn publish_intent_of(
        &self,
        caller: &Caller,
        request: PublishIntentRequest,
    ) -> Result<PublishIntentResponse, Problem> {
        // The name follows from the request, so that a repeat finds the first answer.
        let request_id = names::check_request_id(&request.request_id)?;
        let name = derived("intents", caller, "PublishIntent", &request_id);
        let notice = derived("notices", caller, "PublishIntent", &request_id);
        let mut asked = request.intent.clone().unwrap_or_default();
        asked.purchaser_display_name = self.display_name(caller.organization()).await?;
        let step = Step::of_caller(
            SERVICE,
            &name,
            "sunbid.notice.v1.NoticeService/PublishIntent",
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading(&[intent_stream()]);
        let rules = self.setting.rules.clone();
        let purchaser = caller.organization().to_owned();
        let done = ledger::commit(&self.journal, step, move |view| {
            let state: IntentState = ledger::load(view, intent_stream())?;
            let names = IntentNames { intent: &name, notice: &notice, purchaser: &purchaser };
            let published = intent::publish(&state, &asked, names, &rules, view.now)?;
            let event = IntentPublished {
                intent: Some(published.intent.clone()),
                notice: published.notice.name.clone(),
            };
            Ok(Decided::new()
                .event(intent_stream(), &event)
                .verdicts(published.verdicts.clone())
                .fold::<IntentState>(view, intent_stream())?
                .also(store::add_intent(&published.intent))
                .also(store::add_notice(&published.notice))
                .reply(move |_| PublishIntentResponse {
                    intent: Some(published.intent),
                    verdicts: published.verdicts,
                }))
        })
        .await?;
        Ok(done.reply)
    }

    pub(crate) async fn publish_tender_notice_of(
        &self,
        caller: &Caller,
        request: PublishTenderNoticeRequest,
    ) -> Result<PublishTenderNoticeResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let request_id = names::check_request_id(&request.request_id)?;
        let (tender, tender_head) = self.own_tender(caller, &request.tender).await?;
        let intent = if tender.intent.is_empty() {
            None
        } else {
            store::intent(self.journal.db(), &tender.intent).await?
        };
        let name = derived("notices", caller, "PublishTenderNotice", &request_id);
        let step = Step::of_caller(
            SERVICE,
            &request.tender,
            "sunbid.notice.v1.NoticeService/PublishTenderNotice",
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading(&[board_stream()]);
        let rules = self.setting.rules.clone();
        let done = ledger::commit(&self.journal, step, move |view| {
            let state: Board = ledger::load(view, board_stream())?;
            let published =
                board::announce(&state, &tender, intent.as_ref(), &name, &rules, view.now)?;
            let event = TenderNoticePublished {
                notice: Some(published.notice.clone()),
                tender_head: Some(tender_head),
            };
            Ok(Decided::new()
                .event(board_stream(), &event)
                .verdicts(published.verdicts.clone())
                .fold::<Board>(view, board_stream())?
                .also(store::add_notice(&published.notice))
                .reply(move |_| PublishTenderNoticeResponse {
                    notice: Some(published.notice),
                    verdicts: published.verdicts,
                }))
        })
        .await?;
        Ok(done.reply)
    }

    pub(crate) async fn publish_clarification_of(
        &self,
        caller: &Caller,
        request: PublishClarificationRequest,
    ) -> Result<PublishClarificationResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let request_id = names::check_request_id(&request.request_id)?;
        let name = derived("notices", caller, "PublishClarification", &request_id);
        let log = names::log_of(SERVICE, &request.tender);
        let rules = self.setting.rules.clone();
        let purchaser = caller.organization().to_owned();
        // Decided once to learn the new deadline, moved in the bid log, and decided again where it
        // is recorded; what changed in between is refused there.
        let board: Board = ledger::read(&self.journal, log, board_stream()).await?;
        let now = self.setting.clock.now();
        let repeated = store::notice(self.journal.db(), &name).await.is_ok();
        if !repeated {
            let planned = board::clarify(&board, clarify(&request, &purchaser), &name, &rules, now)?;
            let moved = planned.notice.deadline_us;
            if moved != board.deadline().micros() {
                let request = MoveDeadlineRequest {
                    request_id: request_id.to_string(),
                    tender: request.tender.clone(),
                    new_deadline_us: moved,
                    cause: name.clone(),
                };
                self.setting.peers.bid().move_deadline(request).await?;
            }
        }
        let asker = match request.question.as_str() {
            "" => None,
            question => store::asker(self.journal.db(), question).await?,
        };
        let mut reads = vec![board_stream()];
        reads.extend(asker.as_deref().map(questions_stream));
        let step = Step::of_caller(
            SERVICE,
            &request.tender,
            "sunbid.notice.v1.NoticeService/PublishClarification",
            caller.subject(),
            &request.request_id,
            &request,
        )?
        .reading(&reads);
        let done = ledger::commit(&self.journal, step, move |view| {
            let state: Board = ledger::load(view, board_stream())?;
            let published =
                board::clarify(&state, clarify(&request, &purchaser), &name, &rules, view.now)?;
            let event = ClarificationPublished { notice: Some(published.notice.clone()) };
            let mut decided = Decided::new()
                .event(board_stream(), &event)
                .verdicts(published.verdicts.clone())
                .fold::<Board>(view, board_stream())?
                .also(store::add_notice(&published.notice));
            if let Some(asker) = asker {
                let stream = questions_stream(&asker);
                let mut asked: Questions = ledger::load(view, stream)?;
                let answer: Option<QuestionAnswered> =
                    question::answered(&asked, &request.question, &published.notice.name);
                if let Some(answer) = answer {
                    sunbid_domain::Aggregate::evolve(
                        &mut asked,
                        &sunbid_domain::Event::of(&answer),
                        view.now,
                    )?;
                    decided = decided.event(stream, &answer).fold::<Questions>(view, stream)?;
                    for one in asked.questions.iter().filter(|q| q.name == request.question) {
                        decided = decided.also(store::keep_question(&request.tender, &asker, one));
                    }
                }
            }
            Ok(decided.reply(move |_| PublishClarificationResponse {
                notice: Some(published.notice),
                verdicts: published.verdicts,
            }))
        })
        .await?;
        Ok(done.reply)
    }

    /// A tender of the caller's organisation with the head of its log.
    async fn own_tender(&self, caller: &Caller, name: &str) -> Result<(Tender, LogHead), Problem> {
        let request = GetTenderRequest { name: name.to_owned() };
        let answer = self.setting.peers.tender().get_tender(request).await?.into_inner();
        let tender = answer.tender.ok_or(Refusal::Forbidden)?;
        caller.acts_for(&tender.purchaser)?;
        let head = answer.head.ok_or_else(|| Problem::internal("the tender came without a head"))?;
        Ok((tender, head))
    }

    async fn display_name(&self, organization: &str) -> Result<String, Problem> {
        let request = GetOrganizationRequest { name: organization.to_owned() };
        let answer = self.setting.peers.registry().get_organization(request).await?.into_inner();
        Ok(answer.organization.ok_or(Refusal::Forbidden)?.display_name)
    }
}

fn clarify<'a>(request: &'a PublishClarificationRequest, purchaser: &'a str) -> Clarify<'a> {
    Clarify {
        purchaser,
        text: &request.text,
        affects_bids: request.affects_bids,
        changes_subject_or_qualification: request.changes_subject_or_qualification,
        new_deadline_us: request.new_deadline_us,
        question: &request.question,
    }
}

/// A name that says nothing, and is the same for a repeated request.
pub(crate) fn derived(
    collection: &str,
    caller: &Caller,
    method: &str,
    request_id: &uuid::Uuid,
) -> String {
    names::derived(collection, &[method, caller.subject(), &request_id.to_string()])
}
