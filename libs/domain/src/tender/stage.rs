//! Refusals that depend on where a tender stands; one wording for each.

use sunbid_contracts::tender::v1::{Tender, TenderState};

use crate::Refusal;

use super::Dossier;

/// The tender, or the answer to whoever may not know whether it exists.
pub(super) fn existing(dossier: &Dossier) -> Result<&Tender, Refusal> {
    dossier.tender.as_ref().ok_or(Refusal::Forbidden)
}

/// The tender, unless a supervisor holds it.
pub(super) fn not_held(dossier: &Dossier) -> Result<&Tender, Refusal> {
    let tender = existing(dossier)?;
    match &tender.hold {
        None => Ok(tender),
        Some(hold) => Err(Refusal::state(
            "TENDER_SUSPENDED",
            format!("项目已被监督部门暂停：{}", hold.reason),
            format!("The tender is suspended by the supervisor: {}", hold.reason),
        )),
    }
}

pub(super) fn wrong_state(tender: &Tender, wanted_zh: &str, wanted_en: &str) -> Refusal {
    let state = tender.state();
    Refusal::state(
        "TENDER_STATE",
        format!("项目当前为“{}”，{wanted_zh}。", zh(state)),
        format!("The tender is {}; {wanted_en}.", en(state)),
    )
}

const fn zh(state: TenderState) -> &'static str {
    match state {
        TenderState::Unspecified => "未建立",
        TenderState::Draft => "文件编制",
        TenderState::Ceremony => "密钥仪式",
        TenderState::Ready => "待发布",
        TenderState::Announced => "公告",
        TenderState::Closed => "截标",
        TenderState::Opened => "已开标",
        TenderState::Failed => "流标",
        TenderState::Terminated => "终止",
    }
}

const fn en(state: TenderState) -> &'static str {
    match state {
        TenderState::Unspecified => "not there yet",
        TenderState::Draft => "a draft",
        TenderState::Ceremony => "in its key ceremony",
        TenderState::Ready => "ready to be announced",
        TenderState::Announced => "announced",
        TenderState::Closed => "closed",
        TenderState::Opened => "opened",
        TenderState::Failed => "failed",
        TenderState::Terminated => "terminated",
    }
}
