//! What the purchaser fetches for the evaluators: deliveries of the parts of class 1, and their
//! sealed bytes. Readable with the evaluators' key alone; the platform has it not. Parts for a second
//! stage are not among them.

use std::sync::Arc;

use futures_util::StreamExt;
use sunbid_contracts::{
    bid::v1::ReadPayloadsRequest,
    opening::v1::{
        DownloadPartRequest, DownloadPartResponse, ListDeliveriesRequest, ListDeliveriesResponse,
        PartDelivery,
    },
};
use sunbid_domain::Refusal;
use sunbid_domain::opening::SessionState;
use sunbid_service::{Caller, Language, Problem, names, page, relay::relay};
use tonic::Status;

use crate::{Opening, rpc::Answers};

impl Opening {
    async fn opened_by(&self, caller: &Caller, tender: &str) -> Result<SessionState, Problem> {
        names::check_tender(tender, "tender")?;
        let session = self.session(tender).await?;
        caller.acts_for(session.purchaser())?;
        if session.record_sha256.is_empty() {
            return Err(Refusal::state(
                "NOT_OPENED",
                "尚未开标，评审材料仍处于密封状态。",
                "The bids are not opened yet; the parts for the evaluators are still sealed.",
            )
            .into());
        }
        Ok(session)
    }

    pub async fn list_deliveries(
        self: &Arc<Self>,
        caller: &Caller,
        request: ListDeliveriesRequest,
    ) -> Result<ListDeliveriesResponse, Problem> {
        let session = self.opened_by(caller, &request.tender).await?;
        let case = self.case(&request.tender).await?;
        let checked = self.checked(&case).await?;
        let filter = format!("{}/{}", caller.organization(), request.tender);
        let start = match self.pages.position(&filter, &request.page_token)? {
            Some(bytes) => <[u8; 8]>::try_from(bytes.as_slice())
                .map(u64::from_be_bytes)
                .map_err(Problem::internal)?,
            None => 0,
        };
        let start = usize::try_from(start).unwrap_or(usize::MAX);
        self.gather_shares(&request.tender, &case, &session).await?;
        let holders = case
            .shares_of(&session.share_holders)
            .ok_or_else(|| Problem::Unavailable("shares are still being read".to_owned()))?;
        let envelopes = case.delivered(&checked);
        let size = page::size(request.page_size) as usize;
        let parts: Vec<PartDelivery> = envelopes
            .iter()
            .enumerate()
            .skip(start)
            .take(size)
            .map(|(place, envelope)| PartDelivery {
                lot_id: envelope.lot_id.clone(),
                bidder: envelope.bidder.clone(),
                part: envelope.part,
                header: envelope.header.encode(),
                deliveries: holders
                    .iter()
                    .filter_map(|h| h.shares.deliveries.get(place).cloned())
                    .collect(),
            })
            .collect();
        let end = start.saturating_add(parts.len());
        let next_page_token = if end < envelopes.len() {
            self.pages.token(&filter, &(end as u64).to_be_bytes())
        } else {
            String::new()
        };
        Ok(ListDeliveriesResponse {
            parts,
            close: case.close.to_vec(),
            next_page_token,
            verdicts: Vec::new(),
        })
    }

    pub async fn download_part(
        self: &Arc<Self>,
        language: Language,
        caller: &Caller,
        request: DownloadPartRequest,
    ) -> Result<Answers<DownloadPartResponse>, Problem> {
        self.opened_by(caller, &request.tender).await?;
        let case = self.case(&request.tender).await?;
        let checked = self.checked(&case).await?;
        let part = case
            .delivered(&checked)
            .iter()
            .find(|part| part.header.id().as_slice() == request.header_id);
        let part = part.ok_or(Refusal::Forbidden)?;
        let wanted = ReadPayloadsRequest {
            tender: request.tender,
            payload_roots: vec![part.header.payload_root().to_vec()],
        };
        let chunks = self
            .setting
            .peers
            .bid()
            .read_payloads(wanted)
            .await?
            .into_inner();
        let answers = chunks.map(move |message| match message {
            Ok(message) if message.fault.is_empty() => Ok(DownloadPartResponse {
                chunk: message.chunk,
            }),
            Ok(message) => Err(Status::data_loss(message.fault)),
            Err(status) => Err(Problem::from(status).into_status(language)),
        });
        Ok(Box::pin(relay(answers)))
    }
}
