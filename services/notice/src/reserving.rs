//! Clarifications that move the deadline: one at a time for a tender. Whoever moves it reserves it
//! first, so that of two the second is told before anything moved, and every move has its notice.

use sunbid_contracts::{bid::v1::MoveDeadlineRequest, notice::v1::PublishClarificationRequest};
use sunbid_domain::{
    Refusal,
    notice::{Board, board},
};
use sunbid_service::{Caller, Problem, names};
use sunbid_terms::Instant;

use crate::{publishing::clarify, service::Notices, store};

/// A clarification has the deadline for so long at most: far longer than moving and publishing take,
/// and short enough that one whose process died is not in the way for long.
const RESERVED_SECONDS: i64 = 60;

impl Notices {
    /// Moves the deadline of bidding if the clarification does. Gives the deadline that the
    /// clarification is to carry and, if it moved, until when it must be published.
    pub async fn move_deadline(
        &self,
        caller: &Caller,
        request: &PublishClarificationRequest,
        name: &str,
    ) -> Result<(i64, Option<Instant>), Problem> {
        let board = self.board(&request.tender).await?;
        if !request.question.is_empty()
            && board
                .tender
                .as_ref()
                .is_some_and(|t| caller.acts_for(&t.purchaser).is_ok())
            && store::asker(self.journal.db(), &request.question)
                .await?
                .is_none()
        {
            return Err(Refusal::NotFound {
                what: request.question.clone(),
            }
            .into());
        }
        let deadline = self.deadline_after(&board, caller, request, name)?;
        if deadline == board.deadline().micros() {
            return Ok((deadline, None));
        }
        let now = self.clock.now();
        let until = now.plus_seconds(RESERVED_SECONDS);
        let db = self.journal.db();
        if !store::reserve(db, &request.tender, name, now, until).await? {
            return Err(under_way().into());
        }
        match self.move_reserved(caller, request, name).await {
            Ok(deadline) => Ok((deadline, Some(until))),
            // It may have moved and nobody said so: the repeat of this request finds out.
            Err(away @ Problem::Unavailable(_)) => Err(away),
            Err(problem) => {
                let write = store::release(&request.tender, name);
                db.exec(write.sql, &write.values).await?;
                Err(problem)
            }
        }
    }

    async fn move_reserved(
        &self,
        caller: &Caller,
        request: &PublishClarificationRequest,
        name: &str,
    ) -> Result<i64, Problem> {
        // Another may have been published before this one had the deadline.
        let board = self.board(&request.tender).await?;
        let deadline = self.deadline_after(&board, caller, request, name)?;
        if deadline != board.deadline().micros() {
            // The deadline is part of the id: a repeat on a later day may have to ask for another.
            let id = names::derived(&[b"move", name.as_bytes(), &deadline.to_be_bytes()]);
            let asked = MoveDeadlineRequest {
                request_id: id.to_string(),
                tender: request.tender.clone(),
                new_deadline_us: deadline,
                cause: name.to_owned(),
            };
            self.peers.bid().move_deadline(asked).await?;
        }
        Ok(deadline)
    }

    /// The deadline in force once the clarification is published; refused where it may not be.
    fn deadline_after(
        &self,
        board: &Board,
        caller: &Caller,
        request: &PublishClarificationRequest,
        name: &str,
    ) -> Result<i64, Refusal> {
        let asked = clarify(caller.organization(), request);
        let made = board::clarify(board, asked, name, &self.rules, self.clock.now())?;
        Ok(made.notice.deadline_us)
    }
}

/// Another clarification is between moving the deadline and its notice.
pub fn under_way() -> Refusal {
    Refusal::state(
        "CLARIFICATION_UNDER_WAY",
        "另一份变更截止时间的澄清正在发布，请稍候一分钟，阅读该澄清后再提交。",
        "Another clarification that moves the deadline is being published; read it, and repeat yours in a minute.",
    )
}
