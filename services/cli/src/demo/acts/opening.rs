//! After the deadline: the opening, the refunds, the supervisor's look, and the proof.

use std::{fs, time::Duration};

use anyhow::{Context as _, bail};
use sunbid_contracts::{
    audit::v1::ListTrailRequest,
    deposit::v1::DepositState,
    notice::v1::{ListNoticesRequest, NoticeKind},
    opening::v1::{
        AnswerObjectionRequest, CheckInRequest, CloseSessionRequest, RaiseObjectionRequest,
        WatchSessionRequest,
    },
    tender::v1::Tender,
};
use sunbid_terms::{Fen, Instant};

use super::bidding::submit;
use crate::demo::{
    cast::{HOLDERS, PURCHASER, SUPPLIERS},
    money::wait_for,
    narration::Narrator,
    stage::Stage,
};
use crate::{
    commands::{opening, verify},
    connection::request_id,
    output,
    sealing::SealedBid,
};

pub(super) async fn open(
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
pub(super) async fn settle(
    stage: &Stage,
    narrator: &Narrator,
    tender: &Tender,
) -> anyhow::Result<()> {
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

pub(super) async fn supervise(
    stage: &Stage,
    narrator: &Narrator,
    tender: &Tender,
) -> anyhow::Result<()> {
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
pub(super) async fn prove(
    stage: &Stage,
    narrator: &Narrator,
    tender: &Tender,
) -> anyhow::Result<()> {
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
