//! The two services that an opening asks: of tenders their ceremony, of bids their sealed payloads.
//! Every other call is refused, so that a test shows if the opening asks for more.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Arc, Mutex},
};

use futures_util::{Stream, stream};
use sunbid_contracts::{
    bid::v1::{self as bid, bid_service_server::BidService},
    tender::v1::{self as tender, tender_service_server::TenderService},
};
use tonic::{Request, Response, Status, Streaming};

type Answers<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send + 'a>>;

/// Written as the attribute on the traits would write it, since that does not see into macros.
macro_rules! refused {
    ($($name:ident($request:ty) -> $response:ty;)*) => {
        $(fn $name<'a, 'b>(&'a self, _: Request<$request>) -> Answer<'b, $response>
        where
            'a: 'b,
            Self: 'b,
        {
            Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
        })*
    };
}

/// Knows ceremonies by their tenders.
#[derive(Clone, Default)]
pub struct Tenders(pub Arc<Mutex<HashMap<String, tender::Ceremony>>>);

/// Has sealed payloads by their roots.
#[derive(Clone, Default)]
pub struct Payloads(pub Arc<Mutex<HashMap<Vec<u8>, Vec<u8>>>>);

#[tonic::async_trait]
impl TenderService for Tenders {
    async fn get_ceremony(
        &self,
        request: Request<tender::GetCeremonyRequest>,
    ) -> Result<Response<tender::GetCeremonyResponse>, Status> {
        let known = self.0.lock().unwrap();
        let ceremony = known.get(&request.into_inner().tender).cloned();
        Ok(Response::new(tender::GetCeremonyResponse { ceremony }))
    }

    type DownloadDocumentStream = Answers<tender::DownloadDocumentResponse>;
    type WatchCeremoniesStream = Answers<tender::WatchCeremoniesResponse>;

    refused! {
        create_tender(tender::CreateTenderRequest) -> tender::CreateTenderResponse;
        update_tender(tender::UpdateTenderRequest) -> tender::UpdateTenderResponse;
        get_tender(tender::GetTenderRequest) -> tender::GetTenderResponse;
        list_tenders(tender::ListTendersRequest) -> tender::ListTendersResponse;
        upload_document(Streaming<tender::UploadDocumentRequest>) -> tender::UploadDocumentResponse;
        download_document(tender::DownloadDocumentRequest) -> Answers<tender::DownloadDocumentResponse>;
        review_tender(tender::ReviewTenderRequest) -> tender::ReviewTenderResponse;
        check_tender(tender::CheckTenderRequest) -> tender::CheckTenderResponse;
        start_ceremony(tender::StartCeremonyRequest) -> tender::StartCeremonyResponse;
        watch_ceremonies(tender::WatchCeremoniesRequest) -> Answers<tender::WatchCeremoniesResponse>;
        post_ceremony_message(tender::PostCeremonyMessageRequest) -> tender::PostCeremonyMessageResponse;
        suspend_tender(tender::SuspendTenderRequest) -> tender::SuspendTenderResponse;
        resume_tender(tender::ResumeTenderRequest) -> tender::ResumeTenderResponse;
        terminate_tender(tender::TerminateTenderRequest) -> tender::TerminateTenderResponse;
    }
}

#[tonic::async_trait]
impl BidService for Payloads {
    type ReadPayloadsStream = Answers<bid::ReadPayloadsResponse>;

    async fn read_payloads(
        &self,
        request: Request<bid::ReadPayloadsRequest>,
    ) -> Result<Response<Self::ReadPayloadsStream>, Status> {
        let known = self.0.lock().unwrap();
        let answers: Vec<_> = request
            .into_inner()
            .payload_roots
            .into_iter()
            .flat_map(|root| match known.get(&root) {
                None => vec![Ok(bid::ReadPayloadsResponse {
                    payload_root: root,
                    last: true,
                    fault: "the stored payload is gone.".into(),
                    ..Default::default()
                })],
                // In two pieces, so that pieces are put together.
                Some(bytes) => {
                    let (one, other) = bytes.split_at(bytes.len() / 2);
                    let piece = |chunk: &[u8], last| bid::ReadPayloadsResponse {
                        payload_root: root.clone(),
                        chunk: chunk.to_vec(),
                        last,
                        fault: String::new(),
                    };
                    vec![Ok(piece(one, false)), Ok(piece(other, true))]
                }
            })
            .collect();
        Ok(Response::new(Box::pin(stream::iter(answers))))
    }

    refused! {
        upload_part(Streaming<bid::UploadPartRequest>) -> bid::UploadPartResponse;
        get_upload(bid::GetUploadRequest) -> bid::GetUploadResponse;
        submit_bid(bid::SubmitBidRequest) -> bid::SubmitBidResponse;
        withdraw_bid(bid::WithdrawBidRequest) -> bid::WithdrawBidResponse;
        get_bid(bid::GetBidRequest) -> bid::GetBidResponse;
        list_bids(bid::ListBidsRequest) -> bid::ListBidsResponse;
        move_deadline(bid::MoveDeadlineRequest) -> bid::MoveDeadlineResponse;
        hold_bidding(bid::HoldBiddingRequest) -> bid::HoldBiddingResponse;
        end_bidding(bid::EndBiddingRequest) -> bid::EndBiddingResponse;
        list_closed_bids(bid::ListClosedBidsRequest) -> bid::ListClosedBidsResponse;
        announce_maintenance(bid::AnnounceMaintenanceRequest) -> bid::AnnounceMaintenanceResponse;
        list_outages(bid::ListOutagesRequest) -> bid::ListOutagesResponse;
    }
}
