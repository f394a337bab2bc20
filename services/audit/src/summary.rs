//! A record of any service in one sentence, for people who read trails.

use prost::Message;
use sunbid_contracts::{
    audit::v1::LossDeclared, bid, common::v1::Record, deposit, notice, opening, tender,
};
use sunbid_terms::{Fen, Instant};

/// The sentence in Chinese and in English.
pub fn of(record: &Record) -> (String, String) {
    let bytes = record.event.as_slice();
    let name = record.r#type.trim_start_matches("sunbid.");
    let detail = match name {
        "tender.v1.TenderReviewed" => tender::v1::TenderReviewed::decode(bytes)
            .ok()
            .and_then(|event| event.review)
            .map(|review| review.conclusion),
        "tender.v1.CeremonyMessagePosted" => tender::v1::CeremonyMessagePosted::decode(bytes)
            .ok()
            .and_then(|event| event.message)
            .map(|message| format!("round {} holder {}", message.round, message.index)),
        "tender.v1.TenderSuspended" => tender::v1::TenderSuspended::decode(bytes)
            .ok()
            .and_then(|event| event.hold)
            .map(|hold| hold.reason),
        "tender.v1.TenderTerminated" => tender::v1::TenderTerminated::decode(bytes)
            .ok()
            .map(|event| event.reason),
        "notice.v1.ClarificationPublished" => notice::v1::ClarificationPublished::decode(bytes)
            .ok()
            .and_then(|event| event.notice?.clarification)
            .map(|clarification| clarification.text),
        "deposit.v1.CreditReceived" => deposit::v1::CreditReceived::decode(bytes)
            .ok()
            .map(|event| format!("{} CNY", Fen::new(event.amount_fen))),
        "bid.v1.BidSubmitted" => bid::v1::BidSubmitted::decode(bytes)
            .ok()
            .and_then(|event| event.bid)
            .map(|bid| {
                format!(
                    "{} lot {} revision {}",
                    bid.bidder, bid.lot_id, bid.revision
                )
            }),
        "bid.v1.DeadlineMoved" => bid::v1::DeadlineMoved::decode(bytes)
            .ok()
            .map(|event| Instant::from_micros(event.new_deadline_us).to_string()),
        "bid.v1.DeadlineMovedByOutage" => bid::v1::DeadlineMovedByOutage::decode(bytes)
            .ok()
            .map(|event| Instant::from_micros(event.new_deadline_us).to_string()),
        "bid.v1.BiddingClosed" => bid::v1::BiddingClosed::decode(bytes)
            .ok()
            .map(|event| format!("{} entries", event.entries.len())),
        "opening.v1.ClosingSigned" => opening::v1::ClosingSigned::decode(bytes)
            .ok()
            .and_then(|event| event.signature)
            .map(|signature| format!("holder {}", signature.index)),
        "opening.v1.SharesAccepted" => opening::v1::SharesAccepted::decode(bytes)
            .ok()
            .and_then(|event| event.shares)
            .map(|shares| format!("holder {}", shares.index)),
        "opening.v1.SharesRefused" => opening::v1::SharesRefused::decode(bytes)
            .ok()
            .map(|event| event.reason),
        "audit.v1.LossDeclared" => LossDeclared::decode(bytes).ok().map(|event| {
            format!(
                "{} / {}: {}",
                event.restored_size, event.witnessed_size, event.reason
            )
        }),
        _ => None,
    };
    let (zh, en) = words(name);
    match detail {
        Some(detail) => (format!("{zh}：{detail}"), format!("{en}: {detail}")),
        None => (zh.to_owned(), en.to_owned()),
    }
}

fn words(name: &str) -> (&str, &str) {
    match name {
        "notice.v1.IntentPublished" => ("采购意向公开", "Intent published"),
        "notice.v1.TenderNoticePublished" => ("采购/招标公告发布", "Tender notice published"),
        "notice.v1.ClarificationPublished" => ("澄清或修改发布", "Clarification published"),
        "notice.v1.QuestionAsked" => ("供应商提问", "Question asked"),
        "notice.v1.QuestionAnswered" => ("提问已答复", "Question answered"),
        "notice.v1.FollowUpPublished" => ("公告发布", "Notice published"),
        "tender.v1.TenderCreated" => ("项目创建", "Tender drafted"),
        "tender.v1.TenderUpdated" => ("项目修改", "Draft changed"),
        "tender.v1.DocumentAdded" => ("上传采购文件", "Document added"),
        "tender.v1.TenderReviewed" => ("审查", "Reviewed"),
        "tender.v1.CeremonyStarted" => ("密钥仪式开始", "Key ceremony started"),
        "tender.v1.CeremonyMessagePosted" => ("密钥仪式消息", "Key ceremony message"),
        "tender.v1.RehearsalSealed" => ("试开标信封已密封", "Rehearsal sealed"),
        "tender.v1.CeremonyFailed" => ("密钥仪式失败", "Key ceremony failed"),
        "tender.v1.TenderKeyEstablished" => ("项目公钥确立", "Tender key stands"),
        "tender.v1.TenderAnnounced" => ("项目已公告", "Tender announced"),
        "tender.v1.TimetableChanged" => ("时间表变更", "Timetable changed"),
        "tender.v1.TenderSuspended" => ("暂停", "Suspended"),
        "tender.v1.TenderResumed" => ("恢复", "Resumed"),
        "tender.v1.TenderTerminated" => ("终止", "Terminated"),
        "tender.v1.TenderClosed" => ("项目截标", "Tender closed"),
        "tender.v1.TenderOpened" => ("项目已开标", "Tender opened"),
        "deposit.v1.DepositOpened" => ("保证金账号开立", "Deposit account opened"),
        "deposit.v1.CreditReceived" => ("款项到账", "Credit received"),
        "deposit.v1.DepositLocked" => ("保证金锁定", "Deposit locked"),
        "deposit.v1.RefundDue" => ("应退款", "Refund due"),
        "deposit.v1.RefundSent" => ("退款指令已发", "Refund sent"),
        "deposit.v1.RefundConfirmed" => ("退款到账", "Refund confirmed"),
        "deposit.v1.RefundRejected" => ("退款被拒", "Refund rejected"),
        "bid.v1.BiddingOpened" => ("开始接收投标", "Bidding opened"),
        "bid.v1.BidSubmitted" => ("投标提交", "Bid submitted"),
        "bid.v1.BidWithdrawn" => ("投标撤回", "Bid withdrawn"),
        "bid.v1.DeadlineMoved" => ("投标截止变更", "Deadline moved"),
        "bid.v1.DeadlineMovedByOutage" => ("停机顺延", "Deadline moved by an outage"),
        "bid.v1.IntakeBegan" => ("开始测量接收投标的时段", "Intake began"),
        "bid.v1.OutageRecorded" => ("停机记录", "Outage recorded"),
        "bid.v1.MaintenanceAnnounced" => ("维护预告", "Maintenance announced"),
        "bid.v1.BiddingHeld" => ("投标暂停", "Bidding held"),
        "bid.v1.BiddingReleased" => ("投标恢复", "Bidding released"),
        "bid.v1.BiddingClosed" => ("截标", "Bidding closed"),
        "bid.v1.BiddingEnded" => ("投标终止", "Bidding ended"),
        "opening.v1.SessionScheduled" => ("开标安排", "Opening scheduled"),
        "opening.v1.SessionMoved" => ("开标时间变更", "Opening moved"),
        "opening.v1.CheckedIn" => ("投标人签到", "Bidder signed in"),
        "opening.v1.OpeningStarted" => ("开标开始", "Opening started"),
        "opening.v1.ClosingSigned" => ("截标记录签名", "Closing signed"),
        "opening.v1.SharesAccepted" => ("解密份额已核验", "Shares verified"),
        "opening.v1.SharesRefused" => ("解密份额不实", "Shares refused"),
        "opening.v1.RescuePublished" => ("供应商自助开启", "Rescue published"),
        "opening.v1.OpeningRecordPublished" => ("开标记录公布", "Opening record published"),
        "opening.v1.ObjectionRaised" => ("提出异议", "Objection raised"),
        "opening.v1.ObjectionAnswered" => ("答复异议", "Objection answered"),
        "opening.v1.RecordConfirmed" => ("确认开标记录", "Record confirmed"),
        "opening.v1.SessionClosed" => ("开标结束", "Session closed"),
        "opening.v1.SessionTerminated" => ("开标终止", "Session terminated"),
        "registry.v1.SignedIn" => ("登录", "Signed in"),
        "registry.v1.SignInFailed" => ("登录失败", "Sign-in failed"),
        "registry.v1.SignedOut" => ("退出登录", "Signed out"),
        "registry.v1.SessionRefreshed" => ("会话续期", "Session refreshed"),
        "registry.v1.SessionEnded" => ("会话被结束", "Session ended"),
        "registry.v1.SessionsEnded" => ("全部会话被结束", "All sessions ended"),
        "registry.v1.PersonEnrolled" => ("人员登记", "Person enrolled"),
        "registry.v1.PersonReset" => ("人员登录方式重置", "Person's sign-in reset"),
        "registry.v1.PasswordSet" => ("密码已设置", "Password set"),
        "registry.v1.PasskeyAdded" => ("安全密钥已登记", "Passkey registered"),
        "registry.v1.IdentityLinked" => ("统一身份已关联", "Identity linked"),
        "common.v1.AccessDayBegun" => ("当日访问记录开始", "The day's access log begins"),
        "common.v1.AccessRefused" => ("访问被拒绝", "Call refused"),
        "common.v1.NonPublicRead" => ("读取非公开内容", "Read what is not public"),
        "common.v1.AccessCounted" => ("另计访问次数", "More calls, counted"),
        "audit.v1.LossDeclared" => ("声明记录丢失", "Loss of records declared"),
        "common.v1.CommandRefused" => ("操作被规则拒绝", "Refused by rule"),
        other => (other, other),
    }
}
