//! The door: each RPC by the file that answers it, problems as statuses in the caller's language.

use sunbid_contracts::registry::v1::{self as pb, registry_service_server::RegistryService};
use sunbid_service::{Caller, Language, Problem};
use tonic::{Request, Response, Status};

use crate::Registry;

/// Answers a request that needs no caller.
macro_rules! open {
    ($self:ident, $request:ident, $method:ident) => {{
        let language = Language::of($request.metadata());
        told(language, $self.$method($request.into_inner()).await)
    }};
}

/// Answers a request with its caller.
macro_rules! called {
    ($self:ident, $request:ident, $method:ident) => {{
        let language = Language::of($request.metadata());
        match Caller::of(&$request) {
            Ok(caller) => told(
                language,
                $self.$method(&caller, $request.into_inner()).await,
            ),
            Err(problem) => Err(problem.into_status(language)),
        }
    }};
}

pub(crate) fn told<T>(
    language: Language,
    answer: Result<T, Problem>,
) -> Result<Response<T>, Status> {
    answer
        .map(Response::new)
        .map_err(|problem| problem.into_status(language))
}

pub(crate) type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl RegistryService for Registry {
    async fn get_platform(
        &self,
        _: Request<pb::GetPlatformRequest>,
    ) -> Answer<pb::GetPlatformResponse> {
        Ok(Response::new(pb::GetPlatformResponse {
            now_us: self.clock.now().micros(),
            ..self.platform.clone()
        }))
    }

    async fn register_organization(
        &self,
        request: Request<pb::RegisterOrganizationRequest>,
    ) -> Answer<pb::RegisterOrganizationResponse> {
        open!(self, request, register)
    }

    async fn approve_organization(
        &self,
        request: Request<pb::ApproveOrganizationRequest>,
    ) -> Answer<pb::ApproveOrganizationResponse> {
        called!(self, request, approve)
    }

    async fn suspend_organization(
        &self,
        request: Request<pb::SuspendOrganizationRequest>,
    ) -> Answer<pb::SuspendOrganizationResponse> {
        called!(self, request, suspend)
    }

    async fn reinstate_organization(
        &self,
        request: Request<pb::ReinstateOrganizationRequest>,
    ) -> Answer<pb::ReinstateOrganizationResponse> {
        called!(self, request, reinstate)
    }

    async fn get_organization(
        &self,
        request: Request<pb::GetOrganizationRequest>,
    ) -> Answer<pb::GetOrganizationResponse> {
        called!(self, request, show_organization)
    }

    async fn list_organizations(
        &self,
        request: Request<pb::ListOrganizationsRequest>,
    ) -> Answer<pb::ListOrganizationsResponse> {
        called!(self, request, organizations)
    }

    async fn add_subject(
        &self,
        request: Request<pb::AddSubjectRequest>,
    ) -> Answer<pb::AddSubjectResponse> {
        called!(self, request, add)
    }

    async fn revoke_subject(
        &self,
        request: Request<pb::RevokeSubjectRequest>,
    ) -> Answer<pb::RevokeSubjectResponse> {
        called!(self, request, revoke)
    }

    async fn list_subjects(
        &self,
        request: Request<pb::ListSubjectsRequest>,
    ) -> Answer<pb::ListSubjectsResponse> {
        called!(self, request, subjects)
    }

    async fn create_challenge(
        &self,
        _: Request<pb::CreateChallengeRequest>,
    ) -> Answer<pb::CreateChallengeResponse> {
        // What it can fail of is the machine's affair, told the same in every language.
        told(Language::Chinese, self.challenge())
    }

    async fn sign_in(&self, request: Request<pb::SignInRequest>) -> Answer<pb::SignInResponse> {
        open!(self, request, open_session)
    }

    async fn sign_out(&self, request: Request<pb::SignOutRequest>) -> Answer<pb::SignOutResponse> {
        called!(self, request, end_session)
    }

    async fn get_caller(
        &self,
        request: Request<pb::GetCallerRequest>,
    ) -> Answer<pb::GetCallerResponse> {
        called!(self, request, who)
    }

    async fn list_revocations(
        &self,
        request: Request<pb::ListRevocationsRequest>,
    ) -> Answer<pb::ListRevocationsResponse> {
        open!(self, request, revocations)
    }
}
