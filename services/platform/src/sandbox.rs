//! Moving the clock of a trial installation. Served only where the setting says sandbox.

use std::sync::Arc;

use sunbid_contracts::sandbox::v1::{
    AdvanceClockRequest, AdvanceClockResponse, GetClockRequest, GetClockResponse,
    sandbox_service_server::SandboxService,
};
use sunbid_service::{Language, Problem, clock::SandboxClock};
use sunbid_terms::{Clock, Instant};
use tonic::{Request, Response, Status};

/// The clock that this serves.
pub struct Sandbox {
    pub clock: Arc<SandboxClock>,
}

#[tonic::async_trait]
impl SandboxService for Sandbox {
    async fn get_clock(
        &self,
        _: Request<GetClockRequest>,
    ) -> Result<Response<GetClockResponse>, Status> {
        Ok(Response::new(GetClockResponse {
            now_us: self.clock.now().micros(),
        }))
    }

    async fn advance_clock(
        &self,
        request: Request<AdvanceClockRequest>,
    ) -> Result<Response<AdvanceClockResponse>, Status> {
        let language = Language::of(request.metadata());
        let to = Instant::from_micros(request.into_inner().to_us);
        let now = self
            .clock
            .advance_to(to)
            .map_err(|error| Problem::internal(error).into_status(language))?;
        tracing::warn!(%now, "sandbox: the clock was moved");
        Ok(Response::new(AdvanceClockResponse {
            now_us: now.micros(),
        }))
    }
}
