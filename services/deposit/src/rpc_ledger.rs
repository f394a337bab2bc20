//! Whether the books balance. Says nothing of tenders whose bids are still a secret, not even by a
//! sum over all of them.

use sunbid_contracts::deposit::v1::{GetTrialBalanceRequest, GetTrialBalanceResponse};
use sunbid_service::{Caller, Problem};

use crate::{deposits::Deposits, store};

impl Deposits {
    pub(crate) async fn trial_balance(
        &self,
        _: &Caller,
        _: GetTrialBalanceRequest,
    ) -> Result<GetTrialBalanceResponse, Problem> {
        let db = self.journal.db();
        Ok(GetTrialBalanceResponse {
            balanced: store::is_balanced(db).await?,
            lines: store::trial_balance(db).await?,
        })
    }
}
