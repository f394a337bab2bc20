//! Which stream of the log is whose bid. Stream identifiers are disclosed with the log, also those of
//! bids that stay withheld for ever: a plain hash of lot and bidder would let anybody test a guess
//! about who withdrew or bid in a failed lot. So they are made under a secret that never leaves here.

use ring::{
    hmac,
    rand::{SecureRandom, SystemRandom},
};
use sunbid_journal::{Db, StreamId};
use sunbid_service::Problem;
use sunbid_terms::CreditCode;

use crate::store;

/// The secret's name in the table, and the domain of what is made under it.
const NAME: &str = "bid-streams-v1";

/// Finds a bidder's stream.
pub struct BidStreams {
    secret: hmac::Key,
}

impl BidStreams {
    /// Takes the database's secret; makes it on first use.
    pub async fn open(db: &Db) -> Result<Self, Problem> {
        let mut fresh = [0; 32];
        SystemRandom::new()
            .fill(&mut fresh)
            .map_err(|_| Problem::internal("the operating system gives no randomness"))?;
        let secret = store::secret(db, NAME, &fresh).await?;
        Ok(Self {
            secret: hmac::Key::new(hmac::HMAC_SHA256, &secret),
        })
    }

    /// The stream of one bidder's bid for one lot.
    pub fn of(&self, tender: &str, lot_id: &str, bidder: &CreditCode) -> StreamId {
        let mut context = hmac::Context::with_key(&self.secret);
        for part in [NAME, tender, lot_id, bidder.as_str()] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
        StreamId::of(&format!("bid/{}", hex::encode(context.sign())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn streams_stay_and_say_nothing_without_the_secret() {
        let folder = tempfile::tempdir().unwrap();
        let open = async |file: &str| {
            let db = Db::sqlite(&folder.path().join(file)).await.unwrap();
            db.migrate(store::MIGRATIONS).await.unwrap();
            BidStreams::open(&db).await.unwrap()
        };
        let code = CreditCode::complete("91110108551385082").unwrap();
        let other = CreditCode::complete("9144030071526726X").unwrap();
        let (first, again) = (open("a.db").await, open("a.db").await);
        let stream = first.of("tenders/t", "01", &code);
        assert_eq!(again.of("tenders/t", "01", &code), stream);
        for different in [
            open("b.db").await.of("tenders/t", "01", &code),
            first.of("tenders/u", "01", &code),
            first.of("tenders/t", "02", &code),
            first.of("tenders/t", "01", &other),
        ] {
            assert_ne!(different, stream);
        }
    }
}
