//! The notices' texts, Chinese and English, from what is on record. Each function gives title,
//! Chinese text and English text; the same record always gives the same text.

use std::fmt::Write;

use sunbid_contracts::{
    bid::v1::{DeadlineMovedByOutage, Outage},
    common::v1::Track,
    notice::v1::{Clarification, Intent},
    opening::v1::{EnvelopeFault, OpeningLine, OpeningRecord},
    tender::v1::{Conditions, Lot, SheetFieldType, Tender},
};
use sunbid_rules::facts::DepositForm;
use sunbid_terms::{Fen, Instant};

use super::facts;

/// Title, Chinese text, English text.
pub type Text = (String, String, String);

/// A text in both languages while it grows.
#[derive(Default)]
struct Page {
    zh: String,
    en: String,
}

impl Page {
    fn line(&mut self, zh: impl AsRef<str>, en: impl AsRef<str>) -> &mut Self {
        // Writing to a String cannot fail.
        let _ = writeln!(self.zh, "{}", zh.as_ref());
        let _ = writeln!(self.en, "{}", en.as_ref());
        self
    }

    fn titled(self, title: String) -> Text {
        (title, self.zh, self.en)
    }
}

fn time_zh(us: i64) -> String {
    Instant::from_micros(us)
        .in_china()
        .format("%Y年%m月%d日%H时%M分%S秒（北京时间）")
        .to_string()
}

fn time_en(us: i64) -> String {
    format!(
        "{} (Beijing time)",
        Instant::from_micros(us)
            .in_china()
            .format("%Y-%m-%d %H:%M:%S")
    )
}

fn yuan(fen: i64) -> Fen {
    Fen::new(fen)
}

fn head(page: &mut Page, tender: &Tender) {
    page.line(
        format!("项目名称：{}", tender.title),
        format!("Project: {}", tender.title),
    )
    .line(
        format!("统一交易标识码：{}", tender.deal_code),
        format!("Transaction code: {}", tender.deal_code),
    )
    .line(
        format!("{}：{}", buyer_zh(tender), tender.purchaser_display_name),
        format!("Purchaser: {}", tender.purchaser_display_name),
    );
}

fn buyer_zh(tender: &Tender) -> &'static str {
    if tender.track() == Track::Engineering {
        "招标人"
    } else {
        "采购人"
    }
}

/// 采购意向公开.
pub fn intent(intent: &Intent) -> Text {
    let mut page = Page::default();
    let planned = Instant::from_micros(intent.planned_time_us).in_china();
    page.line(
        format!("采购单位：{}", intent.purchaser_display_name),
        format!("Purchaser: {}", intent.purchaser_display_name),
    )
    .line(
        format!("采购项目名称：{}", intent.title),
        format!("Project: {}", intent.title),
    )
    .line(
        format!("采购需求概况：{}", intent.demand),
        format!("Demand: {}", intent.demand),
    )
    .line(
        format!("预算金额：{}元", yuan(intent.budget_fen)),
        format!("Budget: {} yuan", yuan(intent.budget_fen)),
    )
    .line(
        format!("预计采购时间：{}", planned.format("%Y年%m月")),
        format!("Expected time: {}", planned.format("%Y-%m")),
    );
    if !intent.urgent_reason.is_empty() {
        page.line(
            format!("紧急采购原因：{}", intent.urgent_reason),
            format!("Reason of urgency: {}", intent.urgent_reason),
        );
    }
    page.line(
        "本次公开的采购意向是采购工作的初步安排，具体采购项目情况以相关采购公告和采购文件为准。",
        "This intent is a first arrangement; the notice and the documents are what counts.",
    );
    page.titled(format!("{}采购意向公开", intent.title))
}

/// 采购公告 / 招标公告.
pub fn tender(tender: &Tender) -> Text {
    let mut page = Page::default();
    let method = facts::method(tender.method());
    let times = tender.timetable.unwrap_or_default();
    let conditions = tender.conditions.clone().unwrap_or_default();
    page.line("一、项目概况", "1. The project");
    head(&mut page, tender);
    page.line(
        format!("采购方式：{}", method.zh()),
        format!("Method: {}", method.en()),
    );
    if !tender.intent.is_empty() {
        page.line(
            format!("采购意向：{}", tender.intent),
            format!("Intent: {}", tender.intent),
        );
    }
    if !conditions.plan_filing_number.is_empty() {
        page.line(
            format!("采购实施计划备案号：{}", conditions.plan_filing_number),
            format!("Implementation plan: {}", conditions.plan_filing_number),
        );
    }
    page.line(
        "二、标段（包）、预算与最高限价",
        "2. Lots, budgets and ceiling prices",
    );
    for item in &tender.lots {
        lot(&mut page, tender, item);
    }
    page.line("三、资格要求与政策", "3. Qualifications and policies");
    terms(&mut page, &conditions);
    page.line("四、获取文件", "4. Documents").line(
        format!(
            "获取时间：{}至{}。文件在本平台直接下载，无需报名、登录，{}。",
            time_zh(times.document_from_us),
            time_zh(times.document_until_us),
            price_zh(conditions.document_price_fen)
        ),
        format!(
            "From {} to {}. To be downloaded here by anybody without registration, {}.",
            time_en(times.document_from_us),
            time_en(times.document_until_us),
            price_en(conditions.document_price_fen)
        ),
    );
    for document in &tender.documents {
        let line = format!(
            "{} SHA-256 {}",
            document.file_name,
            document
                .sha256
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect::<String>()
        );
        page.line(&line, &line);
    }
    if times.announcement_until_us > 0 {
        page.line(
            format!("公告期限至：{}", time_zh(times.announcement_until_us)),
            format!(
                "The notice stands until {}.",
                time_en(times.announcement_until_us)
            ),
        );
    }
    page.line("五、投标截止时间与开标", "5. Deadline and opening")
        .line(
            format!(
                "投标（响应）截止时间即开标时间：{}。逾期提交的不予接收。投标有效期：自截止之日起{}日。",
                time_zh(times.bid_deadline_us),
                times.bid_validity_days
            ),
            format!(
                "Bids are taken until {}, when the opening begins; later ones are not taken. Bids bind for {} days from then.",
                time_en(times.bid_deadline_us),
                times.bid_validity_days
            ),
        )
        .line(
            "开标方式：不见面开标。投标人无需到场，也无需解密；未签到不影响投标效力。",
            "The opening is held online. Bidders need neither attend nor decrypt; absence costs nobody their bid.",
        );
    holders(&mut page, tender);
    page.line("七、提问与异议", "7. Questions and objections").line(
        "对文件有疑问的，可在截止前通过本平台提问，提问人不对他人显示；答复以澄清公告公开。",
        "Questions are asked here before the deadline; nobody else sees who asked, and answers are published as clarifications.",
    );
    page.titled(format!("{}{}公告", tender.title, method.zh()))
}

fn price_zh(fen: i64) -> String {
    if fen == 0 {
        "免费".to_owned()
    } else {
        format!("售价{}元", yuan(fen))
    }
}

fn price_en(fen: i64) -> String {
    if fen == 0 {
        "free of charge".to_owned()
    } else {
        format!("for {} yuan", yuan(fen))
    }
}

fn lot(page: &mut Page, tender: &Tender, lot: &Lot) {
    let (name_zh, name_en) = if tender.track() == Track::Engineering {
        ("估算价", "estimated price")
    } else {
        ("预算金额", "budget")
    };
    let mut zh = format!(
        "标段（包）{} {}：{name_zh}{}元",
        lot.lot_id,
        lot.title,
        yuan(lot.budget_fen)
    );
    let mut en = format!(
        "Lot {} {}: {name_en} {} yuan",
        lot.lot_id,
        lot.title,
        yuan(lot.budget_fen)
    );
    if lot.ceiling_fen > 0 {
        let _ = write!(zh, "，最高限价{}元", yuan(lot.ceiling_fen));
        let _ = write!(en, ", ceiling price {} yuan", yuan(lot.ceiling_fen));
    }
    if lot.deposit_fen > 0 {
        let _ = write!(zh, "，投标保证金{}元", yuan(lot.deposit_fen));
        let _ = write!(en, ", bid deposit {} yuan", yuan(lot.deposit_fen));
    }
    page.line(zh, en);
}

fn terms(page: &mut Page, conditions: &Conditions) {
    if conditions.consortium_allowed {
        page.line("接受联合体投标。", "Consortia are accepted.");
    } else {
        page.line("不接受联合体投标。", "Consortia are not accepted.");
    }
    if conditions.reserved_for_small_enterprises {
        page.line(
            "本项目专门面向中小企业采购。",
            "Reserved for small and medium enterprises.",
        );
    } else if conditions.reserved_fen > 0 {
        page.line(
            format!(
                "预留给中小企业的份额：{}元。",
                yuan(conditions.reserved_fen)
            ),
            format!(
                "Share reserved for small and medium enterprises: {} yuan.",
                yuan(conditions.reserved_fen)
            ),
        );
    } else if !conditions.not_reserved_reason.is_empty() {
        page.line(
            format!(
                "未预留中小企业份额的理由：{}。",
                conditions.not_reserved_reason
            ),
            format!(
                "Nothing is reserved for small enterprises because: {}.",
                conditions.not_reserved_reason
            ),
        );
    }
    let forms = facts::deposit_forms(conditions);
    let zh: Vec<&str> = forms.iter().map(|form| form.zh()).collect();
    let en: Vec<&str> = forms.iter().map(|form| DepositForm::en(*form)).collect();
    page.line(
        format!("要求保证金的，可采用：{}；与投标同时截止。", zh.join("、")),
        format!(
            "Deposits, where asked, by {}; due with the bids.",
            en.join(", ")
        ),
    );
    use sunbid_contracts::tender::v1::ClauseRole;
    let qualifications = conditions
        .clauses
        .iter()
        .filter(|c| c.role() == ClauseRole::Qualification);
    for (number, clause) in (1..).zip(qualifications) {
        page.line(
            format!("资格要求{number}：{}", clause.text),
            format!("Qualification {number}: {}", clause.text),
        );
    }
}

fn holders(page: &mut Page, tender: &Tender) {
    let (count, threshold) = (tender.holders.len(), tender.threshold);
    page.line("六、投标文件的密封", "6. How bids are sealed")
        .line(
            format!("投标文件以本项目公钥加密，公钥由下列{count}家机构共同生成，任何一家都不持有完整密钥："),
            format!("Bids are sealed to a key that these {count} institutions made together and none of them has whole:"),
        );
    for holder in &tender.holders {
        let line = format!(
            "{}. {}（{}）",
            holder.index, holder.display_name, holder.organization
        );
        let en = format!(
            "{}. {} ({})",
            holder.index, holder.display_name, holder.organization
        );
        page.line(line, en);
    }
    page.line(
        format!(
            "截止后须有其中{threshold}家共同作出解密份额才能开启。需要说明的是：如其中{threshold}家以上串通，可以提前阅读投标文件且不留痕迹；少于{threshold}家则不能。"
        ),
        format!(
            "After the deadline {threshold} of them must act together to open. To be plain: {threshold} or more of them in collusion could read bids early without a trace; fewer than {threshold} cannot."
        ),
    );
}

/// 澄清或修改 / 更正公告.
pub fn clarification(tender: &Tender, clarification: &Clarification) -> Text {
    let mut page = Page::default();
    head(&mut page, tender);
    page.line(
        format!("澄清（修改）内容：{}", clarification.text),
        format!("Clarification: {}", clarification.text),
    );
    if clarification.affects_bids {
        page.line(
            "本次内容可能影响投标文件编制。",
            "This may affect how bids are made.",
        );
    }
    let (old, new) = (clarification.old_deadline_us, clarification.new_deadline_us);
    if new == old {
        page.line(
            format!("投标截止时间不变：{}。", time_zh(old)),
            format!("The deadline stays {}.", time_en(old)),
        );
    } else {
        page.line(
            format!(
                "投标截止时间（开标时间）由{}顺延至{}。",
                time_zh(old),
                time_zh(new)
            ),
            format!(
                "The deadline and the opening move from {} to {}.",
                time_en(old),
                time_en(new)
            ),
        );
    }
    page.titled(format!("{}澄清（更正）公告", tender.title))
}

/// 暂停.
pub fn suspension(tender: &Tender, reason: &str) -> Text {
    let mut page = Page::default();
    head(&mut page, tender);
    page.line(format!("暂停原因：{reason}"), format!("Reason: {reason}")).line(
        "暂停期间不接收投标、不开标，期限停止计算；恢复后投标截止时间相应顺延。",
        "While it is suspended no bids are taken, nothing is opened and the clocks stand still; the deadline will move accordingly.",
    );
    page.titled(format!("{}暂停公告", tender.title))
}

/// 恢复.
pub fn resumption(tender: &Tender, reason: &str, deadline: Instant) -> Text {
    let mut page = Page::default();
    head(&mut page, tender);
    page.line(format!("恢复说明：{reason}"), format!("Reason: {reason}"))
        .line(
            format!(
                "项目恢复进行，投标截止时间（开标时间）为{}。",
                time_zh(deadline.micros())
            ),
            format!(
                "The tender goes on; the deadline and the opening are at {}.",
                time_en(deadline.micros())
            ),
        );
    page.titled(format!("{}恢复公告", tender.title))
}

/// 停机顺延公告.
pub fn outage(tender: &Tender, outage: &Outage, moved: &DeadlineMovedByOutage) -> Text {
    let mut page = Page::default();
    head(&mut page, tender);
    let (rule, maintenance) = match &outage.maintenance {
        None => ("T1", String::new()),
        Some(announced) => ("T1/T2", announced.reason.clone()),
    };
    page.line(
        format!(
            "平台自{}至{}不能接收投标（第{}号停机记录）。",
            time_zh(outage.from_us),
            time_zh(outage.until_us),
            outage.seq
        ),
        format!(
            "The platform could not take bids from {} to {} (record {} of the intake log).",
            time_en(outage.from_us),
            time_en(outage.until_us),
            outage.seq
        ),
    );
    if !maintenance.is_empty() {
        page.line(
            format!("事先公布的维护：{maintenance}"),
            format!("Announced maintenance: {maintenance}"),
        );
    }
    page.line(
        format!(
            "按事先公布的停机顺延规则{rule}，投标截止时间（开标时间）由{}自动顺延至{}。",
            time_zh(moved.old_deadline_us),
            time_zh(moved.new_deadline_us)
        ),
        format!(
            "By the published rule on outages, {rule}, the deadline and the opening move from {} to {}.",
            time_en(moved.old_deadline_us),
            time_en(moved.new_deadline_us)
        ),
    )
    .line(
        "已提交的投标继续有效，在新的截止时间之前可以更换或撤回。",
        "Bids that were submitted stand; until the new deadline they may be replaced or withdrawn.",
    );
    page.titled(format!("{}投标截止时间顺延公告", tender.title))
}

/// 终止公告.
pub fn termination(tender: &Tender, reason: &str) -> Text {
    let mut page = Page::default();
    head(&mut page, tender);
    page.line(format!("终止原因：{reason}"), format!("Reason: {reason}"))
        .line(
            "已提交的投标文件不予开启；已交纳的保证金按规定退还。",
            "Bids that were submitted are never opened; deposits are refunded.",
        );
    page.titled(format!("{}终止公告", tender.title))
}

/// 流标公告. Says which lots, never how many bid.
pub fn failure(tender: &Tender, lots: &[&str], all: bool) -> Text {
    let mut page = Page::default();
    head(&mut page, tender);
    let listed = |separator: &str| {
        let known = |id: &&str| {
            let lot = tender.lots.iter().find(|lot| lot.lot_id == **id);
            lot.map_or_else(|| (*id).to_owned(), |lot| format!("{id} {}", lot.title))
        };
        lots.iter().map(known).collect::<Vec<_>>().join(separator)
    };
    page.line(
        format!("至投标截止时间，以下标段（包）的投标人不足三家，依法不予开标：{}。", listed("、")),
        format!("At the deadline these lots had fewer than three bidders and are not opened by law: {}.", listed("; ")),
    )
    .line(
        "相关投标文件不予开启；已交纳的保证金按规定退还。",
        "Their bids are never opened; deposits are refunded.",
    );
    if !all {
        page.line("其他标段（包）照常开标。", "The other lots are opened.");
    }
    page.titled(format!("{}流标公告", tender.title))
}

/// 开标记录.
pub fn opening_record(tender: &Tender, record: &OpeningRecord) -> Text {
    let mut page = Page::default();
    head(&mut page, tender);
    page.line(
        format!("投标截止时间：{}", time_zh(record.deadline_us)),
        format!("Deadline: {}", time_en(record.deadline_us)),
    )
    .line(
        format!("开标时间：{}", time_zh(record.opened_time_us)),
        format!("Opened: {}", time_en(record.opened_time_us)),
    );
    for lot in &record.lots {
        if lot.failed {
            page.line(
                format!(
                    "标段（包）{} {}：投标人不足三家，不予开标。",
                    lot.lot_id, lot.title
                ),
                format!(
                    "Lot {} {}: fewer than three bidders, not opened.",
                    lot.lot_id, lot.title
                ),
            );
            continue;
        }
        page.line(
            format!(
                "标段（包）{} {}：投标人{}家。",
                lot.lot_id, lot.title, lot.bidders
            ),
            format!("Lot {} {}: {} bidders.", lot.lot_id, lot.title, lot.bidders),
        );
        let mut header = vec!["序号".to_owned(), "投标人".to_owned()];
        let mut header_en = vec!["No.".to_owned(), "Bidder".to_owned()];
        header.extend(
            tender
                .sheet
                .iter()
                .map(|field| unit_zh(&field.label_zh, field.r#type())),
        );
        header_en.extend(
            tender
                .sheet
                .iter()
                .map(|field| unit_en(&field.label_en, field.r#type())),
        );
        page.line(header.join(" | "), header_en.join(" | "));
        for line in &lot.lines {
            page.line(
                row(tender, line, &line.fault_note_zh),
                row(tender, line, &line.fault_note_en),
            );
        }
    }
    for fault in &record.holder_faults {
        page.line(
            format!("密钥持有机构{}：{}", fault.organization, fault.note_zh),
            format!("Holder {}: {}", fault.organization, fault.note_en),
        );
    }
    page.line(
        "对开标有异议的，应在异议期内通过本平台提出。",
        "Objections to the opening are raised here while they are open.",
    );
    page.titled(format!("{}开标记录", tender.title))
}

fn unit_zh(label: &str, kind: SheetFieldType) -> String {
    match kind {
        SheetFieldType::Amount => format!("{label}（元）"),
        SheetFieldType::Days => format!("{label}（日）"),
        _ => label.to_owned(),
    }
}

fn unit_en(label: &str, kind: SheetFieldType) -> String {
    match kind {
        SheetFieldType::Amount => format!("{label} (yuan)"),
        SheetFieldType::Days => format!("{label} (days)"),
        _ => label.to_owned(),
    }
}

fn row(tender: &Tender, line: &OpeningLine, fault_note: &str) -> String {
    let mut cells = vec![line.position.to_string(), line.bidder_display_name.clone()];
    if line.fault() == EnvelopeFault::None || line.fault() == EnvelopeFault::Unspecified {
        for field in &tender.sheet {
            let value = line.values.iter().find(|value| value.key == field.key);
            cells.push(value.map_or_else(|| "-".to_owned(), |value| value.value.clone()));
        }
    } else {
        cells.push(fault_note.to_owned());
    }
    // A cell cannot break the table.
    cells
        .iter()
        .map(|cell| cell.replace(['\n', '\r', '|'], " "))
        .collect::<Vec<_>>()
        .join(" | ")
}
