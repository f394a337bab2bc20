//! Bids coming in and being taken back (B1 to B3, B5 to B7).

use super::{Case, Ruling};
use crate::facts::{
    ConsortiumTerm, ExcludedRelation, SubmissionFacts, TenderNoticeFacts, WithdrawalFacts,
};

type Submission<'a> = Case<'a, SubmissionFacts>;

/// B1
pub(super) fn withdrawal_is_before_deadline(case: &Case<'_, WithdrawalFacts>) -> Option<Ruling> {
    let facts = case.facts;
    let (at, deadline) = (facts.requested_at, facts.deadline);
    Some(if facts.log_closed || at >= deadline {
        Ruling::breached(
            "requested_at",
            format!(
                "撤回通知于{at}提出，投标截止时间为{deadline}，投标已经截止；截止后只能撤销，可能不退还保证金。"
            ),
            format!(
                "The withdrawal was asked at {at}, bids closed at {deadline}; after that a bid can only be revoked, and the deposit may be kept."
            ),
        )
    } else if !facts.signature_valid {
        Ruling::breached(
            "signature_valid",
            "撤回通知没有投标人的有效电子签名；应当以书面形式通知。",
            "The notice of withdrawal carries no valid signature of the bidder; it must be in writing.",
        )
    } else {
        Ruling::satisfied(
            format!("撤回通知于{at}提出，早于投标截止时间{deadline}。"),
            format!("The withdrawal was asked at {at}, before bids closed at {deadline}."),
        )
    })
}

/// B2
pub(super) fn bid_is_sealed(case: &Submission<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let faults = [
        (
            facts.sealed,
            "sealed",
            "投标文件没有按要求加密",
            "is not encrypted as required",
        ),
        (
            facts.signature_valid,
            "signature_valid",
            "投标文件的电子签名无效",
            "carries no valid signature",
        ),
        (
            facts.proof_valid,
            "proof_valid",
            "投标文件的封装证明不成立，开标时可能无法解密",
            "carries a proof of sealing that does not verify, so it may never open",
        ),
    ];
    Some(match faults.iter().find(|(kept, ..)| !kept) {
        Some((_, field, zh, en)) => Ruling::breached(
            *field,
            format!("{zh}，不予接收；请重新制作后在截止时间前提交。"),
            format!("The bid {en} and is refused; seal it again and send it before the deadline."),
        ),
        None => Ruling::satisfied(
            "投标文件已按要求加密、签名，封装证明成立。",
            "The bid is encrypted and signed as required, and its proof of sealing verifies.",
        ),
    })
}

/// B3. A bid in the very instant of the deadline is late: bids come before it, and open at it.
pub(super) fn bid_is_in_time(case: &Submission<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let deadline = facts.deadline;
    if facts.prequalified == Some(false) {
        return Some(Ruling::breached(
            "prequalified",
            "投标人没有通过资格预审，其投标文件应当拒收。",
            "The bidder did not pass the prequalification; its bid is refused.",
        ));
    }
    Some(match facts.complete_at {
        None => Ruling::breached(
            "complete_at",
            format!("投标文件没有传输完成；应当在{deadline}前完成，否则视为撤回。"),
            format!(
                "The transmission of the bid is not complete; it must be before {deadline}, or the bid counts as withdrawn."
            ),
        ),
        Some(at) if at >= deadline => Ruling::breached(
            "complete_at",
            format!("投标文件于{at}传输完成，投标截止时间为{deadline}，逾期送达，应当拒收。"),
            format!(
                "The bid was complete at {at}, bids closed at {deadline}; it is late and refused."
            ),
        ),
        Some(at) if facts.log_closed => Ruling::breached(
            "log_closed",
            format!(
                "投标文件于{at}传输完成，但投标记录已经按截止时间{deadline}封闭，逾期送达，应当拒收。"
            ),
            format!(
                "The bid was complete at {at}, but the record of bids is closed for the deadline of {deadline}; it is late and refused."
            ),
        ),
        Some(at) => Ruling::satisfied(
            format!("投标文件于{at}传输完成，早于投标截止时间{deadline}。"),
            format!("The bid was complete at {at}, before the deadline of {deadline}."),
        ),
    })
}

/// B5
pub(super) fn related_bidders_stay_apart(case: &Submission<'_>) -> Option<Ruling> {
    let related = &case.facts.related_bidders;
    Some(if related.is_empty() {
        Ruling::satisfied(
            "没有发现与其他投标人负责人相同或者存在控股、管理关系。",
            "No other bidder of the lot is known to share its head or to hold or manage it.",
        )
    } else {
        Ruling::breached(
            "related_bidders",
            format!(
                "与本标段（包）其他投标人负责人相同或者存在控股、管理关系：{}；由评标委员会认定。",
                related.join("、")
            ),
            format!(
                "Other bidders of the lot share its head or hold or manage it: {}; the committee decides.",
                related.join(", ")
            ),
        )
    })
}

/// B6
pub(super) fn bidder_is_not_excluded(case: &Submission<'_>) -> Option<Ruling> {
    let facts = case.facts;
    Some(match facts.excluded_relation {
        None => Ruling::satisfied(
            "没有发现禁止参加本项目投标的关系。",
            "No tie that bars the bidder from this project is known.",
        ),
        Some(ExcludedRelation::ServedTheProject)
            if facts.single_source && !case.is_engineering() =>
        {
            Ruling::satisfied(
                "供应商曾为本项目提供服务，但单一来源采购不受此限。",
                "The supplier served this project, which single-source procurement allows.",
            )
        }
        Some(relation) => Ruling::breached(
            "excluded_relation",
            format!("投标人{}，不得参加本项目投标。", relation.zh()),
            format!("The bidder {} and may not bid.", relation.en()),
        ),
    })
}

/// B7 when the bid comes in.
pub(super) fn consortium_is_lawful(case: &Submission<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let twice = &facts.members_bidding_elsewhere;
    Some(if facts.consortium && facts.consortium_refused {
        Ruling::breached(
            "consortium",
            "公告写明不接受联合体投标。",
            "The notice does not accept consortia.",
        )
    } else if !twice.is_empty() {
        Ruling::breached(
            "members_bidding_elsewhere",
            format!(
                "{}在本标段（包）已经单独投标或者参加其他联合体；每家只能参加一次。",
                twice.join("、")
            ),
            format!(
                "{} already bid in this lot alone or in another consortium; each may take part once.",
                twice.join(", ")
            ),
        )
    } else if facts.consortium_changed_after_prequalification {
        Ruling::breached(
            "consortium_changed_after_prequalification",
            "联合体在资格预审后增减、更换了成员，其投标无效。",
            "The consortium's members changed after prequalification; its bid is invalid.",
        )
    } else {
        Ruling::satisfied(
            "投标人及联合体各方没有在本标段（包）重复投标。",
            "Neither the bidder nor a member takes part in this lot twice.",
        )
    })
}

/// B7 in the notice. In government procurement silence means that consortia are accepted.
pub(super) fn consortium_term_is_stated(case: &Case<'_, TenderNoticeFacts>) -> Option<Ruling> {
    Some(match (case.facts.consortium, case.is_engineering()) {
        (ConsortiumTerm::NotStated, true) => Ruling::breached(
            "consortium",
            "公告没有写明是否接受联合体投标；应当写明。",
            "The notice does not say whether consortia are accepted; it must.",
        ),
        (ConsortiumTerm::NotStated, false) => Ruling::satisfied(
            "公告没有写明是否接受联合体，不得拒绝联合体投标。",
            "The notice is silent on consortia, so they may not be refused.",
        ),
        (ConsortiumTerm::Accepted, _) => {
            Ruling::satisfied("公告写明接受联合体投标。", "The notice accepts consortia.")
        }
        (ConsortiumTerm::Refused, _) => Ruling::satisfied(
            "公告写明不接受联合体投标。",
            "The notice says that consortia are not accepted.",
        ),
    })
}
