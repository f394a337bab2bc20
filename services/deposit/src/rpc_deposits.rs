//! A supplier's own deposits, and the lists of them: of one's own always, of a tender's only when
//! nobody's bid is a secret any more.

use sunbid_contracts::{
    deposit::v1::{
        CheckDepositRequest, CheckDepositResponse, Deposit, DepositOpened, DepositState,
        GetDepositRequest, GetDepositResponse, ListDepositsRequest, ListDepositsResponse,
        OpenDepositRequest, OpenDepositResponse,
    },
    registry::v1::Role,
};
use sunbid_domain::{
    Refusal,
    deposit::{DepositAccount, Terms, VirtualAccount, check},
    refusal::FieldCheck,
};
use sunbid_proofs::LogId;
use sunbid_service::{Caller, Decided, Problem, Step, ledger, names, page};
use sunbid_terms::Fen;

use crate::BIDS_CONSUMER;
use crate::{
    SERVICE,
    deposits::{Deposits, account_stream, random, shown, terms_stream},
    store::{self, AccountRow},
};

/// Longest identifier of a lot.
const LONGEST_LOT: usize = 40;

impl Deposits {
    pub(crate) async fn open(
        &self,
        caller: &Caller,
        request: OpenDepositRequest,
    ) -> Result<OpenDepositResponse, Problem> {
        let supplier = own_organization(caller)?;
        check_place(&request.tender, &request.lot_id)?;
        names::check_request_id(&request.request_id)?;
        let terms = self.announced(&request.tender).await?;
        if let Some(deposit) = self.opened(&terms, &request, &supplier).await? {
            return Ok(OpenDepositResponse {
                deposit: Some(deposit),
            });
        }
        let fresh = unopened(&terms, &request.tender, &request.lot_id, &supplier)?;
        if fresh.due_fen == 0 {
            return Ok(OpenDepositResponse {
                deposit: Some(fresh),
            });
        }
        match self.open_fresh(caller, &request, fresh).await {
            Ok(answer) => Ok(answer),
            // Two requests of one supplier at the same moment: the table takes one account, and
            // the other request is answered with it.
            Err(problem) => match self.opened(&terms, &request, &supplier).await? {
                Some(deposit) => Ok(OpenDepositResponse {
                    deposit: Some(deposit),
                }),
                None => Err(problem),
            },
        }
    }

    async fn open_fresh(
        &self,
        caller: &Caller,
        request: &OpenDepositRequest,
        fresh: Deposit,
    ) -> Result<OpenDepositResponse, Problem> {
        let account = VirtualAccount::of(random()?);
        let place = format!("{}/lots/{}/deposits", request.tender, request.lot_id);
        let deposit = Deposit {
            name: names::fresh(&place),
            virtual_account: account.as_str().to_owned(),
            ..fresh
        };
        let stream = account_stream(&request.tender, account.as_str());
        let (scope, subject) = (request.tender.as_str(), caller.subject());
        let step = Step::of_caller(
            SERVICE,
            scope,
            "OpenDeposit",
            subject,
            &request.request_id,
            request,
        )?
        .reading(&[terms_stream(), stream]);
        let done = ledger::commit(&self.journal, step, move |view| {
            let terms: Terms = ledger::load(view, terms_stream())?;
            if !terms.takes_deposits(view.now) {
                return Err(too_late().into());
            }
            let answer = OpenDepositResponse {
                deposit: Some(shown(deposit.clone(), &terms)),
            };
            Decided::new()
                .event(
                    stream,
                    &DepositOpened {
                        deposit: Some(deposit.clone()),
                    },
                )
                .also(store::put_account(&deposit))
                .reply(move |_| answer)
                .fold::<DepositAccount>(view, stream)
        })
        .await?;
        Ok(done.reply)
    }

    pub(crate) async fn get(
        &self,
        caller: &Caller,
        request: GetDepositRequest,
    ) -> Result<GetDepositResponse, Problem> {
        let supplier = own_organization(caller)?;
        check_place(&request.tender, &request.lot_id)?;
        let terms = self.announced(&request.tender).await?;
        let GetDepositRequest { tender, lot_id } = request;
        let deposit = match self.find(&terms, &tender, &lot_id, &supplier).await? {
            Some(deposit) => deposit,
            None => unopened(&terms, &tender, &lot_id, &supplier)?,
        };
        Ok(GetDepositResponse {
            deposit: Some(deposit),
        })
    }

    pub(crate) async fn list(
        &self,
        caller: &Caller,
        request: ListDepositsRequest,
    ) -> Result<ListDepositsResponse, Problem> {
        if !request.tender.is_empty() {
            names::check_tender(&request.tender, "tender")?;
        }
        let supervisor = caller.has(Role::Supervisor);
        let who = if supervisor {
            "supervisor".to_owned()
        } else {
            own_organization(caller)?
        };
        let filter = format!("{who}\n{}", request.tender);
        let after = self
            .pages
            .position(&filter, &request.page_token)?
            .unwrap_or_default();
        let after = String::from_utf8(after).map_err(Problem::internal)?;
        let (db, size) = (self.journal.db(), page::size(request.page_size));
        let rows = if supervisor {
            self.check_revealed(&request.tender).await?;
            store::accounts_of_tender(db, &request.tender, &after, size).await?
        } else {
            store::accounts_of_supplier(db, &who, &request.tender, &after, size).await?
        };
        let next_page_token = match rows.last() {
            Some(last) if rows.len() == size as usize => {
                self.pages.token(&filter, last.account.as_bytes())
            }
            _ => String::new(),
        };
        let mut deposits = Vec::with_capacity(rows.len());
        for row in rows {
            let terms = self.terms(&row.tender).await?;
            deposits.push(self.shown_row(&row, &terms).await?);
        }
        Ok(ListDepositsResponse {
            deposits,
            next_page_token,
        })
    }

    pub(crate) async fn check(
        &self,
        caller: &Caller,
        request: CheckDepositRequest,
    ) -> Result<CheckDepositResponse, Problem> {
        if !caller.is_service() {
            return Err(Refusal::Forbidden.into());
        }
        let CheckDepositRequest {
            tender,
            lot_id,
            supplier,
            after_bid_seq,
        } = request;
        check_place(&tender, &lot_id)?;
        // A withdrawal that is not followed yet would let its deposit count once more.
        if let Some(seq) = after_bid_seq {
            let next = self
                .journal
                .cursor(BIDS_CONSUMER, LogId::of("bid", &tender))
                .await?;
            if i64::try_from(next).unwrap_or(i64::MAX) <= seq {
                return Err(Problem::Unavailable(format!(
                    "record {seq} of the bid log of {tender} is not followed yet"
                )));
            }
        }
        let bidder = names::check_organization(&supplier, "supplier")?;
        let terms = self.announced(&tender).await?;
        let row = store::find_account_of(self.journal.db(), &tender, &lot_id, &supplier).await?;
        let account = match row {
            Some(row) => Some(self.account(&tender, &row.account).await?),
            None => None,
        };
        let now = self.clock.now();
        let found = check(&self.rules, &terms, &lot_id, &bidder, account.as_ref(), now)?;
        Ok(CheckDepositResponse {
            valid: found.valid,
            verdicts: found.verdicts,
        })
    }

    /// Nobody learns from the answer whether a tender is unknown or its bids are still a secret.
    async fn check_revealed(&self, tender: &str) -> Result<(), Problem> {
        names::check_tender(tender, "tender")?;
        if self.terms(tender).await?.is_public() {
            return Ok(());
        }
        Err(Refusal::state(
            "DEPOSITS_SECRET",
            "投标截止前，保证金信息保密（招标投标法第二十二条）。",
            "Deposits are secret until the bids are closed (招标投标法 art. 22).",
        )
        .into())
    }

    async fn announced(&self, tender: &str) -> Result<Terms, Problem> {
        let terms = self.terms(tender).await?;
        if terms.is_announced() {
            return Ok(terms);
        }
        Err(Refusal::NotFound {
            what: tender.to_owned(),
        }
        .into())
    }

    async fn opened(
        &self,
        terms: &Terms,
        request: &OpenDepositRequest,
        supplier: &str,
    ) -> Result<Option<Deposit>, Problem> {
        self.find(terms, &request.tender, &request.lot_id, supplier)
            .await
    }

    async fn find(
        &self,
        terms: &Terms,
        tender: &str,
        lot_id: &str,
        supplier: &str,
    ) -> Result<Option<Deposit>, Problem> {
        match store::find_account_of(self.journal.db(), tender, lot_id, supplier).await? {
            Some(row) => Ok(Some(self.shown_row(&row, terms).await?)),
            None => Ok(None),
        }
    }

    async fn shown_row(&self, row: &AccountRow, terms: &Terms) -> Result<Deposit, Problem> {
        let account = self.account(&row.tender, &row.account).await?;
        let deposit = account
            .deposit
            .ok_or_else(|| Problem::internal("a virtual account without its deposit"))?;
        Ok(shown(deposit, terms))
    }
}

fn own_organization(caller: &Caller) -> Result<String, Refusal> {
    caller.acts_for(caller.organization())?;
    Ok(caller.organization().to_owned())
}

fn check_place(tender: &str, lot_id: &str) -> Result<(), Refusal> {
    let mut fields = FieldCheck::new();
    let named = names::check_tender(tender, "tender").is_ok();
    fields
        .require(
            named,
            "tender",
            "应为“tenders/{uuid}”。",
            "must be \"tenders/{uuid}\".",
        )
        .text(lot_id, LONGEST_LOT, "lot_id");
    fields.finish()
}

/// A deposit for which no account was opened; where none is asked it stands as it is.
fn unopened(terms: &Terms, tender: &str, lot_id: &str, supplier: &str) -> Result<Deposit, Refusal> {
    let due = terms.due(lot_id).ok_or_else(|| Refusal::NotFound {
        what: format!("{tender}/lots/{lot_id}"),
    })?;
    let state = if due == Fen::ZERO {
        DepositState::Valid
    } else {
        DepositState::Required
    };
    Ok(Deposit {
        tender: tender.to_owned(),
        lot_id: lot_id.to_owned(),
        supplier: supplier.to_owned(),
        due_fen: due.get(),
        state: state as i32,
        due_time_us: terms.deadline_us,
        ..Deposit::default()
    })
}

fn too_late() -> Refusal {
    Refusal::state(
        "DEADLINE_PASSED",
        "投标已截止，不再开立保证金账户。",
        "Bids are closed; no deposit can be opened any more.",
    )
}
