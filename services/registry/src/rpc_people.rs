//! The door for people without a certificate: each RPC by the file that answers it.

use std::sync::Arc;

use sunbid_contracts::registry::v1::{self as pb, account_service_server::AccountService};
use sunbid_service::{Caller, Language};
use tonic::Request;

use crate::{
    Registry,
    rpc::{Answer, told},
};

/// The same registry, by its other service.
pub struct People(pub Arc<Registry>);

macro_rules! open {
    ($self:ident, $request:ident, $method:ident) => {{
        let language = Language::of($request.metadata());
        told(language, $self.0.$method($request.into_inner()).await)
    }};
}

macro_rules! called {
    ($self:ident, $request:ident, $method:ident) => {{
        let language = Language::of($request.metadata());
        match Caller::of(&$request) {
            Ok(caller) => told(
                language,
                $self.0.$method(&caller, $request.into_inner()).await,
            ),
            Err(problem) => Err(problem.into_status(language)),
        }
    }};
}

#[tonic::async_trait]
impl AccountService for People {
    async fn enrol_person(
        &self,
        request: Request<pb::EnrolPersonRequest>,
    ) -> Answer<pb::EnrolPersonResponse> {
        called!(self, request, enrol_person)
    }

    async fn reset_person(
        &self,
        request: Request<pb::ResetPersonRequest>,
    ) -> Answer<pb::ResetPersonResponse> {
        called!(self, request, reset_person)
    }

    async fn set_password(
        &self,
        request: Request<pb::SetPasswordRequest>,
    ) -> Answer<pb::SetPasswordResponse> {
        open!(self, request, set_password)
    }

    async fn change_password(
        &self,
        request: Request<pb::ChangePasswordRequest>,
    ) -> Answer<pb::ChangePasswordResponse> {
        called!(self, request, change_password)
    }

    async fn sign_in_with_password(
        &self,
        request: Request<pb::SignInWithPasswordRequest>,
    ) -> Answer<pb::SignInWithPasswordResponse> {
        open!(self, request, sign_in_with_password)
    }

    async fn finish_passkey_sign_in(
        &self,
        request: Request<pb::FinishPasskeySignInRequest>,
    ) -> Answer<pb::FinishPasskeySignInResponse> {
        open!(self, request, finish_passkey_sign_in)
    }

    async fn begin_passkey_registration(
        &self,
        request: Request<pb::BeginPasskeyRegistrationRequest>,
    ) -> Answer<pb::BeginPasskeyRegistrationResponse> {
        called!(self, request, begin_passkey_registration)
    }

    async fn finish_passkey_registration(
        &self,
        request: Request<pb::FinishPasskeyRegistrationRequest>,
    ) -> Answer<pb::FinishPasskeyRegistrationResponse> {
        called!(self, request, finish_passkey_registration)
    }

    async fn begin_provider_sign_in(
        &self,
        request: Request<pb::BeginProviderSignInRequest>,
    ) -> Answer<pb::BeginProviderSignInResponse> {
        open!(self, request, begin_provider_sign_in)
    }

    async fn finish_provider_sign_in(
        &self,
        request: Request<pb::FinishProviderSignInRequest>,
    ) -> Answer<pb::FinishProviderSignInResponse> {
        open!(self, request, finish_provider_sign_in)
    }

    async fn refresh_session(
        &self,
        request: Request<pb::RefreshSessionRequest>,
    ) -> Answer<pb::RefreshSessionResponse> {
        open!(self, request, refresh)
    }

    async fn list_sessions(
        &self,
        request: Request<pb::ListSessionsRequest>,
    ) -> Answer<pb::ListSessionsResponse> {
        called!(self, request, sessions)
    }

    async fn revoke_session(
        &self,
        request: Request<pb::RevokeSessionRequest>,
    ) -> Answer<pb::RevokeSessionResponse> {
        called!(self, request, revoke_session)
    }
}
