//! Page tokens: where the next page starts, bound to the filter and the caller by an HMAC, so that a
//! changed token or a changed filter is refused instead of answered wrongly.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ring::hmac;
use sunbid_domain::Refusal;

const DEFAULT_SIZE: u32 = 50;
const LARGEST_SIZE: u32 = 200;
const TAG: usize = 32;

/// How many rows a page holds: what was asked, within bounds.
pub fn size(asked: i32) -> u32 {
    match u32::try_from(asked) {
        Ok(0) | Err(_) => DEFAULT_SIZE,
        Ok(size) => size.min(LARGEST_SIZE),
    }
}

/// Makes and reads the page tokens of one service.
#[derive(Debug)]
pub struct Pages {
    key: hmac::Key,
}

impl Pages {
    pub fn new(secret: &[u8; 32]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    /// The token for a page that starts after `position`.
    pub fn token(&self, filter: &str, position: &[u8]) -> String {
        let tag = hmac::sign(&self.key, &bound(filter, position));
        URL_SAFE_NO_PAD.encode([tag.as_ref(), position].concat())
    }

    /// The position in a token; `None` for the first page.
    pub fn position(&self, filter: &str, token: &str) -> Result<Option<Vec<u8>>, Refusal> {
        if token.is_empty() {
            return Ok(None);
        }
        let refused = || {
            Refusal::field(
                "page_token",
                "分页标记无效，或查询条件已改变，请从第一页重新开始。",
                "is not a token of this query; start again from the first page.",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| refused())?;
        let (tag, position) = bytes.split_at_checked(TAG).ok_or_else(refused)?;
        hmac::verify(&self.key, &bound(filter, position), tag).map_err(|_| refused())?;
        Ok(Some(position.to_vec()))
    }
}

fn bound(filter: &str, position: &[u8]) -> Vec<u8> {
    [
        &(filter.len() as u64).to_be_bytes(),
        filter.as_bytes(),
        position,
    ]
    .concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_its_query_only() {
        let pages = Pages::new(&[3; 32]);
        let token = pages.token("a", b"42");
        assert_eq!(pages.position("a", &token), Ok(Some(b"42".to_vec())));
        assert_eq!(pages.position("a", ""), Ok(None));
        assert!(pages.position("b", &token).is_err());
        assert!(pages.position("a", "AAAA").is_err());
        assert!(Pages::new(&[4; 32]).position("a", &token).is_err());
        assert_eq!((size(0), size(-1), size(7), size(9_999)), (50, 50, 7, 200));
    }
}
