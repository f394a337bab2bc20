//! A registry that knows two suppliers and answers nothing else.

use sunbid_contracts::registry::v1::{self as pb, registry_service_server::RegistryService};
use tonic::{Request, Response, Status};

use super::{FIRST, SECOND};

pub struct TestRegistry;

pub fn name_of(code: &str) -> String {
    match code {
        FIRST => "甲公司（集团）".to_owned(),
        SECOND => "乙公司".to_owned(),
        other => other.to_owned(),
    }
}

pub fn account_of(code: &str) -> String {
    format!("6222{code}")
}

macro_rules! silent {
    ($($method:ident: $request:ident => $response:ident;)*) => {
        #[tonic::async_trait]
        impl RegistryService for TestRegistry {
            async fn get_organization(
                &self,
                request: Request<pb::GetOrganizationRequest>,
            ) -> Result<Response<pb::GetOrganizationResponse>, Status> {
                let name = request.into_inner().name;
                let code = name.strip_prefix("organizations/").unwrap_or_default().to_owned();
                let organization = pb::Organization {
                    display_name: name_of(&code),
                    basic_account: account_of(&code),
                    credit_code: code,
                    name,
                    ..pb::Organization::default()
                };
                Ok(Response::new(pb::GetOrganizationResponse { organization: Some(organization) }))
            }

            $(async fn $method(
                &self,
                _: Request<pb::$request>,
            ) -> Result<Response<pb::$response>, Status> {
                Err(Status::unimplemented("not in this test"))
            })*
        }
    };
}

silent! {
    get_platform: GetPlatformRequest => GetPlatformResponse;
    register_organization: RegisterOrganizationRequest => RegisterOrganizationResponse;
    approve_organization: ApproveOrganizationRequest => ApproveOrganizationResponse;
    suspend_organization: SuspendOrganizationRequest => SuspendOrganizationResponse;
    reinstate_organization: ReinstateOrganizationRequest => ReinstateOrganizationResponse;
    list_organizations: ListOrganizationsRequest => ListOrganizationsResponse;
    add_subject: AddSubjectRequest => AddSubjectResponse;
    revoke_subject: RevokeSubjectRequest => RevokeSubjectResponse;
    list_subjects: ListSubjectsRequest => ListSubjectsResponse;
    create_challenge: CreateChallengeRequest => CreateChallengeResponse;
    sign_in: SignInRequest => SignInResponse;
    sign_out: SignOutRequest => SignOutResponse;
    get_caller: GetCallerRequest => GetCallerResponse;
    list_revocations: ListRevocationsRequest => ListRevocationsResponse;
}
