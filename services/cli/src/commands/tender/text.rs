//! Tenders and ceremonies as people read them.

use sunbid_contracts::tender::v1::{Tender, TenderState};

use crate::output;

pub(super) fn show(tender: &Tender) -> String {
    let times = tender.timetable.unwrap_or_default();
    let lots: Vec<String> = tender
        .lots
        .iter()
        .map(|lot| {
            format!(
                "{} {} 预算 {} 最高限价 {} 保证金 {}",
                lot.lot_id,
                lot.title,
                output::amount(lot.budget_fen),
                output::amount(lot.ceiling_fen),
                output::amount(lot.deposit_fen)
            )
        })
        .collect();
    let holders: Vec<String> = tender
        .holders
        .iter()
        .map(|h| format!("{} {}", h.index, h.display_name))
        .collect();
    output::fields(&[
        ("name", tender.name.clone()),
        ("统一交易标识码", tender.deal_code.clone()),
        ("项目", tender.title.clone()),
        ("采购人", tender.purchaser_display_name.clone()),
        ("状态", state(tender).to_owned()),
        ("原因", tender.state_reason.clone()),
        ("标段", lots.join("\n")),
        (
            "文件获取",
            format!(
                "{} — {}",
                output::time(times.document_from_us),
                output::time(times.document_until_us)
            ),
        ),
        ("投标截止/开标", output::time(times.bid_deadline_us)),
        ("持钥机构", holders.join("\n")),
        (
            "开标门限",
            if tender.threshold == 0 {
                String::new()
            } else {
                format!("{} / {}", tender.threshold, tender.holders.len())
            },
        ),
        ("公钥", hex::encode(&tender.public_key)),
        ("etag", tender.etag.to_string()),
        (
            "暂停",
            tender
                .hold
                .as_ref()
                .map(|h| h.reason.clone())
                .unwrap_or_default(),
        ),
    ])
}

pub(super) fn show_ceremony(ceremony: &sunbid_contracts::tender::v1::Ceremony) -> String {
    let mut rows = vec![
        ("name", ceremony.name.clone()),
        ("ceremony id", hex::encode(&ceremony.cid)),
        ("state", ceremony.state().as_str_name().to_owned()),
        (
            "threshold",
            format!("{} / {}", ceremony.threshold, ceremony.holders.len()),
        ),
        ("fault", ceremony.fault.clone()),
    ];
    for round in 1..=5 {
        let done: Vec<String> = ceremony
            .messages
            .iter()
            .filter(|message| message.round == round)
            .map(|message| message.index.to_string())
            .collect();
        let label = [
            "commitments",
            "packages",
            "posted shares",
            "certificates",
            "rehearsal",
        ];
        if let Some(label) = label.get(usize::try_from(round - 1).unwrap_or_default()) {
            rows.push((label, done.join(" ")));
        }
    }
    output::fields(&rows)
}

pub(super) fn state(tender: &Tender) -> &'static str {
    if tender.hold.is_some() {
        return "暂停";
    }
    match tender.state() {
        TenderState::Draft => "文件编制",
        TenderState::Ceremony => "密钥仪式",
        TenderState::Ready => "待发布",
        TenderState::Announced => "公告/投标",
        TenderState::Closed => "截标",
        TenderState::Opened => "已开标",
        TenderState::Failed => "流标",
        TenderState::Terminated => "终止",
        TenderState::Unspecified => "",
    }
}
