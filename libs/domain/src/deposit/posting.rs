//! Postings: lines over ledger accounts that sum to zero. The only way money moves in the books.

use sunbid_contracts::deposit::v1::PostingLine;
use sunbid_terms::Fen;

/// What lies at the bank.
pub const BANK: &str = "bank:trust";

/// What a supplier's deposit holds.
pub(super) fn deposit(name: &str) -> String {
    format!("deposit:{name}")
}

/// Money under a virtual account that is nobody's deposit.
pub(super) fn suspense(virtual_account: &str) -> String {
    format!("suspense:{virtual_account}")
}

/// What the bank is to pay back for a virtual account.
pub(super) fn refund(virtual_account: &str) -> String {
    format!("refund:{virtual_account}")
}

/// The kind of a ledger account: what stands before its colon.
pub fn kind_of(account: &str) -> &str {
    account.split_once(':').map_or(account, |(kind, _)| kind)
}

/// Moves `amount` to one account (debit) from others (credit). Lines of nothing are left out.
pub(super) fn posting(to: &str, amount: Fen, from: &[(&str, Fen)]) -> Vec<PostingLine> {
    let debit = PostingLine {
        account: to.to_owned(),
        amount_fen: amount.get(),
    };
    let credits = from
        .iter()
        .filter(|(_, part)| *part != Fen::ZERO)
        .map(|(account, part)| PostingLine {
            account: (*account).to_owned(),
            amount_fen: -part.get(),
        });
    std::iter::once(debit).chain(credits).collect()
}

/// Whether lines sum to zero, without overflow, and move something.
pub(super) fn balances(lines: &[PostingLine]) -> bool {
    let sum: i128 = lines.iter().map(|line| i128::from(line.amount_fen)).sum();
    sum == 0 && lines.len() > 1 && lines.iter().all(|line| line.amount_fen != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_posting_that_does_not_sum_to_zero_is_none() {
        let part = Fen::new;
        assert!(balances(&posting(
            BANK,
            part(3),
            &[("deposit:a", part(2)), ("suspense:b", part(1))]
        )));
        assert_eq!(
            posting(
                BANK,
                part(3),
                &[("deposit:a", part(3)), ("suspense:b", part(0))]
            )
            .len(),
            2
        );
        assert!(!balances(&posting(
            BANK,
            part(3),
            &[("deposit:a", part(2))]
        )));
        assert!(!balances(&[]));
        assert!(!balances(&posting(BANK, part(0), &[])));
        assert_eq!((kind_of("deposit:x:y"), kind_of(BANK)), ("deposit", "bank"));
    }
}
