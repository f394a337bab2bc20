//! The door: each RPC by the file that answers it, problems as statuses in the caller's language.

use sunbid_contracts::deposit::v1::{self as pb, deposit_service_server::DepositService};
use sunbid_service::{Caller, Language};
use tonic::{Request, Response, Status};

use crate::deposits::Deposits;

type Answer<T> = Result<Response<T>, Status>;

/// Answers a request with its caller.
macro_rules! called {
    ($self:ident, $request:ident, $method:ident) => {{
        let language = Language::of($request.metadata());
        let answer = match Caller::of(&$request) {
            Ok(caller) => $self.$method(&caller, $request.into_inner()).await,
            Err(problem) => Err(problem),
        };
        answer
            .map(Response::new)
            .map_err(|problem| problem.into_status(language))
    }};
}

#[tonic::async_trait]
impl DepositService for Deposits {
    async fn open_deposit(
        &self,
        request: Request<pb::OpenDepositRequest>,
    ) -> Answer<pb::OpenDepositResponse> {
        called!(self, request, open)
    }

    async fn get_deposit(
        &self,
        request: Request<pb::GetDepositRequest>,
    ) -> Answer<pb::GetDepositResponse> {
        called!(self, request, get)
    }

    async fn list_deposits(
        &self,
        request: Request<pb::ListDepositsRequest>,
    ) -> Answer<pb::ListDepositsResponse> {
        called!(self, request, list)
    }

    async fn check_deposit(
        &self,
        request: Request<pb::CheckDepositRequest>,
    ) -> Answer<pb::CheckDepositResponse> {
        called!(self, request, check)
    }

    async fn get_trial_balance(
        &self,
        request: Request<pb::GetTrialBalanceRequest>,
    ) -> Answer<pb::GetTrialBalanceResponse> {
        called!(self, request, trial_balance)
    }
}
