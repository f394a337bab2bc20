//! A bid coming in. Everything that costs (proofs, certificates, uploads, deposit, rules) is done
//! before the transaction; inside it only the box and the bidder's own state are looked at. Whatever
//! the checks found, the journal is asked: a request sent twice gets its first answer.

use std::sync::Arc;

use sunbid_certificates::supplier;
use sunbid_contracts::{
    bid::v1::{EnvelopePart, SubmitBidRequest, SubmitBidResponse},
    common::v1::Verdict,
    deposit::v1::CheckDepositRequest,
};
use sunbid_domain::{
    Refusal,
    bid::{
        Claim, Envelopes, Fault, OwnBid, Shut, TenderBox, check_envelopes, check_payload, desk,
        fault, fault::Duty, refuse_late, refuse_submission,
    },
    refusal::FieldCheck,
    verdicts,
};
use sunbid_journal::StreamId;
use sunbid_service::{Caller, Problem, Step, ledger, names};
use sunbid_terms::CreditCode;
use uuid::Uuid;

use crate::{
    NAME,
    closing::is_log_closed,
    rpc::{Office, box_stream, log_of, off_thread},
    store::{self, UploadKey},
    submission::Order,
    supplier::Signed,
    upload::unknown_lot,
};

const METHOD: &str = "sunbid.bid.v1.BidService/SubmitBid";

/// Largest payload that travels with a submission, bytes.
const LARGEST_INLINE: usize = 64 * 1024;

impl Office {
    /// Takes a bid or refuses it.
    pub async fn submit(
        self: Arc<Self>,
        caller: &Caller,
        request: SubmitBidRequest,
    ) -> Result<SubmitBidResponse, Problem> {
        names::check_tender(&request.tender, "tender")?;
        let code = names::check_organization(caller.organization(), "organization")?;
        check_form(&request)?;
        names::check_request_id(&request.request_id)?;
        let tender_box = self.box_in_force(&request.tender).await?;
        let Some(lot) = tender_box.lot(&request.lot_id) else {
            return Err(unknown_lot(&request.lot_id).into());
        };
        let has_deposit = lot.deposit_fen != 0;
        // Before any proof is looked at: each costs time that others need.
        let most = tender_box.parts.len();
        if request.headers.len() > most {
            return Err(Refusal::field(
                "headers",
                format!("最多{most}个部分。"),
                format!("has at most {most} parts."),
            )
            .into());
        }
        let stream = self.streams.of(&request.tender, &request.lot_id, &code);
        let request = Arc::new(request);
        let _place = self.line.enter().await?;
        // What a deposit is asked after: a withdrawal gives it back.
        let withdrawn = if has_deposit {
            let log = log_of(&request.tender);
            let before: OwnBid = ledger::read(&self.journal, log, stream).await?;
            Some(before.withdrawals.last().map(|withdrawal| withdrawal.seq))
        } else {
            None
        };
        let checked = self
            .clone()
            .check(caller, &code, tender_box, request.clone(), withdrawn)
            .await?;
        let order = Arc::new(Order {
            rules: self.rules.clone(),
            standing: self.standing.clone(),
            bidder: caller.organization().to_owned(),
            stream,
            name: format!(
                "{}/lots/{}/bids/{}",
                request.tender,
                request.lot_id,
                Uuid::new_v4()
            ),
            checked,
            withdrawn,
            request,
        });
        let tender = order.request.tender.clone();
        let mut looked_again = false;
        let done = self
            .attempt(false, |whole| {
                looked_again |= whole;
                let step = step_on(&order.request, caller, stream, whole)?;
                let order = order.clone();
                Ok(ledger::commit(&self.journal, step, move |view| {
                    order.decide(view, whole)
                }))
            })
            .await;
        if looked_again {
            self.refresh(&tender).await?;
        }
        let response = match done {
            Err(problem) if is_log_closed(&problem) => {
                return Err(self.refuse_shut(caller, &tender).await?.into());
            }
            other => other?.reply,
        };
        self.signed(response)
    }

    fn signed(&self, mut response: SubmitBidResponse) -> Result<SubmitBidResponse, Problem> {
        let receipt = response
            .receipt
            .take()
            .and_then(|receipt| self.receipts.sign(receipt));
        response.receipt =
            Some(receipt.ok_or_else(|| Problem::internal("a bid without a receipt"))?);
        Ok(response)
    }

    /// Why a finished log takes no bid.
    async fn refuse_shut(&self, caller: &Caller, tender: &str) -> Result<Refusal, Problem> {
        let (tender_box, now) = (self.refresh(tender).await?, self.clock.now());
        Ok(match tender_box.gate(now) {
            Err(Shut::Ended) => desk::shut_for_suppliers(&tender_box, Shut::Ended),
            _ => {
                let facts = fault::submission_facts(&tender_box, caller.organization(), now, None);
                refuse_late(&self.rules, &tender_box, &facts)
            }
        })
    }

    /// Checks everything that needs no transaction: E1 to E7, the deposit and the rules.
    async fn check(
        self: Arc<Self>,
        caller: &Caller,
        code: &CreditCode,
        mut tender_box: Arc<TenderBox>,
        request: Arc<SubmitBidRequest>,
        withdrawn: Option<Option<i64>>,
    ) -> Result<Result<(Envelopes, Vec<Verdict>), Refusal>, Problem> {
        let mut looked = self.clone().look(code, &tender_box, &request).await?;
        if looked.is_err() {
            // The remembered deadline may be an old one; nobody is refused for that.
            let fresh = self.refresh(&request.tender).await?;
            if fresh.deadline_us != tender_box.deadline_us {
                tender_box = fresh;
                looked = self.clone().look(code, &tender_box, &request).await?;
            }
        }
        let now = self.clock.now();
        let found = match looked {
            Ok(envelopes) => {
                let missing = self.missing_uploads(caller, &request, &envelopes).await?;
                if missing.is_empty() {
                    Ok(envelopes)
                } else {
                    Err(missing)
                }
            }
            Err(faults) => Err(faults),
        };
        let scope = fault::scope(&tender_box, now)?;
        let envelopes = match found {
            Ok(envelopes) => envelopes,
            Err(faults) => {
                let facts = fault::submission_facts(&tender_box, caller.organization(), now, None);
                return Ok(Err(refuse_submission(&self.rules, &scope, &facts, &faults)));
            }
        };
        let deposit = match withdrawn {
            Some(withdrawn) => Some(self.deposit(caller, &request, withdrawn).await?),
            None => None,
        };
        let (valid, asked) = deposit.unzip();
        if valid == Some(false) {
            return Ok(Err(no_deposit(asked.unwrap_or_default())));
        }
        let facts = fault::submission_facts(&tender_box, caller.organization(), now, valid);
        let judged = verdicts::allowed(&self.rules.check(&scope, &facts));
        Ok(judged.map(|mut said| {
            said.extend(asked.unwrap_or_default());
            (envelopes, said)
        }))
    }

    /// The checks that cost processor time, away from the threads that serve.
    async fn look(
        self: Arc<Self>,
        code: &CreditCode,
        tender_box: &Arc<TenderBox>,
        request: &Arc<SubmitBidRequest>,
    ) -> Result<Result<Envelopes, Vec<Fault>>, Problem> {
        let (tender_box, request, code) = (tender_box.clone(), request.clone(), code.clone());
        let office = self.clone();
        let _permit = self.checks.permit(&format!("organizations/{code}")).await?;
        off_thread(move || {
            let claim = Claim {
                lot_id: &request.lot_id,
                credit_code: code.as_str(),
                // The form was checked: it fits.
                revision: u32::try_from(request.revision).unwrap_or(0),
                headers: &request.headers,
            };
            let envelopes = check_envelopes(&tender_box, &claim)?;
            let mut faults = wrong_payloads(&request, &envelopes);
            let message = supplier::submission(&request.certificate, &envelopes.bundle);
            let signed = Signed {
                certificate: &request.certificate,
                intermediates: &request.intermediates,
                message: &message,
                signature: &request.signature,
            };
            if let Err(found) = office.suppliers.check(&signed, &code, office.clock.now()) {
                faults.extend(found);
            }
            if faults.is_empty() {
                Ok(envelopes)
            } else {
                Err(faults)
            }
        })
        .await
    }

    async fn missing_uploads(
        &self,
        caller: &Caller,
        request: &SubmitBidRequest,
        envelopes: &Envelopes,
    ) -> Result<Vec<Fault>, Problem> {
        let mut faults = Vec::new();
        for (at, part) in envelopes.parts.iter().enumerate() {
            if inline(request, at).is_some() {
                continue;
            }
            let key = uploaded(caller.organization(), request, part)?;
            if !self
                .is_uploaded(&key, store::unsigned(part.payload_bytes))
                .await?
            {
                faults.push(Fault::new(
                    "E7",
                    Duty::Completeness,
                    format!("headers[{at}]"),
                    format!("第{}部分的密文没有传输完成。", part.part),
                    format!("The sealed bytes of part {} are not all here.", part.part),
                ));
            }
        }
        Ok(faults)
    }

    async fn deposit(
        &self,
        caller: &Caller,
        request: &SubmitBidRequest,
        withdrawn: Option<i64>,
    ) -> Result<(bool, Vec<Verdict>), Problem> {
        let question = CheckDepositRequest {
            tender: request.tender.clone(),
            lot_id: request.lot_id.clone(),
            supplier: caller.organization().to_owned(),
            after_bid_seq: withdrawn,
        };
        let said = self
            .peers
            .deposit()
            .check_deposit(question)
            .await?
            .into_inner();
        Ok((said.valid, said.verdicts))
    }
}

/// The command on the states that its decision needs.
fn step_on(
    request: &SubmitBidRequest,
    caller: &Caller,
    stream: StreamId,
    whole: bool,
) -> Result<Step, Refusal> {
    let step = Step::of_caller(
        NAME,
        &request.tender,
        METHOD,
        caller.subject(),
        &request.request_id,
        request,
    )?;
    Ok(if whole {
        step.reading_all()
    } else {
        step.reading(&[box_stream(), stream])
    })
}

/// Where the bidder's payload for a part was sent ahead.
pub fn uploaded(
    bidder: &str,
    request: &SubmitBidRequest,
    part: &EnvelopePart,
) -> Result<UploadKey, Problem> {
    Ok(UploadKey {
        organization: bidder.to_owned(),
        tender: request.tender.clone(),
        lot_id: request.lot_id.clone(),
        root: part
            .payload_root
            .as_slice()
            .try_into()
            .map_err(Problem::internal)?,
    })
}

/// The payload that came with the submission for the part at `at`.
pub fn inline(request: &SubmitBidRequest, at: usize) -> Option<&[u8]> {
    request
        .inline_payloads
        .get(at)
        .map(Vec::as_slice)
        .filter(|payload| !payload.is_empty())
}

fn wrong_payloads(request: &SubmitBidRequest, envelopes: &Envelopes) -> Vec<Fault> {
    let parts = envelopes.parts.iter().enumerate();
    parts
        .filter(|(at, part)| inline(request, *at).is_some_and(|bytes| !check_payload(part, bytes)))
        .map(|(at, part)| {
            Fault::new(
                "E7",
                Duty::Sealing,
                format!("inline_payloads[{at}]"),
                format!("第{}部分的密文与封装头所载的长度或根哈希不符。", part.part),
                format!(
                    "The sealed bytes of part {} do not have its header's length and root.",
                    part.part
                ),
            )
        })
        .collect()
}

fn check_form(request: &SubmitBidRequest) -> Result<(), Refusal> {
    let mut check = FieldCheck::new();
    check.text(&request.lot_id, 32, "lot_id");
    check.require(
        (1..=i64::from(u32::MAX)).contains(&request.revision),
        "revision",
        "版本号应为从1起的正整数。",
        "must be a whole number from 1.",
    );
    let (payloads, headers) = (request.inline_payloads.len(), request.headers.len());
    check.require(
        payloads == 0 || payloads == headers,
        "inline_payloads",
        format!("应为每个封装头一项（共{headers}项），已上传的留空；现有{payloads}项。"),
        format!("needs one item for each of the {headers} headers, empty where it was uploaded; has {payloads}."),
    );
    for (at, payload) in request.inline_payloads.iter().enumerate() {
        check.require(
            payload.len() <= LARGEST_INLINE,
            format!("inline_payloads[{at}]"),
            format!(
                "{}字节，随投标提交的密文最多{LARGEST_INLINE}字节，请先上传。",
                payload.len()
            ),
            format!(
                "has {} bytes, at most {LARGEST_INLINE} travel with a submission; upload it first.",
                payload.len()
            ),
        );
    }
    check.finish()
}

fn no_deposit(said: Vec<Verdict>) -> Refusal {
    if verdicts::refuse(&said) {
        return Refusal::Rules(said);
    }
    Refusal::state(
        "DEPOSIT_MISSING",
        "该标段的投标保证金尚未有效缴纳。",
        "The deposit for this lot does not stand.",
    )
}
