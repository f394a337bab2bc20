//! What a notice and its document say of money, media and access (P15 to P17, P28 to P30).

use sunbid_terms::Fen;

use super::{Case, Ruling};
use crate::facts::{MediumKind, TenderNoticeFacts};

type Notice<'a> = Case<'a, TenderNoticeFacts>;

/// P15
pub(super) fn prices_are_open(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    if let Some((field, minimum)) = minimum_price(facts) {
        return Some(Ruling::breached(
            field,
            format!("设定了最低限价{minimum}元；不得设定最低限价，请删除。"),
            format!("A minimum price of {minimum} yuan is set; there may be none, remove it."),
        ));
    }
    if case.is_engineering() {
        let has_ceiling = facts.ceiling_price.is_some()
            || facts.lots.iter().any(|lot| lot.ceiling_price.is_some());
        return Some(if has_ceiling && !facts.ceiling_stated {
            Ruling::breached(
                "ceiling_stated",
                "设有最高投标限价，但招标文件没有写明限价或者其计算方法。",
                "There is a ceiling price, but the document states neither it nor how it is computed.",
            )
        } else {
            Ruling::satisfied(
                "没有最低限价；设有最高限价的已在招标文件中写明。",
                "There is no minimum price, and any ceiling price is stated in the document.",
            )
        });
    }
    let Some(budget) = facts.budget.filter(|budget| *budget > Fen::ZERO) else {
        return Some(Ruling::breached(
            "budget",
            "采购文件没有公开采购项目预算金额。",
            "The document does not publish the budget.",
        ));
    };
    if let Some(ceiling) = facts.ceiling_price {
        if ceiling > budget {
            return Some(Ruling::breached(
                "ceiling_price",
                format!("最高限价{ceiling}元超过预算{budget}元；应当在预算额度内设定。"),
                format!(
                    "The ceiling price of {ceiling} yuan exceeds the budget of {budget} yuan; it must lie within it."
                ),
            ));
        }
        if !facts.ceiling_stated {
            return Some(Ruling::breached(
                "ceiling_stated",
                format!("设定了最高限价{ceiling}元但没有公开。"),
                format!("A ceiling price of {ceiling} yuan is set but not published."),
            ));
        }
    }
    for (at, lot) in facts.lots.iter().enumerate() {
        if let Some(ceiling) = lot.ceiling_price.filter(|ceiling| *ceiling > lot.budget) {
            return Some(Ruling::breached(
                format!("lots[{at}].ceiling_price"),
                format!(
                    "第{}包最高限价{ceiling}元超过该包预算{}元。",
                    lot.number, lot.budget
                ),
                format!(
                    "The ceiling price of {ceiling} yuan of lot {} exceeds its budget of {} yuan.",
                    lot.number, lot.budget
                ),
            ));
        }
    }
    Some(Ruling::satisfied(
        format!("预算{budget}元已公开，没有最低限价。"),
        format!("The budget of {budget} yuan is published, and there is no minimum price."),
    ))
}

/// P16: the designated medium, one text.
pub(super) fn procurement_media(case: &Notice<'_>) -> Option<Ruling> {
    media(
        case.facts,
        &[
            MediumKind::ChinaGovernmentProcurement,
            MediumKind::ProvincialGovernmentProcurement,
        ],
        (
            "中国政府采购网或者其省级分网",
            "中国政府采购网 or its provincial site",
        ),
    )
}

/// P17: the designated medium, one text, no charge; for projects that must be tendered.
pub(super) fn tendering_media(case: &Notice<'_>) -> Option<Ruling> {
    if !case.facts.mandatory_tender {
        return Some(Ruling::not_applicable(
            "本项目不是依法必须招标的项目。",
            "This project need not be tendered by law.",
        ));
    }
    if let Some((at, medium)) = case
        .facts
        .media
        .iter()
        .enumerate()
        .find(|(_, medium)| medium.charges_reader_or_publisher)
    {
        return Some(Ruling::breached(
            format!("media[{at}]"),
            format!(
                "{}对公告发布或者查阅收费；依法必须招标项目的公告不得收费。",
                medium.name
            ),
            format!(
                "{} charges for publishing or reading; notices of mandatory tenders are free.",
                medium.name
            ),
        ));
    }
    media(
        case.facts,
        &[MediumKind::ChinaTendering, MediumKind::ProvincialTendering],
        (
            "中国招标投标公共服务平台或者省级平台",
            "中国招标投标公共服务平台 or the province's platform",
        ),
    )
}

fn media(
    facts: &TenderNoticeFacts,
    designated: &[MediumKind],
    (zh, en): (&str, &str),
) -> Option<Ruling> {
    let Some(first) = facts
        .media
        .iter()
        .find(|medium| designated.contains(&medium.kind))
    else {
        return Some(Ruling::breached(
            "media",
            format!("公告没有在{zh}发布。"),
            format!("The notice does not appear on {en}."),
        ));
    };
    let differing = facts
        .media
        .iter()
        .enumerate()
        .find(|(_, medium)| !medium.same_text);
    Some(match differing {
        Some((at, medium)) => Ruling::breached(
            format!("media[{at}]"),
            format!(
                "{}上的公告内容与其他媒体不一致；不同媒体的内容应当一致。",
                medium.name
            ),
            format!(
                "The notice on {} differs from the other media; the text must be the same everywhere.",
                medium.name
            ),
        ),
        None => Ruling::satisfied(
            format!("公告在{}发布，各媒体内容一致。", first.name),
            format!(
                "The notice appears on {}, with the same text in every medium.",
                first.name
            ),
        ),
    })
}

/// P28
pub(super) fn document_is_cheap(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let (allowed, allowed_zh, allowed_en) = if case.is_engineering() {
        (facts.document_cost, "成本", "its cost")
    } else {
        (Fen::ZERO, "免费", "nothing")
    };
    let prequalification = facts
        .prequalification
        .as_ref()
        .map(|prequalification| prequalification.file_price);
    let prices = [
        (
            "document_price",
            "采购文件",
            "tender document",
            Some(facts.document_price),
        ),
        (
            "prequalification.file_price",
            "资格预审文件",
            "prequalification file",
            prequalification,
        ),
    ];
    for (field, name_zh, name_en, price) in prices {
        if let Some(price) = price.filter(|price| *price > allowed) {
            return Some(Ruling::breached(
                field,
                format!("{name_zh}收费{price}元，最多只能收取{allowed}元（{allowed_zh}）。"),
                format!(
                    "The {name_en} costs {price} yuan; at most {allowed} yuan ({allowed_en}) may be charged."
                ),
            ));
        }
    }
    Some(Ruling::satisfied(
        format!("文件收费不超过{allowed}元（{allowed_zh}）。"),
        format!("The documents cost no more than {allowed} yuan ({allowed_en})."),
    ))
}

/// P29
pub(super) fn access_is_open(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    Some(if facts.registration_gate {
        Ruling::breached(
            "registration_gate",
            "获取文件前要求报名或者登记；请取消该门槛。",
            "Suppliers must register or apply before they get the document; remove the gate.",
        )
    } else if let Some(tool) = facts.required_tools.first() {
        Ruling::breached(
            "required_tools[0]",
            format!("要求购买指定的工具“{tool}”才能参加；请取消。"),
            format!("The named tool \"{tool}\" must be bought to take part; remove this."),
        )
    } else {
        Ruling::satisfied(
            "获取文件无需报名登记，也不要求购买指定工具。",
            "Nobody must register for the document or buy named tools.",
        )
    })
}

/// P30
pub(super) fn deposits_close_with_bids(case: &Notice<'_>) -> Option<Ruling> {
    let facts = case.facts;
    let deadline = facts.bid_deadline;
    if let Some(deposit) = facts.deposit.as_ref().filter(|one| one.due_at != deadline) {
        return Some(Ruling::breached(
            "deposit.due_at",
            format!(
                "保证金截止时间{}与投标截止时间{deadline}不一致；应当一致。",
                deposit.due_at
            ),
            format!(
                "Deposits close at {}, bids at {deadline}; both must close at the same time.",
                deposit.due_at
            ),
        ));
    }
    let day = deadline.china_date();
    let next = case.calendar.first_working_day_from(day);
    let ruling = if next.date == day {
        Ruling::satisfied(
            format!("投标截止时间{deadline}在工作日，保证金与投标同时截止。"),
            format!("Bids close at {deadline}, a working day, and deposits with them."),
        )
    } else {
        Ruling::breached(
            "bid_deadline",
            format!("投标截止日{day}不是工作日，建议改为{}。", next.date),
            format!(
                "Bids close on {day}, which is not a working day; {} would be better.",
                next.date
            ),
        )
        .softened()
    };
    Some(ruling.provisional(next.provisional))
}

fn minimum_price(facts: &TenderNoticeFacts) -> Option<(String, Fen)> {
    let whole = facts
        .minimum_price
        .map(|price| ("minimum_price".to_owned(), price));
    let mut lots = facts.lots.iter().enumerate();
    whole.or_else(|| {
        lots.find_map(|(at, lot)| {
            lot.minimum_price
                .map(|price| (format!("lots[{at}].minimum_price"), price))
        })
    })
}
