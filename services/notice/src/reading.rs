//! Reading what is published: everybody may, and everybody sees the same.

use sunbid_contracts::notice::v1::{
    GetIntentRequest, GetIntentResponse, GetNoticeRequest, GetNoticeResponse, ListNoticesRequest,
    ListNoticesResponse,
};
use sunbid_domain::Refusal;
use sunbid_service::{Caller, Problem, names, page};

use crate::{service::Notices, store};

impl Notices {
    pub async fn get_intent(
        &self,
        _: Option<Caller>,
        request: GetIntentRequest,
    ) -> Result<GetIntentResponse, Problem> {
        names::check("intents", &request.name, "name")?;
        match self.intent_state(&request.name).await?.intent {
            Some(intent) => Ok(GetIntentResponse {
                intent: Some(intent),
            }),
            None => Err(Refusal::NotFound { what: request.name }.into()),
        }
    }

    pub async fn get_notice(
        &self,
        _: Option<Caller>,
        request: GetNoticeRequest,
    ) -> Result<GetNoticeResponse, Problem> {
        names::check("notices", &request.name, "name")?;
        match store::notice(self.journal.db(), &request.name).await? {
            Some(notice) => Ok(GetNoticeResponse {
                notice: Some(notice),
            }),
            None => Err(Refusal::NotFound { what: request.name }.into()),
        }
    }

    pub async fn list(
        &self,
        _: Option<Caller>,
        request: ListNoticesRequest,
    ) -> Result<ListNoticesResponse, Problem> {
        if !request.tender.is_empty() {
            names::check_tender(&request.tender, "tender")?;
        }
        let filter = store::Filter {
            kind: request.kind,
            tender: request.tender,
            text: request.text,
        };
        let bound = filter.bound();
        let after = position(self.pages.position(&bound, &request.page_token)?)?;
        let size = page::size(request.page_size);
        let mut notices = store::notices(self.journal.db(), &filter, after, size + 1).await?;
        let more = notices.len() > size as usize;
        notices.truncate(size as usize);
        let next_page_token = match notices.last().filter(|_| more) {
            Some(last) => self
                .pages
                .token(&bound, &positioned(last.publish_time_us, &last.name)),
            None => String::new(),
        };
        Ok(ListNoticesResponse {
            notices,
            next_page_token,
        })
    }
}

/// A place in a list ordered by time and name.
pub fn positioned(time_us: i64, name: &str) -> Vec<u8> {
    [time_us.to_be_bytes().as_slice(), name.as_bytes()].concat()
}

/// Reads such a place; the beginning where there is none.
pub fn position(position: Option<Vec<u8>>) -> Result<(i64, String), Problem> {
    let Some(position) = position else {
        return Ok((i64::MAX, String::new()));
    };
    let made = "a page token was made that cannot be read";
    let (time, name) = position
        .split_first_chunk::<8>()
        .ok_or_else(|| Problem::internal(made))?;
    let name = String::from_utf8(name.to_vec()).map_err(Problem::internal)?;
    Ok((i64::from_be_bytes(*time), name))
}
