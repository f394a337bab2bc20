//! What deposits follow from other logs: tenders from notices; withdrawals, the closing and the end
//! from bids. A record whose tender is not known yet waits until the notice was followed.

use sunbid_contracts::{
    bid::v1::{
        BidSubmitted, BidWithdrawn, BiddingClosed, BiddingEnded, BiddingReleased, ClosingStatus,
        DeadlineMoved, DeadlineMovedByOutage,
    },
    deposit::v1::{LiveBid, RefundCause, TermsClosed, TermsEnded, TermsMoved},
    notice::v1::TenderNoticePublished,
};
use sunbid_domain::{
    Event,
    deposit::{self, Terms},
};
use sunbid_journal::Write;
use sunbid_service::{Decided, FollowedEntry, Problem, Step, ledger};

use crate::{
    SERVICE,
    deposits::{Deposits, payment_seed, terms_stream},
    store,
};

/// How many accounts of a tender are settled before the next are listed.
const PAGE: u32 = 200;

/// A record of a notice log.
pub(crate) async fn notice(deposits: &Deposits, entry: FollowedEntry) -> Result<(), Problem> {
    let Some(published) = entry.read::<TenderNoticePublished>()? else {
        return Ok(());
    };
    let Some(tender) = published.notice.and_then(|notice| notice.announced) else {
        return Err(Problem::internal(format!(
            "a notice of {} without a tender",
            entry.scope
        )));
    };
    let set = Terms::announced(&tender, entry.head.clone());
    let writes = vec![store::put_terms(&entry.scope)];
    learn(deposits, &entry, writes, move |terms| {
        Ok((!terms.is_announced()).then(|| Event::of(&set)))
    })
    .await
}

/// A record of a bid log.
pub(crate) async fn bid(deposits: &Deposits, entry: FollowedEntry) -> Result<(), Problem> {
    if let Some(BidSubmitted { bid: Some(bid), .. }) = entry.read()? {
        let db = deposits.journal.db();
        return Ok(store::put_bid(db, &bid.bundle, &bid.lot_id, &bid.bidder).await?);
    }
    if let Some(withdrawn) = entry.read::<BidWithdrawn>()? {
        return withdraw(deposits, &entry, &withdrawn).await;
    }
    let moved = match entry.read::<BiddingReleased>()? {
        Some(released) => Some(released.new_deadline_us),
        None => entry
            .read::<DeadlineMoved>()?
            .map(|moved| moved.new_deadline_us),
    };
    let moved = match entry.read::<DeadlineMovedByOutage>()? {
        Some(by_outage) => Some(by_outage.new_deadline_us),
        None => moved,
    };
    if let Some(deadline_us) = moved.filter(|deadline| *deadline > 0) {
        let moved = TermsMoved {
            deadline_us,
            cause: Some(entry.head.clone()),
        };
        return learn(deposits, &entry, Vec::new(), move |terms| {
            announced(terms)?;
            Ok(Some(Event::of(&moved)))
        })
        .await;
    }
    if let Some(closing) = entry.read::<BiddingClosed>()? {
        let closed = closed(deposits, &entry, &closing).await?;
        let writes = vec![store::reveal(&entry.scope)];
        learn(deposits, &entry, writes, move |terms| {
            announced(terms)?;
            Ok(terms.closed.is_none().then(|| Event::of(&closed)))
        })
        .await?;
        return settle(deposits, &entry).await;
    }
    if entry.event.is::<BiddingEnded>() {
        let ended = TermsEnded {
            cause: Some(entry.head.clone()),
        };
        let writes = vec![store::reveal(&entry.scope)];
        learn(deposits, &entry, writes, move |terms| {
            announced(terms)?;
            Ok((!terms.ended).then(|| Event::of(&ended)))
        })
        .await?;
        return settle(deposits, &entry).await;
    }
    Ok(())
}

fn announced(terms: &Terms) -> Result<(), Problem> {
    if terms.is_announced() {
        return Ok(());
    }
    Err(Problem::Unavailable(
        "the notice of this tender was not followed yet".to_owned(),
    ))
}

/// Changes what is known of a tender, with the read model that goes with it.
async fn learn<D>(
    deposits: &Deposits,
    entry: &FollowedEntry,
    writes: Vec<Write>,
    decide: D,
) -> Result<(), Problem>
where
    D: FnOnce(&Terms) -> Result<Option<Event>, Problem> + Send + 'static,
{
    let step = Step::of_cause(SERVICE, &entry.scope, "learn", &entry.cause(), &())
        .reading(&[terms_stream()]);
    ledger::commit_quietly(&deposits.journal, step, move |view| {
        let terms: Terms = ledger::load(view, terms_stream())?;
        let mut decided = Decided::new();
        if let Some(event) = decide(&terms)? {
            for write in writes {
                decided = decided.also(write);
            }
            decided = decided
                .events(terms_stream(), [event])
                .fold::<Terms>(view, terms_stream())?;
        }
        Ok(decided)
    })
    .await?;
    Ok(())
}

async fn closed(
    deposits: &Deposits,
    entry: &FollowedEntry,
    closing: &BiddingClosed,
) -> Result<TermsClosed, Problem> {
    let mut live = Vec::new();
    for end in closing
        .entries
        .iter()
        .filter(|end| end.status() == ClosingStatus::Live)
    {
        let (lot_id, supplier) = store::find_bid(deposits.journal.db(), &end.bundle)
            .await?
            .ok_or_else(|| Problem::internal("a closing names a bid that was never submitted"))?;
        live.push(LiveBid { lot_id, supplier });
    }
    let failed = closing.lots.iter().filter(|lot| !lot.opens);
    Ok(TermsClosed {
        live,
        failed_lots: failed.map(|lot| lot.lot_id.clone()).collect(),
        cause: Some(entry.head.clone()),
    })
}

async fn withdraw(
    deposits: &Deposits,
    entry: &FollowedEntry,
    withdrawn: &BidWithdrawn,
) -> Result<(), Problem> {
    let db = deposits.journal.db();
    let (lot_id, supplier) = store::find_bid(db, &withdrawn.bundle)
        .await?
        .ok_or_else(|| Problem::internal("a withdrawal of a bid that was never submitted"))?;
    let Some(row) = store::find_account_of(db, &entry.scope, &lot_id, &supplier).await? else {
        return Ok(());
    };
    let (rules, seed, at) = (deposits.rules.clone(), payment_seed()?, entry.at);
    deposits
        .change(
            &entry.scope,
            &row.account,
            "withdraw",
            &entry.cause(),
            &(),
            move |account, terms, _| {
                let cause = RefundCause::Withdrawn;
                Ok(deposit::release(account, terms, cause, at, &rules, &seed)?.into())
            },
        )
        .await
}

/// Locks or releases every deposit of a tender. None can be opened any more, so the list is whole.
async fn settle(deposits: &Deposits, entry: &FollowedEntry) -> Result<(), Problem> {
    let mut after = String::new();
    loop {
        let db = deposits.journal.db();
        let rows = store::accounts_of_tender(db, &entry.scope, &after, PAGE).await?;
        let Some(last) = rows.last() else {
            return Ok(());
        };
        after = last.account.clone();
        for row in rows {
            let (rules, seed, at) = (deposits.rules.clone(), payment_seed()?, entry.at);
            let cause = [entry.cause().as_slice(), row.account.as_bytes()].concat();
            deposits
                .change(
                    &entry.scope,
                    &row.account,
                    "settle",
                    &cause,
                    &(),
                    move |account, terms, _| {
                        Ok(deposit::settle(account, terms, at, &rules, &seed)?.into())
                    },
                )
                .await?;
        }
    }
}
