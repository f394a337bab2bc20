//! The story: intent, tender, ceremony, notice, deposits, sealed bids, the deadline, the opening,
//! the refunds, and the proof that all of it was right.

use std::{fs, io::Write, path::Path, time::Duration};

use anyhow::{Context as _, bail};
use ring::rand::{SecureRandom, SystemRandom};
use sunbid_contracts::{
    audit::v1::ListTrailRequest,
    common::v1::{Category, Track},
    deposit::v1::DepositState,
    notice::v1::{
        ListNoticesRequest, NoticeKind, PublishIntentRequest, PublishTenderNoticeRequest,
    },
    opening::v1::{
        AnswerObjectionRequest, CheckInRequest, CloseSessionRequest, RaiseObjectionRequest,
        WatchSessionRequest,
    },
    tender::v1::{
        CeremonyState, CheckTenderRequest, CreateTenderRequest, GetCeremonyRequest,
        GetTenderRequest, ReviewKind, ReviewTenderRequest, StartCeremonyRequest, Tender,
        TenderState, Timetable, UpdateTenderRequest,
    },
};
use sunbid_terms::{CreditCode, Fen, Instant};

use super::{
    cast::{HOLDERS, PURCHASER, Part, SUPPLIERS},
    money::{pay_deposit, wait_for},
    narration::Narrator,
    stage::Stage,
};
use crate::{
    commands::{bid, opening, tender as tenders, verify},
    connection::request_id,
    output,
    sealing::{SealedBid, Wish, seal_bid},
};

const DAY: i64 = 86_400;
const THRESHOLD: i32 = 3;

/// The demonstration's tender: two lots with deposits.
pub fn draft() -> anyhow::Result<Tender> {
    output::from_json(include_str!("tender.json"))
}

/// From intent to notice: a tender that takes bids.
pub async fn announced(
    stage: &Stage,
    narrator: &Narrator,
    draft: Tender,
) -> anyhow::Result<Tender> {
    let intent = publish_intent(stage, narrator).await?;
    let tender = prepare(stage, narrator, &intent, draft).await?;
    ceremony(stage, narrator, &tender).await?;
    announce(stage, narrator, &tender).await
}

/// The whole story.
pub async fn play(stage: &Stage, narrator: &Narrator, megabytes: u64) -> anyhow::Result<()> {
    let tender = announced(stage, narrator, draft()?).await?;
    let bids = bidding(stage, narrator, &tender, megabytes).await?;
    open(stage, narrator, &tender, &bids).await?;
    settle(stage, narrator, &tender).await?;
    supervise(stage, narrator, &tender).await?;
    prove(stage, narrator, &tender).await
}

async fn publish_intent(stage: &Stage, narrator: &Narrator) -> anyhow::Result<String> {
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
async fn prepare(
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

async fn ceremony(stage: &Stage, narrator: &Narrator, tender: &str) -> anyhow::Result<()> {
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

async fn announce(stage: &Stage, narrator: &Narrator, tender: &str) -> anyhow::Result<Tender> {
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

/// Deposits, sealing, submission, a replacement, a withdrawal, and what is refused.
async fn bidding(
    stage: &Stage,
    narrator: &Narrator,
    tender: &Tender,
    megabytes: u64,
) -> anyhow::Result<SealedBid> {
    narrator.act(
        "五、缴纳保证金、密封、投标",
        "5. Deposits, sealing, submission",
    );
    let [first, second, third, fourth, fifth] = &SUPPLIERS;
    let prices = ["2788000.00", "2650000.50", "2712345.67", "2590000.00"];
    for (supplier, price) in [first, second, third, fourth].into_iter().zip(prices) {
        let deposit = pay_deposit(stage, supplier, &tender.name, "01").await?;
        let sealed = make_bid(stage, supplier, tender, "01", price, 1, megabytes).await?;
        let receipt = submit(stage, supplier, &sealed).await?;
        narrator.sees(
            supplier.name,
            &format!(
                "保证金 {} 到账；已密封并投标，回执 / receipt {}",
                Fen::new(deposit.received_fen),
                hex::encode(&receipt.leaf[..8])
            ),
        );
    }
    // Lot 02 gets two bidders: it must fail and stay sealed for ever.
    for (supplier, price) in [(first, "1480000.00"), (second, "1455000.00")] {
        pay_deposit(stage, supplier, &tender.name, "02").await?;
        let sealed = make_bid(stage, supplier, tender, "02", price, 1, 1).await?;
        submit(stage, supplier, &sealed).await?;
    }
    narrator.line(
        "标段02只有两家投标（此刻除投标人自己外无人知道）。",
        "Lot 02 has two bidders (nobody but themselves knows yet).",
    );
    let sealed = make_bid(stage, third, tender, "01", "2699999.99", 2, megabytes).await?;
    submit(stage, third, &sealed).await?;
    narrator.sees(third.name, "以新版本替换了投标 / replaced its bid");
    bid::withdraw(&stage.of(fourth.profile).await?, &tender.name, "01").await?;
    narrator.sees(
        fourth.name,
        "截止前撤回了投标 / withdrew before the deadline",
    );
    let refund = wait_for(stage, fourth, &tender.name, "01", DepositState::Returned).await?;
    narrator.sees(
        fourth.name,
        &format!("保证金已退 / refunded {}", Fen::new(refund.refunded_fen)),
    );
    let unpaid = make_bid(stage, fifth, tender, "01", "2600000.00", 1, 1).await?;
    match submit(stage, fifth, &unpaid).await {
        Ok(_) => bail!("a bid without a deposit was taken"),
        Err(error) => narrator.sees(
            fifth.name,
            &format!("未缴保证金，被拒：{}", crate::exit::describe(&error)),
        ),
    }
    let request = sunbid_contracts::opening::v1::GetSessionRequest {
        tender: tender.name.clone(),
    };
    let session = stage
        .of(PURCHASER.profile)
        .await?
        .opening()
        .get_session(request)
        .await?
        .into_inner();
    let shown = serde_json::to_string(&output::to_json(&session.session.unwrap_or_default())?)?;
    narrator.sees(
        PURCHASER.name,
        &format!("开标前能看到的全部 / all it can see before the opening: {shown}"),
    );
    // Sealed in time, sent too late.
    make_bid(stage, fifth, tender, "02", "1400000.00", 1, 1).await
}

/// Seals a bid on a supplier's desk.
pub async fn make_bid(
    stage: &Stage,
    supplier: &Part,
    tender: &Tender,
    lot: &str,
    price: &str,
    revision: u32,
    megabytes: u64,
) -> anyhow::Result<SealedBid> {
    let desk = stage.desk(supplier.profile)?;
    let sheet = desk.join(format!("开标一览表-{lot}-{revision}.json"));
    let values = serde_json::json!({ "price": price, "period": "60", "quality": "符合国家标准" });
    fs::write(&sheet, serde_json::to_vec_pretty(&values)?)?;
    let file = desk.join(format!("投标文件-{lot}-{revision}.pdf"));
    write_random(&file, megabytes)?;
    let code = CreditCode::complete(supplier.code)?;
    let folder = desk.join(format!("sealed-{lot}-{revision}"));
    tokio::task::block_in_place(|| {
        seal_bid(&Wish {
            tender,
            lot_id: lot,
            bidder: code.as_str(),
            revision,
            parts: vec![(0, sheet), (1, file)],
            folder: &folder,
        })
    })
}

/// Submits what [`make_bid`] sealed, and keeps the receipt beside it.
pub async fn submit(
    stage: &Stage,
    supplier: &Part,
    sealed: &SealedBid,
) -> anyhow::Result<sunbid_contracts::bid::v1::Receipt> {
    let folder = stage
        .desk(supplier.profile)?
        .join(format!("sealed-{}-{}", sealed.lot_id, sealed.revision));
    let connection = stage.of(supplier.profile).await?;
    let receipt = bid::submit(&connection, &folder, sealed).await?.receipt;
    let receipt = receipt.context("the platform gave no receipt")?;
    let shown = serde_json::to_string_pretty(&output::to_json(&receipt)?)?;
    fs::write(folder.join("receipt.json"), shown)?;
    Ok(receipt)
}

async fn open(
    stage: &Stage,
    narrator: &Narrator,
    tender: &Tender,
    late: &SealedBid,
) -> anyhow::Result<()> {
    let deadline = Instant::from_micros(tender.timetable.unwrap_or_default().bid_deadline_us);
    narrator.act(
        "六、截止与不见面开标",
        "6. The deadline and the no-meeting opening",
    );
    // One daemon stays away and one lies: any three honest holders are enough.
    narrator.line(
        "公证处的守护进程今天离线，行业协会的守护进程给出假份额。",
        "The notary's daemon is away today; the association's daemon lies.",
    );
    let [_, _, notary, association] = &HOLDERS;
    stage.replace_trustee(notary, "--absent").await?;
    stage.replace_trustee(association, "--lie").await?;
    stage.advance(deadline.plus_seconds(-600)).await?;
    for supplier in &SUPPLIERS[..3] {
        let request = CheckInRequest {
            request_id: request_id(),
            tender: tender.name.clone(),
        };
        stage
            .of(supplier.profile)
            .await?
            .opening()
            .check_in(request)
            .await?;
    }
    let mut watcher = stage.of(PURCHASER.profile).await?.opening();
    stage.advance(deadline).await?;
    narrator.line(
        &format!("沙箱时钟到达 {deadline}"),
        &format!("the sandbox clock reaches {deadline}"),
    );
    let [.., fifth] = &SUPPLIERS;
    match submit(stage, fifth, late).await {
        Ok(_) => bail!("a bid after the deadline was taken"),
        Err(error) => narrator.sees(
            fifth.name,
            &format!("迟到的投标被拒：{}", crate::exit::describe(&error)),
        ),
    }
    let request = WatchSessionRequest {
        tender: tender.name.clone(),
    };
    let mut stream = watcher.watch_session(request).await?.into_inner();
    let follow = async {
        while let Some(answer) = stream.message().await? {
            let session = answer.session.unwrap_or_default();
            narrator.sees("开标大厅", &opening::line(&session));
            if opening::over(&session) {
                return Ok(session);
            }
        }
        bail!("the session ended before the record")
    };
    let session = tokio::time::timeout(Duration::from_secs(120), follow)
        .await
        .context("the opening did not end")??;
    for fault in &session.holder_faults {
        narrator.sees(
            "开标大厅",
            &format!(
                "{} {}",
                fault.organization,
                narrator.output().say(&fault.note_zh, &fault.note_en)
            ),
        );
    }
    let record = opening::record(&stage.of(PURCHASER.profile).await?, &tender.name).await?;
    narrator.sees("社会公众", &opening::show_record(&record));
    let took = record.opened_time_us.saturating_sub(record.deadline_us);
    narrator.line(
        &format!("截止到公开开标记录用时 {} 毫秒，无人到场。", took / 1000),
        &format!(
            "From the deadline to the public record: {} ms, nobody attending.",
            took / 1000
        ),
    );
    Ok(())
}

/// An objection with its answer, the end of the session, the refunds.
async fn settle(stage: &Stage, narrator: &Narrator, tender: &Tender) -> anyhow::Result<()> {
    narrator.act("七、异议、退款、公告", "7. Objection, refunds, notices");
    let [first, ..] = &SUPPLIERS;
    let request = RaiseObjectionRequest {
        request_id: request_id(),
        tender: tender.name.clone(),
        text: "请确认标段02流标后投标文件如何处理。".to_owned(),
    };
    let raised = stage
        .of(first.profile)
        .await?
        .opening()
        .raise_objection(request)
        .await?
        .into_inner();
    let objection = raised.objection.context("the platform gave no objection")?;
    narrator.sees(first.name, &objection.text);
    let request = AnswerObjectionRequest {
        request_id: request_id(),
        name: objection.name,
        answer: "流标标段的投标永不开启，保证金原路退还。".to_owned(),
    };
    let purchaser = stage.of(PURCHASER.profile).await?;
    let answered = purchaser
        .opening()
        .answer_objection(request)
        .await?
        .into_inner();
    narrator.sees(
        PURCHASER.name,
        &answered.objection.unwrap_or_default().answer,
    );
    let window = tender
        .timetable
        .unwrap_or_default()
        .objection_window_seconds;
    let after = stage.now().await?.plus_seconds(window + 1);
    stage.advance(after).await?;
    let request = CloseSessionRequest {
        request_id: request_id(),
        tender: tender.name.clone(),
    };
    stage
        .of(PURCHASER.profile)
        .await?
        .opening()
        .close_session(request)
        .await?;
    narrator.sees(PURCHASER.name, "开标结束 / session closed");
    let refund = wait_for(stage, first, &tender.name, "02", DepositState::Returned).await?;
    narrator.sees(
        first.name,
        &format!(
            "流标标段02的保证金已退 / lot 02 failed, refunded {}",
            Fen::new(refund.refunded_fen)
        ),
    );
    for _ in 0..100 {
        let request = ListNoticesRequest {
            tender: tender.name.clone(),
            ..Default::default()
        };
        let notices = stage
            .of(first.profile)
            .await?
            .notice()
            .list_notices(request)
            .await?
            .into_inner()
            .notices;
        if notices
            .iter()
            .any(|notice| notice.kind() == NoticeKind::OpeningRecord)
        {
            for notice in notices.iter().rev() {
                narrator.sees(
                    "社会公众",
                    &format!("{} {}", output::time(notice.publish_time_us), notice.title),
                );
            }
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    bail!("the opening record's notice did not appear")
}

async fn supervise(stage: &Stage, narrator: &Narrator, tender: &Tender) -> anyhow::Result<()> {
    narrator.act("八、监督", "8. Supervision");
    let [supervisor, ..] = &HOLDERS;
    let mut audit = stage.of(supervisor.profile).await?.audit();
    let (mut count, mut verdicts, mut page_token) = (0, 0, String::new());
    loop {
        let request = ListTrailRequest {
            tender: tender.name.clone(),
            page_size: 200,
            page_token,
        };
        let page = audit.list_trail(request).await?.into_inner();
        count += page.entries.len();
        verdicts += page
            .entries
            .iter()
            .map(|entry| entry.verdicts.len())
            .sum::<usize>();
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    narrator.sees(
        supervisor.name,
        &format!(
            "全程 {count} 条记录、{verdicts} 条规则判定 / {count} records, {verdicts} rule verdicts"
        ),
    );
    Ok(())
}

/// Verifies from public records alone, then shows that one changed byte is found.
async fn prove(stage: &Stage, narrator: &Narrator, tender: &Tender) -> anyhow::Result<()> {
    narrator.act("九、任何人都可以核验", "9. Anyone can verify");
    let folder = stage.desk("citizen")?.join("records");
    let anyone = stage.anyone().await?;
    verify::download(&anyone, &tender.name, &folder).await?;
    verify::check(&folder, None, &[], narrator.output())?;
    let file = folder.join("logs").join("bid.pb");
    let mut bytes = fs::read(&file)?;
    let middle = bytes.len() / 2;
    if let Some(byte) = bytes.get_mut(middle) {
        *byte ^= 1;
    }
    fs::write(&file, bytes)?;
    match verify::check(&folder, None, &[], narrator.output()) {
        Ok(_) => bail!("a changed byte was not found"),
        Err(_) => narrator.line(
            "改动公开记录中的一个字节：核验失败，如上所示。",
            "One byte of the public records was changed: verification fails, as shown.",
        ),
    }
    narrator.line(
        "少于 t 家（本例3家）具名机构合谋，任何人都不能提前开标；t 家合谋则可以，且不留痕迹。",
        "Nobody short of t (here 3) of the n named institutions can open a bid early; t of them together could, and would leave no trace.",
    );
    Ok(())
}

/// A file of random bytes: sealed bids do not compress, and neither shall the demonstration's.
fn write_random(path: &Path, megabytes: u64) -> anyhow::Result<()> {
    let random = SystemRandom::new();
    let mut file = std::io::BufWriter::new(fs::File::create(path)?);
    let mut chunk = vec![0; 1 << 20];
    for _ in 0..megabytes {
        random
            .fill(&mut chunk)
            .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
        file.write_all(&chunk)?;
    }
    file.flush()?;
    Ok(())
}
