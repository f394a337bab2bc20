//! What a tender and its documents must say to be a draft at all: sizes, forms, names. Every wrong
//! field is named at once. Rules of law are not judged here.

use std::collections::BTreeSet;

use sunbid_contracts::{
    common::v1::{Category, FileDigest, Track},
    tender::v1::{
        ClauseRole, Conditions, Lot, MediumKind, PartClass, PartRequirement, ProcurementMethod,
        SheetField, SheetFieldType, Tender, Timetable,
    },
};
use sunbid_rules::{Jurisdiction, facts::DepositForm};
use sunbid_sealing::{Element, TAG, padded_length};
use sunbid_terms::{CreditCode, MICROS};

use crate::refusal::FieldCheck;

use super::draft::is_name;

const MOST_LOTS: usize = 99;
const MOST_PARTS: usize = 64;
const MOST_SHEET_FIELDS: usize = 50;
const MOST_CLAUSES: usize = 500;
/// A hundred billion yuan: above any project, and no sum of lots overflows.
const MOST_FEN: i64 = 10_000_000_000_000;
/// Largest sealed part.
const MOST_PART_BYTES: i64 = 4 * 1024 * 1024 * 1024;
/// Largest tender document.
const MOST_DOCUMENT_BYTES: i64 = 512 * 1024 * 1024;
/// A day: nobody waits longer for objections at an opening.
const MOST_OBJECTION_SECONDS: i64 = 86_400;
const MOST_VALIDITY_DAYS: i32 = 3_650;

pub(super) fn check_document(check: &mut FieldCheck, document: &FileDigest) {
    let name = document.file_name.as_str();
    check.text(name, 200, "header.document.file_name");
    let plain = !name.contains(['/', '\\']) && !name.chars().any(char::is_control);
    check.require(
        plain && name != "." && name != "..",
        "header.document.file_name",
        "只能是文件名，不含目录和控制字符。",
        "must be a plain name without folders or control characters.",
    );
    let media = document
        .media_type
        .split_once('/')
        .is_some_and(|(kind, sub)| {
            let token = |text: &str| {
                !text.is_empty()
                    && text
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
            };
            token(kind) && token(sub)
        });
    check.require(
        media && document.media_type.len() <= 127,
        "header.document.media_type",
        "应为媒体类型，如application/pdf。",
        "must be a media type such as application/pdf.",
    );
    check.require(
        (1..=MOST_DOCUMENT_BYTES).contains(&document.size_bytes),
        "header.document.size_bytes",
        format!("应为1至{MOST_DOCUMENT_BYTES}字节。"),
        format!("must be 1 to {MOST_DOCUMENT_BYTES} bytes."),
    );
    check.bytes(&document.sha256, 32, "header.document.sha256");
}

pub(super) fn check_tender(check: &mut FieldCheck, tender: &Tender) {
    check.require(
        tender.track() != Track::Unspecified,
        "tender.track",
        "请选择政府采购或工程建设项目招标。",
        "must be government procurement or engineering tender.",
    );
    check.require(
        tender.category() != Category::Unspecified,
        "tender.category",
        "请选择货物、服务或工程。",
        "must be goods, services or works.",
    );
    check_method(check, tender);
    check.text(&tender.title, 200, "tender.title");
    check.text(
        &tender.purchaser_display_name,
        100,
        "tender.purchaser_display_name",
    );
    check.require(
        Jurisdiction::parse(&tender.jurisdiction).is_ok(),
        "tender.jurisdiction",
        "应为CN，或CN-加六位行政区划代码，如CN-140600。",
        "must be CN, or CN- and six digits of GB/T 2260 such as CN-140600.",
    );
    check.require(
        tender.intent.is_empty() || is_name("intents", &tender.intent),
        "tender.intent",
        "应为“intents/{uuid}”。",
        "must be \"intents/{uuid}\".",
    );
    check_lots(check, &tender.lots);
    check_parts(check, &tender.parts);
    check_sheet(check, &tender.sheet);
    check_timetable(check, tender.timetable.as_ref());
    check_conditions(check, tender.conditions.as_ref());
    let key = tender.evaluator_key.as_slice();
    let element = <[u8; 32]>::try_from(key)
        .ok()
        .and_then(|bytes| Element::decode(&bytes).ok());
    check.require(
        key.is_empty() || element.is_some(),
        "tender.evaluator_key",
        "不是有效的ristretto255公钥。",
        "is no valid ristretto255 public key.",
    );
}

fn check_method(check: &mut FieldCheck, tender: &Tender) {
    use ProcurementMethod as Method;
    let method = tender.method();
    check.require(
        !matches!(method, Method::Unspecified | Method::SingleSource),
        "tender.method",
        "请选择有竞争的采购方式；单一来源没有密封投标。",
        "must be a method with competing bids; single-source procurement seals none.",
    );
    let tendered = matches!(method, Method::OpenTender | Method::InvitedTender);
    check.require(
        tender.track() != Track::Engineering || tendered,
        "tender.method",
        "工程建设项目只有公开招标和邀请招标（招标投标法第十条）。",
        "is open or invited in engineering (Tendering Law, art 10).",
    );
}

fn check_lots(check: &mut FieldCheck, lots: &[Lot]) {
    check.require(
        (1..=MOST_LOTS).contains(&lots.len()),
        "tender.lots",
        format!("标段（包）应为1至{MOST_LOTS}个，现有{}个。", lots.len()),
        format!("must be 1 to {MOST_LOTS} lots, {} are given.", lots.len()),
    );
    let mut seen = BTreeSet::new();
    for (at, lot) in lots.iter().enumerate().take(MOST_LOTS) {
        let field = |name: &str| format!("tender.lots[{at}].{name}");
        let id = lot.lot_id.as_str();
        let shaped = (1..=20).contains(&id.len())
            && id
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        check.require(
            shaped,
            field("lot_id"),
            "应为1至20个字母、数字、连字符或下划线。",
            "must be 1 to 20 letters, digits, hyphens or underscores.",
        );
        check.require(
            seen.insert(id),
            field("lot_id"),
            "与其他标段重复。",
            "repeats another lot's.",
        );
        check.text(&lot.title, 200, &field("title"));
        for (name, fen) in [
            ("budget_fen", lot.budget_fen),
            ("ceiling_fen", lot.ceiling_fen),
            ("deposit_fen", lot.deposit_fen),
        ] {
            amount(check, &field(name), fen);
        }
    }
}

fn amount(check: &mut FieldCheck, field: &str, fen: i64) {
    check.require(
        (0..=MOST_FEN).contains(&fen),
        field,
        format!("应为0至{MOST_FEN}分。"),
        format!("must be 0 to {MOST_FEN} fen."),
    );
}

fn check_parts(check: &mut FieldCheck, parts: &[PartRequirement]) {
    check.require(
        (1..=MOST_PARTS).contains(&parts.len()),
        "tender.parts",
        format!("投标文件应由1至{MOST_PARTS}个部分组成。"),
        format!("must be 1 to {MOST_PARTS} parts."),
    );
    check.require(
        parts.iter().any(|part| part.part == 0),
        "tender.parts",
        "缺少第0部分（开标一览表）。",
        "lacks part 0, the opening sheet.",
    );
    // What the smallest content is sealed to.
    let least = padded_length(0).map_or(0, |padded| padded as i64 + TAG as i64);
    let mut seen = BTreeSet::new();
    for (at, part) in parts.iter().enumerate().take(MOST_PARTS) {
        let field = |name: &str| format!("tender.parts[{at}].{name}");
        check.require(
            (0..=255).contains(&part.part) && seen.insert(part.part),
            field("part"),
            "应为0至255且不重复。",
            "must be 0 to 255 and unlike the others.",
        );
        let sheet = part.class() == PartClass::OpeningSheet;
        check.require(
            part.class() != PartClass::Unspecified && sheet == (part.part == 0),
            field("class"),
            "第0部分应为开标一览表，其他部分应为评审或第二阶段文件。",
            "must be the opening sheet for part 0, and evaluation or second stage for the others.",
        );
        check.require(
            part.part != 0 || part.required,
            field("required"),
            "开标一览表必须提交。",
            "must be set for the opening sheet.",
        );
        check.text(&part.title, 100, &field("title"));
        check.require(
            (least..=MOST_PART_BYTES).contains(&part.max_bytes),
            field("max_bytes"),
            format!("应为{least}至{MOST_PART_BYTES}字节。"),
            format!("must be {least} to {MOST_PART_BYTES} bytes."),
        );
    }
}

fn check_sheet(check: &mut FieldCheck, sheet: &[SheetField]) {
    check.require(
        (1..=MOST_SHEET_FIELDS).contains(&sheet.len()),
        "tender.sheet",
        format!("开标一览表应有1至{MOST_SHEET_FIELDS}项。"),
        format!("must have 1 to {MOST_SHEET_FIELDS} fields."),
    );
    check.require(
        sheet
            .iter()
            .any(|field| field.r#type() == SheetFieldType::Amount),
        "tender.sheet",
        "开标一览表至少应有一项金额。",
        "must have at least one amount.",
    );
    let mut seen = BTreeSet::new();
    for (at, item) in sheet.iter().enumerate().take(MOST_SHEET_FIELDS) {
        let field = |name: &str| format!("tender.sheet[{at}].{name}");
        let key = item.key.as_str();
        let shaped = (1..=32).contains(&key.len())
            && key.starts_with(|c: char| c.is_ascii_lowercase())
            && key
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
        check.require(
            shaped,
            field("key"),
            "应以小写字母开头，由小写字母、数字、下划线组成，最多32个字符。",
            "must start with a lowercase letter and hold lowercase letters, digits and underscores only, 32 at most.",
        );
        check.require(
            seen.insert(key),
            field("key"),
            "与其他项重复。",
            "repeats another field's.",
        );
        check.text(&item.label_zh, 50, &field("label_zh"));
        check.text(&item.label_en, 100, &field("label_en"));
        check.require(
            item.r#type() != SheetFieldType::Unspecified,
            field("type"),
            "请选择金额、天数或文本。",
            "must be an amount, days or text.",
        );
    }
}

fn check_timetable(check: &mut FieldCheck, timetable: Option<&Timetable>) {
    let Some(times) = timetable else {
        check.require(false, "tender.timetable", "必填。", "is required.");
        return;
    };
    let deadline = times.bid_deadline_us;
    check.require(
        deadline > 0 && deadline % MICROS == 0,
        "tender.timetable.bid_deadline_us",
        "应为整秒时刻。",
        "must be a moment in whole seconds.",
    );
    check.require(
        times.document_from_us > 0 && times.document_from_us < times.document_until_us,
        "tender.timetable.document_until_us",
        "获取文件的截止时间应晚于开始时间。",
        "must be after document_from_us.",
    );
    check.require(
        times.document_until_us <= deadline,
        "tender.timetable.document_until_us",
        "获取文件的截止时间不应晚于投标截止时间。",
        "must not be after the deadline.",
    );
    check.require(
        times.announcement_until_us >= 0,
        "tender.timetable.announcement_until_us",
        "不得为负。",
        "must not be negative.",
    );
    check.require(
        (1..=MOST_OBJECTION_SECONDS).contains(&times.objection_window_seconds),
        "tender.timetable.objection_window_seconds",
        format!("应为1至{MOST_OBJECTION_SECONDS}秒。"),
        format!("must be 1 to {MOST_OBJECTION_SECONDS} seconds."),
    );
    check.require(
        (1..=MOST_VALIDITY_DAYS).contains(&times.bid_validity_days),
        "tender.timetable.bid_validity_days",
        format!("应为1至{MOST_VALIDITY_DAYS}日。"),
        format!("must be 1 to {MOST_VALIDITY_DAYS} days."),
    );
}

fn check_conditions(check: &mut FieldCheck, conditions: Option<&Conditions>) {
    let Some(conditions) = conditions else {
        check.require(false, "tender.conditions", "必填。", "is required.");
        return;
    };
    let field = |name: &str| format!("tender.conditions.{name}");
    for (name, text, most) in [
        ("plan_filing_number", &conditions.plan_filing_number, 100),
        ("method_approval", &conditions.method_approval, 100),
        ("not_reserved_reason", &conditions.not_reserved_reason, 500),
        ("urgent_reason", &conditions.urgent_reason, 500),
        (
            "similar_contracts_reason",
            &conditions.similar_contracts_reason,
            500,
        ),
    ] {
        check.optional_text(text, most, &field(name));
    }
    for (name, fen) in [
        ("document_price_fen", conditions.document_price_fen),
        (
            "suitable_for_small_enterprises_fen",
            conditions.suitable_for_small_enterprises_fen,
        ),
        ("reserved_fen", conditions.reserved_fen),
        ("reserved_for_small_fen", conditions.reserved_for_small_fen),
        (
            "yearly_sum_without_open_tender_fen",
            conditions
                .yearly_sum_without_open_tender_fen
                .unwrap_or_default(),
        ),
    ] {
        amount(check, &field(name), fen);
    }
    check.require(
        (0..=1000).contains(&conditions.similar_contracts_required),
        field("similar_contracts_required"),
        "应为0至1000。",
        "must be 0 to 1000.",
    );
    if let Some(survey) = &conditions.demand_survey {
        check.require(
            (0..=10_000).contains(&survey.objects),
            field("demand_survey.objects"),
            "应为0至10000。",
            "must be 0 to 10000.",
        );
        check.optional_text(&survey.covered_by, 500, &field("demand_survey.covered_by"));
    }
    for (at, form) in conditions.deposit_forms.iter().enumerate() {
        check.require(
            DepositForm::parse(form).is_some(),
            field(&format!("deposit_forms[{at}]")),
            "应为transfer、cheque、draft、promissory_note或guarantee。",
            "must be transfer, cheque, draft, promissory_note or guarantee.",
        );
    }
    for (at, name) in conditions.excluded_bidders.iter().enumerate() {
        let code = name.strip_prefix("organizations/").unwrap_or_default();
        check.require(
            CreditCode::parse(code).is_ok(),
            field(&format!("excluded_bidders[{at}]")),
            "应为“organizations/{统一社会信用代码}”。",
            "must be \"organizations/{credit_code}\".",
        );
    }
    let many = conditions
        .clauses
        .len()
        .max(conditions.scoring_factors.len());
    check.require(
        many <= MOST_CLAUSES,
        field("clauses"),
        format!("条款和评审因素各最多{MOST_CLAUSES}条。"),
        format!("has at most {MOST_CLAUSES} clauses and as many factors."),
    );
    for (at, clause) in conditions.clauses.iter().enumerate().take(MOST_CLAUSES) {
        check.require(
            clause.role() != ClauseRole::Unspecified,
            field(&format!("clauses[{at}].role")),
            "请选择条款类型。",
            "must name a role.",
        );
        check.text(&clause.text, 2_000, &field(&format!("clauses[{at}].text")));
        check.optional_text(
            &clause.answer,
            1_000,
            &field(&format!("clauses[{at}].answer")),
        );
    }
    for (at, factor) in conditions
        .scoring_factors
        .iter()
        .enumerate()
        .take(MOST_CLAUSES)
    {
        check.text(
            &factor.name,
            200,
            &field(&format!("scoring_factors[{at}].name")),
        );
    }
    for (at, medium) in conditions.media.iter().enumerate() {
        check.require(
            medium.kind() != MediumKind::Unspecified,
            field(&format!("media[{at}].kind")),
            "请选择媒体。",
            "must name a medium.",
        );
        check.text(&medium.name, 100, &field(&format!("media[{at}].name")));
    }
    for (name, list) in [
        ("guarantee_issuers", &conditions.guarantee_issuers),
        ("other_deposits", &conditions.other_deposits),
    ] {
        for (at, text) in list.iter().enumerate() {
            check.text(text, 100, &field(&format!("{name}[{at}]")));
        }
    }
}
