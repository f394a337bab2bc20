//! gRPC messages at the edge: every request of every service as its bytes come, and what the services
//! make of those that carry more than names.

use std::{any::Any, sync::LazyLock};

use prost::{Message, Name};
use sunbid_contracts::{
    audit::v1 as audit_v1, bid::v1 as bid_v1, deposit::v1 as deposit_v1, journal::v1 as journal_v1,
    notice::v1 as notice_v1, opening::v1 as opening_v1, registry::v1 as registry_v1,
    sandbox::v1 as sandbox_v1, tender::v1 as tender_v1,
};
use sunbid_domain::{
    Aggregate, Event,
    bid::{self, TenderBox, check_envelopes, desk},
    deposit::Terms,
    notice::{
        Board, IntentState, Questions,
        board::{self, Clarify},
        facts,
        intent::{self, IntentNames},
        question, text,
    },
    registry::{Credential, OrganizationState, Registration},
    tender::{
        Dossier, ceremony as record,
        draft::{self, Author},
        hash::document_hash,
        life,
    },
};
use sunbid_rules::Engine;
use sunbid_sealing::ceremony::Message as CeremonyMessage;
use sunbid_service::names;
use sunbid_terms::{CreditCode, Instant};

use crate::disclosure;

/// A request: its full name, and how it is read as a service reads it.
type Row = (fn() -> String, fn(&[u8]));

/// Every request by its full name. The first byte of an input chooses among them; new ones are put at
/// the end, so that inputs keep their meaning.
pub const REQUESTS: &[Row] = &[
    row::<audit_v1::GetCheckpointRequest>(),
    row::<audit_v1::GetConsistencyProofRequest>(),
    row::<audit_v1::GetTileRequest>(),
    row::<audit_v1::AddCosignatureRequest>(),
    row::<audit_v1::ProveClosingRequest>(),
    row::<audit_v1::WatchCheckpointsRequest>(),
    row::<audit_v1::DownloadDisclosureRequest>(),
    row::<audit_v1::ListTrailRequest>(),
    row::<audit_v1::WatchTrailRequest>(),
    row::<audit_v1::GetStatusRequest>(),
    row::<bid_v1::UploadPartRequest>(),
    row::<bid_v1::GetUploadRequest>(),
    row::<bid_v1::SubmitBidRequest>(),
    row::<bid_v1::WithdrawBidRequest>(),
    row::<bid_v1::GetBidRequest>(),
    row::<bid_v1::ListBidsRequest>(),
    row::<bid_v1::MoveDeadlineRequest>(),
    row::<bid_v1::HoldBiddingRequest>(),
    row::<bid_v1::EndBiddingRequest>(),
    row::<bid_v1::ListClosedBidsRequest>(),
    row::<bid_v1::ReadPayloadsRequest>(),
    row::<deposit_v1::OpenDepositRequest>(),
    row::<deposit_v1::GetDepositRequest>(),
    row::<deposit_v1::ListDepositsRequest>(),
    row::<deposit_v1::CheckDepositRequest>(),
    row::<deposit_v1::GetTrialBalanceRequest>(),
    row::<journal_v1::ListHeadsRequest>(),
    row::<journal_v1::ReadLogRequest>(),
    row::<journal_v1::WatchChangesRequest>(),
    row::<notice_v1::PublishIntentRequest>(),
    row::<notice_v1::GetIntentRequest>(),
    row::<notice_v1::PublishTenderNoticeRequest>(),
    row::<notice_v1::PublishClarificationRequest>(),
    row::<notice_v1::AskQuestionRequest>(),
    row::<notice_v1::ListQuestionsRequest>(),
    row::<notice_v1::ListNoticesRequest>(),
    row::<notice_v1::GetNoticeRequest>(),
    row::<opening_v1::GetSessionRequest>(),
    row::<opening_v1::WatchSessionRequest>(),
    row::<opening_v1::CheckInRequest>(),
    row::<opening_v1::GetOpeningRecordRequest>(),
    row::<opening_v1::WatchOpeningsRequest>(),
    row::<opening_v1::ReadClosingRequest>(),
    row::<opening_v1::SignClosingRequest>(),
    row::<opening_v1::PostSharesRequest>(),
    row::<opening_v1::PublishRescueRequest>(),
    row::<opening_v1::RaiseObjectionRequest>(),
    row::<opening_v1::AnswerObjectionRequest>(),
    row::<opening_v1::ConfirmRecordRequest>(),
    row::<opening_v1::CloseSessionRequest>(),
    row::<opening_v1::ListDeliveriesRequest>(),
    row::<opening_v1::DownloadPartRequest>(),
    row::<registry_v1::GetPlatformRequest>(),
    row::<registry_v1::RegisterOrganizationRequest>(),
    row::<registry_v1::ApproveOrganizationRequest>(),
    row::<registry_v1::SuspendOrganizationRequest>(),
    row::<registry_v1::ReinstateOrganizationRequest>(),
    row::<registry_v1::GetOrganizationRequest>(),
    row::<registry_v1::ListOrganizationsRequest>(),
    row::<registry_v1::AddSubjectRequest>(),
    row::<registry_v1::RevokeSubjectRequest>(),
    row::<registry_v1::ListSubjectsRequest>(),
    row::<registry_v1::CreateChallengeRequest>(),
    row::<registry_v1::SignInRequest>(),
    row::<registry_v1::SignOutRequest>(),
    row::<registry_v1::GetCallerRequest>(),
    row::<registry_v1::ListRevocationsRequest>(),
    row::<sandbox_v1::GetClockRequest>(),
    row::<sandbox_v1::AdvanceClockRequest>(),
    row::<tender_v1::CreateTenderRequest>(),
    row::<tender_v1::UpdateTenderRequest>(),
    row::<tender_v1::GetTenderRequest>(),
    row::<tender_v1::ListTendersRequest>(),
    row::<tender_v1::UploadDocumentRequest>(),
    row::<tender_v1::DownloadDocumentRequest>(),
    row::<tender_v1::ReviewTenderRequest>(),
    row::<tender_v1::CheckTenderRequest>(),
    row::<tender_v1::StartCeremonyRequest>(),
    row::<tender_v1::GetCeremonyRequest>(),
    row::<tender_v1::WatchCeremoniesRequest>(),
    row::<tender_v1::PostCeremonyMessageRequest>(),
    row::<tender_v1::SuspendTenderRequest>(),
    row::<tender_v1::ResumeTenderRequest>(),
    row::<tender_v1::TerminateTenderRequest>(),
    row::<audit_v1::ListAccessRequest>(),
    row::<audit_v1::ListAccessRulesRequest>(),
    row::<bid_v1::AnnounceMaintenanceRequest>(),
    row::<bid_v1::ListOutagesRequest>(),
    row::<registry_v1::BeginPasskeyRegistrationRequest>(),
    row::<registry_v1::BeginProviderSignInRequest>(),
    row::<registry_v1::ChangePasswordRequest>(),
    row::<registry_v1::EnrolPersonRequest>(),
    row::<registry_v1::FinishPasskeyRegistrationRequest>(),
    row::<registry_v1::FinishPasskeySignInRequest>(),
    row::<registry_v1::FinishProviderSignInRequest>(),
    row::<registry_v1::ListSessionsRequest>(),
    row::<registry_v1::RefreshSessionRequest>(),
    row::<registry_v1::ResetPersonRequest>(),
    row::<registry_v1::RevokeSessionRequest>(),
    row::<registry_v1::SetPasswordRequest>(),
    row::<registry_v1::SignInWithPasswordRequest>(),
];

const fn row<M: Message + Name + Default + 'static>() -> Row {
    (M::full_name, read::<M>)
}

pub fn run(bytes: &[u8]) {
    LazyLock::force(&FIXED);
    if let Some((choice, rest)) = bytes.split_first()
        && let Some((_, read)) = REQUESTS.get(usize::from(*choice))
    {
        read(rest);
    }
}

/// What was read is written and read again as the same; then it is taken as the services take it.
fn read<M: Message + Name + Default + 'static>(bytes: &[u8]) {
    let Ok(message) = M::decode(bytes) else {
        return;
    };
    let written = message.encode_to_vec();
    let again = M::decode(written.as_slice()).expect("what was written can be read");
    assert!(
        again.encode_to_vec() == written,
        "{} is not written as it was read",
        M::full_name()
    );
    taken(&message);
}

/// The door of the service, from the message to a decision, where it takes more than a name.
fn taken(message: &dyn Any) {
    if let Some(request) = message.downcast_ref::<tender_v1::CreateTenderRequest>() {
        if let Some(tender) = &request.tender {
            created(tender);
        }
    } else if let Some(request) = message.downcast_ref::<tender_v1::UpdateTenderRequest>() {
        if let Some(tender) = &request.tender {
            let _ = draft::update(&FIXED.draft, tender, AUTHOR);
        }
    } else if let Some(request) = message.downcast_ref::<tender_v1::UploadDocumentRequest>() {
        use tender_v1::upload_document_request::Step;
        if let Some(Step::Header(header)) = &request.step
            && let Some(document) = &header.document
        {
            let _ = draft::may_add_document(&FIXED.draft, AUTHOR.organization, document);
            let _ = draft::add_document(&FIXED.draft, AUTHOR.organization, "x", document);
        }
    } else if let Some(request) = message.downcast_ref::<tender_v1::ReviewTenderRequest>() {
        let review = tender_v1::Review {
            kind: request.kind,
            passed: request.passed,
            conclusion: request.conclusion.clone(),
            ..tender_v1::Review::default()
        };
        let _ = life::review(&FIXED.draft, AUTHOR.organization, review);
    } else if let Some(request) = message.downcast_ref::<tender_v1::PostCeremonyMessageRequest>() {
        if let Some(posted) = &request.message
            && let Ok(read) = record::message(posted)
        {
            let again = record::message(&record::posted_message(&read));
            let again = again.map(|message| CeremonyMessage::encode(&message));
            assert_eq!(again.ok(), Some(read.encode()));
        }
    } else if let Some(request) = message.downcast_ref::<notice_v1::PublishIntentRequest>() {
        if let Some(asked) = &request.intent {
            intended(asked);
        }
    } else if let Some(request) = message.downcast_ref::<notice_v1::PublishClarificationRequest>() {
        let asked = Clarify {
            purchaser: &FIXED.announced.purchaser,
            text: &request.text,
            affects_bids: request.affects_bids,
            changes_subject_or_qualification: request.changes_subject_or_qualification,
            new_deadline_us: request.new_deadline_us,
            question: &request.question,
        };
        let _ = board::clarify(&FIXED.board, asked, "notices/1", &FIXED.engine, FIXED.now);
    } else if let Some(request) = message.downcast_ref::<notice_v1::AskQuestionRequest>() {
        let asked = Questions::default();
        let asker = "organizations/1";
        let _ = question::ask(
            &FIXED.board,
            &asked,
            asker,
            "questions/1",
            &request.text,
            FIXED.now,
        );
    } else if let Some(request) = message.downcast_ref::<registry_v1::RegisterOrganizationRequest>()
    {
        registered(request);
    } else if let Some(request) = message.downcast_ref::<bid_v1::SubmitBidRequest>() {
        let claim = bid::Claim {
            lot_id: &request.lot_id,
            credit_code: CODE,
            revision: u32::try_from(request.revision).unwrap_or(0),
            headers: &request.headers,
        };
        let _ = check_envelopes(&FIXED.tender_box, &claim);
    }
}

/// A draft that is taken is folded, shown, judged and announced without a further check of its form.
fn created(asked: &tender_v1::Tender) {
    let now = FIXED.now;
    let name = "tenders/00000000-0000-4000-8000-000000000000";
    let Ok(events) = draft::create(&Dossier::default(), asked, AUTHOR, name, 1, now) else {
        return;
    };
    let mut dossier = Dossier::default();
    for event in &events {
        dossier
            .evolve(event, now)
            .expect("what was decided can be folded");
    }
    let tender = dossier.tender.clone().expect("the draft is there");
    names::check_tender(&tender.name, "name").expect("a tender has a name");
    let _ = document_hash(&tender);
    let _ = text::tender(&tender);
    if let Ok((scope, facts)) = facts::tender_notice(&tender, None, now) {
        let _ = FIXED.engine.check(&scope, &facts);
    }
    if let Ok(publication) = board::announce(
        &Board::default(),
        &tender,
        None,
        "notices/1",
        &FIXED.engine,
        now,
    ) {
        let _ = publication;
    }
    let _ = Terms::announced(&tender, Default::default());
    let _ = desk::open(&TenderBox::default(), tender.clone(), Default::default());
    let unchanged = tender_v1::Tender {
        etag: tender.etag,
        ..asked.clone()
    };
    assert!(
        draft::update(&dossier, &unchanged, AUTHOR).is_ok() || !asked.documents.is_empty(),
        "a draft is refused when nothing of it changes"
    );
}

fn intended(asked: &notice_v1::Intent) {
    let names = IntentNames {
        intent: "intents/00000000-0000-4000-8000-000000000000",
        notice: "notices/00000000-0000-4000-8000-000000000000",
        purchaser: AUTHOR.organization,
    };
    let state = IntentState::default();
    if let Ok(published) = intent::publish(&state, asked, names, &FIXED.engine, FIXED.now) {
        let _ = text::intent(&published.intent);
        let event = Event::of(&notice_v1::IntentPublished {
            intent: Some(published.intent),
            notice: names.notice.to_owned(),
        });
        let mut state = state;
        state
            .evolve(&event, FIXED.now)
            .expect("what was decided can be folded");
    }
}

fn registered(request: &registry_v1::RegisterOrganizationRequest) {
    let registration = Registration {
        display_name: request.display_name.clone(),
        kinds: request.kinds.clone(),
        basic_account: request.basic_account.clone(),
        identity_key: request.identity_key.clone(),
        encryption_key: request.encryption_key.clone(),
        key_evidence: None,
        subject_display_name: request.subject_display_name.clone(),
    };
    let state = OrganizationState::default();
    if let Ok(enrolment) = state.register(&registration, &FIXED.credential, FIXED.now) {
        let mut state = state;
        let event = Event::of(&enrolment.registered);
        state
            .evolve(&event, FIXED.now)
            .expect("what was decided can be folded");
        assert_eq!(state.organization, Some(enrolment.organization));
    }
}

const CODE: &str = "91110108551385082Q";

const AUTHOR: Author<'static> = Author {
    subject: "organizations/91110108551385082Q/subjects/1",
    organization: "organizations/91110108551385082Q",
};

/// What the requests meet.
struct Fixed {
    now: Instant,
    engine: Engine,
    /// A tender as it was announced, and the same as a draft of [`AUTHOR`].
    announced: tender_v1::Tender,
    draft: Dossier,
    board: Board,
    tender_box: TenderBox,
    credential: Credential,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    let engine = Engine::new().expect("the rules stand");
    let published = disclosure::announced();
    let announced = published
        .notice
        .clone()
        .and_then(|notice| notice.announced)
        .expect("a tender is announced");
    let deadline = announced.timetable.unwrap_or_default().bid_deadline_us;
    // A day before bidding ends.
    let now = Instant::from_micros(deadline).plus_seconds(-86_400);
    let mut board = Board::default();
    board
        .evolve(&Event::of(&published), now)
        .expect("a notice can be folded");
    let opened = desk::open(&TenderBox::default(), announced.clone(), Default::default());
    let opened = opened.ok().flatten().expect("bidding opens");
    let mut tender_box = TenderBox::default();
    tender_box
        .evolve(&Event::of(&opened), now)
        .expect("the opening of bidding can be folded");
    let draft = Dossier {
        tender: Some(tender_v1::Tender {
            purchaser: AUTHOR.organization.to_owned(),
            state: tender_v1::TenderState::Draft as i32,
            ..announced.clone()
        }),
        ..Dossier::default()
    };
    let code = CreditCode::parse(CODE).expect("a credit code");
    Fixed {
        now,
        engine,
        announced,
        draft,
        board,
        tender_box,
        credential: Credential {
            certificate: vec![1],
            intermediates: Vec::new(),
            fingerprint: [2; 32],
            credit_code: code,
            organization_name: "单位".to_owned(),
            not_before: now,
            not_after: now.plus_seconds(86_400),
        },
    }
});
