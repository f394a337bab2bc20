//! Reading tenders: drafts for those they concern, announced tenders for everybody. What a caller
//! may not see is answered like what does not exist.

use sunbid_contracts::{
    registry::v1::Role,
    tender::v1::{
        GetTenderRequest, GetTenderResponse, Holder, ListTendersRequest, ListTendersResponse,
        Tender, TenderState,
    },
};
use sunbid_domain::{Refusal, tender::aggregate::is_public};
use sunbid_service::{
    Caller, Problem, access_log::shows_what_is_not_public, ledger::head_message, names, page,
};

use crate::{NAME, service::Tenders, store};

/// Whether a caller may see a tender.
pub fn may_see(caller: Option<&Caller>, tender: &Tender) -> bool {
    is_public(tender)
        || caller.is_some_and(|caller| {
            caller.is_service()
                || caller.has(Role::Supervisor)
                || caller.acts_for(&tender.purchaser).is_ok()
                || makes_its_key(caller, tender)
        })
}

/// An institution sees what it makes a key for, from the invitation on.
fn makes_its_key(caller: &Caller, tender: &Tender) -> bool {
    let invited = matches!(tender.state(), TenderState::Ceremony | TenderState::Ready);
    let own = |holder: &Holder| holder.organization == caller.organization();
    invited && caller.has(Role::Trustee) && tender.holders.iter().any(own)
}

impl Tenders {
    pub async fn get(
        &self,
        caller: Option<Caller>,
        request: GetTenderRequest,
    ) -> Result<GetTenderResponse, Problem> {
        names::check_tender(&request.name, "name")?;
        let caller = caller.as_ref();
        let dossier = self.dossier(&request.name).await?;
        let tender = dossier
            .tender
            .filter(|tender| may_see(caller, tender))
            .ok_or(Refusal::Forbidden)?;
        if !is_public(&tender) {
            shows_what_is_not_public();
        }
        let trusted = |caller: &&Caller| caller.is_service() || caller.has(Role::Supervisor);
        let head = match caller.filter(trusted) {
            Some(_) => {
                self.journal
                    .head(names::log_of(NAME, &request.name))
                    .await?
            }
            None => None,
        };
        Ok(GetTenderResponse {
            tender: Some(tender),
            head: head.as_ref().map(head_message),
        })
    }

    pub async fn list(
        &self,
        caller: Option<Caller>,
        request: ListTendersRequest,
    ) -> Result<ListTendersResponse, Problem> {
        let purchaser = match caller {
            _ if !request.own => String::new(),
            Some(caller) if !caller.organization().is_empty() => caller.organization().to_owned(),
            _ => return Err(Refusal::Forbidden.into()),
        };
        let filter = store::Filter {
            purchaser,
            state: request.state,
            track: request.track,
            text: request.text,
        };
        let after = match self.pages.position(&filter.bound(), &request.page_token)? {
            None => (i64::MAX, String::new()),
            Some(position) => read_position(&position)?,
        };
        let size = page::size(request.page_size);
        let mut tenders = store::list(self.journal.db(), &filter, after, size + 1).await?;
        let more = tenders.len() > size as usize;
        tenders.truncate(size as usize);
        let next_page_token = match tenders.last().filter(|_| more) {
            Some(last) => self.pages.token(&filter.bound(), &position(last)),
            None => String::new(),
        };
        Ok(ListTendersResponse {
            tenders,
            next_page_token,
        })
    }
}

fn position(last: &Tender) -> Vec<u8> {
    [
        last.create_time_us.to_be_bytes().as_slice(),
        last.name.as_bytes(),
    ]
    .concat()
}

fn read_position(position: &[u8]) -> Result<(i64, String), Problem> {
    let made = "a page token was made that cannot be read";
    let (time, name) = position
        .split_first_chunk::<8>()
        .ok_or_else(|| Problem::internal(made))?;
    let name = String::from_utf8(name.to_vec()).map_err(Problem::internal)?;
    Ok((i64::from_be_bytes(*time), name))
}
