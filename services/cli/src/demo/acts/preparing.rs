//! From the intent to the notice: draft, reviews, the key ceremony, publication.

use std::{fs, time::Duration};

use anyhow::{Context as _, bail};
use sunbid_contracts::{
    common::v1::{Category, Track},
    notice::v1::{PublishIntentRequest, PublishTenderNoticeRequest},
    tender::v1::{
        CeremonyState, CheckTenderRequest, CreateTenderRequest, GetCeremonyRequest,
        GetTenderRequest, ReviewKind, ReviewTenderRequest, StartCeremonyRequest, Tender,
        TenderState, Timetable, UpdateTenderRequest,
    },
};
use sunbid_terms::{CreditCode, Instant};

use super::bidding::write_random;
use crate::demo::{
    cast::{HOLDERS, PURCHASER, Part},
    narration::Narrator,
    stage::Stage,
};
use crate::{commands::tender as tenders, connection::request_id, output};

const DAY: i64 = 86_400;

const THRESHOLD: i32 = 3;

pub(super) async fn publish_intent(stage: &Stage, narrator: &Narrator) -> anyhow::Result<String> {
    narrator.act("一、采购意向公开", "1. The procurement intent");
    let now = stage.now().await?;
    let intent = sunbid_contracts::notice::v1::Intent {
        track: Track::GovernmentProcurement as i32,
        category: Category::Goods as i32,
        jurisdiction: "CN-140602".to_owned(),
        title: "教学设备采购".to_owned(),
        demand: "采购教学设备两个标段，含运输、安装、调试和培训。".to_owned(),
        budget_fen: 500_000_000,
        planned_time_us: now.plus_seconds(40 * DAY).micros(),
        budget_approval_time_us: now.plus_seconds(-20 * DAY).micros(),
        ..Default::default()
    };
    let request = PublishIntentRequest {
        request_id: request_id(),
        intent: Some(intent),
    };
    let answer = stage
        .of(PURCHASER.profile)
        .await?
        .notice()
        .publish_intent(request)
        .await?
        .into_inner();
    let intent = answer.intent.context("the platform gave no intent")?;
    narrator.sees(PURCHASER.name, &format!("{} {}", intent.title, intent.name));
    narrator.sees(
        "规则",
        &output::verdicts(&answer.verdicts, narrator.output()),
    );
    Ok(intent.name)
}

/// Draft, document, dates, two reviews.
pub(super) async fn prepare(
    stage: &Stage,
    narrator: &Narrator,
    intent: &str,
    mut draft: Tender,
) -> anyhow::Result<String> {
    let later = stage.now().await?.plus_seconds(41 * DAY);
    stage.advance(later).await?;
    narrator.act("二、编制采购文件与审查", "2. Draft, documents and reviews");
    narrator.line(
        &format!("沙箱时钟拨到 {later}（意向公开满30日）"),
        &format!("the sandbox clock moves to {later} (30 days after the intent)"),
    );
    let purchaser = stage.of(PURCHASER.profile).await?;
    draft.intent = intent.to_owned();
    draft.timetable = Some(dates(&draft, later, later.plus_seconds(30 * DAY))?);
    let key = evaluators_key(stage)?;
    draft.evaluator_key = key;
    let request = CreateTenderRequest {
        request_id: request_id(),
        tender: Some(draft),
    };
    let created = purchaser
        .tender()
        .create_tender(request)
        .await?
        .into_inner()
        .tender;
    let created = created.context("the platform gave no tender")?;
    let name = created.name.clone();
    narrator.sees(
        PURCHASER.name,
        &format!("{} {} {}", created.title, created.deal_code, name),
    );

    let file = stage.desk(PURCHASER.profile)?.join("采购文件.pdf");
    write_random(&file, 2)?;
    tenders::upload(&purchaser, &name, &file, "application/pdf").await?;
    let request = CheckTenderRequest {
        name: name.clone(),
        publish_time_us: 0,
    };
    let check = purchaser.tender().check_tender(request).await?.into_inner();
    let earliest = check.earliest.context("the platform gave no dates")?;
    narrator.sees(
        "规则",
        &format!(
            "最早投标截止 / earliest lawful deadline: {}",
            output::time(earliest.bid_deadline_us)
        ),
    );
    let request = GetTenderRequest { name: name.clone() };
    let mut draft = purchaser
        .tender()
        .get_tender(request)
        .await?
        .into_inner()
        .tender
        .unwrap_or_default();
    let deadline =
        at_half_past_nine(Instant::from_micros(earliest.bid_deadline_us).plus_seconds(2 * DAY))?;
    draft.timetable = Some(Timetable {
        bid_deadline_us: deadline.micros(),
        ..dates(&draft, later, deadline)?
    });
    let request = UpdateTenderRequest {
        request_id: request_id(),
        tender: Some(draft),
    };
    purchaser.tender().update_tender(request).await?;
    let reviewer = stage.of("reviewer").await?;
    for (kind, conclusion) in [
        (
            ReviewKind::Internal,
            "非歧视性、竞争性、采购政策、履约风险审查通过。",
        ),
        (ReviewKind::FairCompetition, "未发现排除、限制竞争的内容。"),
    ] {
        let request = ReviewTenderRequest {
            request_id: request_id(),
            name: name.clone(),
            kind: kind as i32,
            passed: true,
            conclusion: conclusion.to_owned(),
        };
        reviewer.tender().review_tender(request).await?;
        narrator.sees("审查人", conclusion);
    }
    Ok(name)
}

/// The evaluators' key pair; the purchaser keeps the secret on its own desk.
fn evaluators_key(stage: &Stage) -> anyhow::Result<Vec<u8>> {
    let secret = sunbid_sealing::SecretScalar::random(&mut sunbid_sealing::OsRng)?;
    let file = stage.desk(PURCHASER.profile)?.join("evaluators.key");
    fs::write(file, hex::encode(secret.to_bytes()))?;
    Ok(secret.public().as_bytes().to_vec())
}

fn dates(draft: &Tender, from: Instant, deadline: Instant) -> anyhow::Result<Timetable> {
    let known = draft.timetable.unwrap_or_default();
    Ok(Timetable {
        document_from_us: from.micros() / 1_000_000 * 1_000_000,
        document_until_us: at_half_past_nine(deadline.plus_seconds(-DAY))?.micros(),
        bid_deadline_us: at_half_past_nine(deadline)?.micros(),
        announcement_until_us: at_half_past_nine(deadline.plus_seconds(-DAY))?.micros(),
        ..known
    })
}

fn at_half_past_nine(day: Instant) -> anyhow::Result<Instant> {
    Instant::from_china(day.china_date(), 9, 30, 0).context("every day has a half past nine")
}

pub(super) async fn ceremony(
    stage: &Stage,
    narrator: &Narrator,
    tender: &str,
) -> anyhow::Result<()> {
    narrator.act("三、密钥仪式", "3. The key ceremony");
    let holders: Vec<&Part> = [&PURCHASER].into_iter().chain(&HOLDERS).collect();
    for holder in &holders {
        stage.start_trustee(holder, "").await?;
    }
    narrator.line(
        "五家机构各自运行持钥守护进程；没有任何一方持有完整私钥，任意三家才能开标。",
        "Five institutions run their own daemons; nobody ever has the whole key, any three open.",
    );
    let mut names = Vec::new();
    for holder in &holders {
        names.push(format!(
            "organizations/{}",
            CreditCode::complete(holder.code)?
        ));
    }
    let purchaser = stage.of(PURCHASER.profile).await?;
    let request = StartCeremonyRequest {
        request_id: request_id(),
        name: tender.to_owned(),
        holders: names,
        threshold: THRESHOLD,
    };
    purchaser.tender().start_ceremony(request).await?;
    for _ in 0..1200 {
        let request = GetCeremonyRequest {
            tender: tender.to_owned(),
        };
        let ceremony = purchaser
            .tender()
            .get_ceremony(request)
            .await?
            .into_inner()
            .ceremony;
        let ceremony = ceremony.unwrap_or_default();
        match ceremony.state() {
            CeremonyState::Done => {
                narrator.sees(
                    "密钥仪式",
                    &format!(
                        "{} 条签名消息，试开标通过 / {} signed messages, rehearsal opened",
                        ceremony.messages.len(),
                        ceremony.messages.len()
                    ),
                );
                return Ok(());
            }
            CeremonyState::Failed => bail!("the ceremony failed: {}", ceremony.fault),
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    bail!("the ceremony did not end")
}

pub(super) async fn announce(
    stage: &Stage,
    narrator: &Narrator,
    tender: &str,
) -> anyhow::Result<Tender> {
    narrator.act("四、发布招标公告", "4. The tender notice");
    let purchaser = stage.of(PURCHASER.profile).await?;
    let request = PublishTenderNoticeRequest {
        request_id: request_id(),
        tender: tender.to_owned(),
    };
    let answer = purchaser
        .notice()
        .publish_tender_notice(request)
        .await?
        .into_inner();
    let notice = answer.notice.context("the platform gave no notice")?;
    narrator.sees("社会公众", &notice.title);
    narrator.sees(
        "规则",
        &output::verdicts(&answer.verdicts, narrator.output()),
    );
    let announced = wait_for_state(stage, tender, TenderState::Announced).await?;
    let deadline = announced.timetable.unwrap_or_default().bid_deadline_us;
    narrator.sees(
        "社会公众",
        &format!(
            "投标截止即开标 / deadline and opening: {}",
            output::time(deadline)
        ),
    );
    Ok(announced)
}

/// Waits until a tender stands in `state`.
pub async fn wait_for_state(
    stage: &Stage,
    tender: &str,
    state: TenderState,
) -> anyhow::Result<Tender> {
    for _ in 0..400 {
        let request = GetTenderRequest {
            name: tender.to_owned(),
        };
        let mut tenders = stage.of(PURCHASER.profile).await?.tender();
        let known = tenders
            .get_tender(request)
            .await?
            .into_inner()
            .tender
            .unwrap_or_default();
        if known.state() == state {
            return Ok(known);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the tender did not become {}", state.as_str_name())
}
