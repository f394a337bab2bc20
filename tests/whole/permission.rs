//! The access table against the running platform, generated from the contracts: every RPC as every role
//! and as nobody, about one's own records, about another's and about what does not exist. Whoever the
//! table names gets past it; everybody else is told the same as of what is not there. And what is
//! refused or read across organisations is on record, for supervisors, without telling who bids.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use sunbid_cli::demo::{
    acts::{make_bid, submit},
    cast::{CENTRE, HOLDERS, PURCHASER, SUPPLIERS},
    money::pay_deposit,
};
use sunbid_contracts::{
    audit::v1::{AccessEntry, ListAccessRequest, ListAccessRulesRequest},
    bid::v1::GetBidRequest,
    deposit::v1::ListDepositsRequest,
    registry::v1::{ListOrganizationsRequest, Role},
};
use sunbid_service::access::{self, Access, Relation};
use sunbid_tests::{
    World,
    anyrpc::{self, Names, Outcome},
    attack::{Attack, Token, told},
};
use tonic::Code;

const ROLES: [Role; 7] = [
    Role::Administrator,
    Role::Purchaser,
    Role::Reviewer,
    Role::Supplier,
    Role::Supervisor,
    Role::Trustee,
    Role::Service,
];

/// What is answered like what is not there though the table allows the role, for there is none of it: a
/// rescue before the opening, a message of a ceremony that is over, a list of one's own for who owns
/// nothing, and institutions that hold no keys for who may only choose holders.
const NOT_THERE: [(Role, &str); 4] = [
    (Role::Supplier, "/PublishRescue"),
    (Role::Trustee, "/PostCeremonyMessage"),
    (Role::Service, "/ListTenders"),
    (Role::Purchaser, "/ListOrganizations"),
];

struct Stage {
    world: World,
    attack: Attack,
    real: Names,
    absent: Names,
}

impl Stage {
    async fn prepare() -> Self {
        let world = World::raise().await.unwrap();
        let tender = world.announced(5_000_000).await.unwrap();
        let [bidder, ..] = &SUPPLIERS;
        pay_deposit(&world.stage, bidder, &tender.name, "01")
            .await
            .unwrap();
        let sealed = make_bid(&world.stage, bidder, &tender, "01", "2700000.00", 1, 1)
            .await
            .unwrap();
        submit(&world.stage, bidder, &sealed).await.unwrap();
        let known = world.stage.of(bidder.profile).await.unwrap();
        let (organization, subject) = (
            known.organization().unwrap(),
            known.subject().unwrap().name.clone(),
        );
        let nobody = "organizations/91140600MA00099996".to_owned();
        let real = Names {
            tender: tender.name,
            lot_id: "01".into(),
            organization: organization.clone(),
            subject: subject.clone(),
            request_id: None,
            page_token: String::new(),
        };
        Self {
            attack: Attack::on(&world).await.unwrap(),
            absent: Names {
                tender: "tenders/00000000-0000-4000-8000-000000000000".into(),
                subject: subject.replace(&organization, &nobody),
                organization: nobody,
                ..real.clone()
            },
            real,
            world,
        }
    }

    /// A token of `role` for a person.
    fn token(&self, role: Role, subject: &str) -> Token {
        if role == Role::Service {
            return self.attack.service("audit").unwrap();
        }
        let (organization, _) = subject.split_once("/subjects/").unwrap();
        let claims = self.attack.claims(organization, subject, role);
        self.attack.signed("token", &claims).unwrap()
    }

    /// A person of an organisation which, by its role, has to do with the tender.
    async fn concerned(&self, role: Role) -> String {
        let part = match role {
            Role::Administrator => &CENTRE,
            Role::Purchaser | Role::Reviewer => &PURCHASER,
            Role::Supervisor => &HOLDERS[0],
            Role::Trustee => &HOLDERS[1],
            _ => &SUPPLIERS[0],
        };
        let connection = self.world.stage.of(part.profile).await.unwrap();
        connection.subject().unwrap().name.clone()
    }
}

fn is_denial(outcome: &Outcome) -> bool {
    outcome.messages.is_empty()
        && matches!(
            outcome.status.code(),
            Code::PermissionDenied | Code::Unauthenticated
        )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rpc_answers_every_role_as_the_table_says() {
    let stage = Stage::prepare().await;
    on_record(&stage).await;
    let mut wrong = Vec::new();
    let mut tried = 0;
    for method in stage.attack.methods.clone() {
        let path = anyrpc::path(&method);
        let row = access::row(&path).unwrap();
        let nobody = stage.attack.ask(&method, &None, &stage.absent).await;
        let nobody = nobody.unwrap();
        tried += 1;
        if row.access != Access::Public && nobody.status.code() != Code::Unauthenticated {
            wrong.push(format!("nobody: {path}: {:?}", nobody.status));
        }
        for role in ROLES {
            let allowed = match row.access {
                Access::Public | Access::SignedIn => true,
                Access::Roles(may) => may.contains(&role),
            };
            let subject = stage.concerned(role).await;
            let own = stage.token(role, &subject);
            let stranger = "organizations/91140600MA00088885/subjects/1";
            let foreign = stage.token(role, stranger);
            if !allowed {
                for token in [&own, &foreign] {
                    let real = stage.attack.ask(&method, token, &stage.real).await;
                    let absent = stage.attack.ask(&method, token, &stage.absent).await;
                    let (real, absent) = (real.unwrap(), absent.unwrap());
                    tried += 2;
                    let denied = real.status.code() == Code::PermissionDenied;
                    if !denied || !is_denial(&real) || told(&real) != told(&absent) {
                        wrong.push(format!(
                            "{role:?}: {path}: {} / {}",
                            told(&real),
                            told(&absent)
                        ));
                    }
                }
                continue;
            }
            // Nothing is changed: whatever changes something needs an identity.
            let mut harmless = Names {
                request_id: Some(String::new()),
                ..stage.real.clone()
            };
            if row.relation == Relation::OwnOrOverseer {
                let (organization, _) = subject.split_once("/subjects/").unwrap();
                harmless.organization = organization.to_owned();
                harmless.subject.clone_from(&subject);
            }
            if path.ends_with("/SignOut") || path.ends_with("/AdvanceClock") {
                continue;
            }
            let answer = stage.attack.ask(&method, &own, &harmless).await.unwrap();
            tried += 1;
            let there = !NOT_THERE
                .iter()
                .any(|(of, name)| *of == role && path.ends_with(name));
            if is_denial(&answer) == there {
                wrong.push(format!("{role:?} may: {path}: {}", told(&answer)));
            }
            // Of another organisation's record nobody learns more than of none.
            let across = matches!(row.relation, Relation::Purchaser | Relation::Holder);
            if across && role != Role::Service {
                let real = stage.attack.ask(&method, &foreign, &stage.real).await;
                let absent = stage.attack.ask(&method, &foreign, &stage.absent).await;
                let (real, absent) = (real.unwrap(), absent.unwrap());
                tried += 2;
                if !real.messages.is_empty() || told(&real) != told(&absent) {
                    wrong.push(format!(
                        "{role:?} of others: {path}: {} / {}",
                        told(&real),
                        told(&absent)
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "of {tried} calls:\n{}", wrong.join("\n"));
    assert!(tried > 800, "{tried} calls");
    stage.world.stage.strike().await;
}

/// What a supervisor reads of the day.
async fn told_to_supervisor(stage: &Stage, page_size: i32) -> Vec<AccessEntry> {
    let supervisor = stage.world.stage.of(HOLDERS[0].profile).await.unwrap();
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let request = ListAccessRequest {
            page_size,
            page_token,
            ..ListAccessRequest::default()
        };
        let page = supervisor.audit().list_access(request).await.unwrap();
        let page = page.into_inner();
        all.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

/// Refusals and readings of others' records are on record, and tell supervisors of no supplier while a
/// tender takes bids.
async fn on_record(stage: &Stage) {
    let of = async |profile: &str| stage.world.stage.of(profile).await.unwrap();
    let centre = of(CENTRE.profile).await;
    centre
        .registry()
        .list_organizations(ListOrganizationsRequest::default())
        .await
        .unwrap();
    let mut deposit = centre.deposit();
    let refused = deposit.list_deposits(ListDepositsRequest {
        tender: stage.real.tender.clone(),
        ..ListDepositsRequest::default()
    });
    assert_eq!(refused.await.unwrap_err().code(), Code::PermissionDenied);
    // A supplier is refused, in the middle of the time for bids.
    let other = of(SUPPLIERS[1].profile).await;
    let bid = GetBidRequest {
        tender: stage.absent.tender.clone(),
        lot_id: "01".into(),
    };
    assert!(other.bid().get_bid(bid).await.is_err());
    let subject = centre.subject().unwrap().name.clone();
    let own = |all: &[AccessEntry], rpc: &str| {
        let mut own = all.iter().filter(|entry| entry.subject == subject);
        own.find(|entry| entry.rpc.ends_with(rpc)).cloned()
    };
    let mut all = Vec::new();
    // Refusals are written a moment after they are told.
    for _ in 0..100 {
        all = told_to_supervisor(stage, 200).await;
        if own(&all, "/ListDeposits").is_some() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    let read = own(&all, "/ListOrganizations").expect("the reading is on record");
    assert_eq!(read.reason, "");
    assert_eq!(read.roles, ["administrator"]);
    assert_eq!(read.action_zh, "列出机构");
    let refused = own(&all, "/ListDeposits").expect("the refusal is on record");
    assert_eq!(refused.record, stage.real.tender);
    assert_eq!(refused.reason, "ROLE");
    assert!(refused.row.contains("supplier, supervisor"));
    for entry in &all {
        assert!(!entry.roles.is_empty(), "{entry:?}");
        assert!(!entry.roles.contains(&"supplier".to_owned()), "{entry:?}");
    }
    // The same page by page; what came in meanwhile stands at the end.
    let paged = told_to_supervisor(stage, 1).await;
    assert!(paged.len() >= all.len());
    let leaves = |list: &[AccessEntry]| -> Vec<_> { list.iter().map(|e| e.leaf.clone()).collect() };
    assert_eq!(leaves(&paged[..all.len()]), leaves(&all));
    let anyone = stage.world.stage.anyone().await.unwrap();
    let mut audit = anyone.audit();
    let rules = audit.list_access_rules(ListAccessRulesRequest {}).await;
    let rules = rules.unwrap().into_inner().rules;
    assert_eq!(rules.len(), access::rows().len());
}
