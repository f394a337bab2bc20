//! One caller that floods hinders itself alone: a person that calls too often or too fast, and an address
//! that takes all the connections it can get, are told so at once; everybody else is served.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use futures_util::future::join_all;
use sunbid_cli::{
    connection::Connection,
    demo::cast::{CENTRE, PURCHASER, SUPPLIERS},
};
use sunbid_contracts::{
    bid::v1::ListBidsRequest,
    opening::v1::WatchSessionRequest,
    tender::v1::{ListTendersRequest, tender_service_client::TenderServiceClient},
};
use sunbid_tests::World;
use tokio::net::{TcpSocket, TcpStream};
use tonic::{Code, Status, transport::Endpoint};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_types::StatusExt;

const SETTINGS: [&str; 6] = [
    "--limits-connections-per-address",
    "40",
    "--limits-calls-per-subject",
    "8",
    "--limits-calls-per-second",
    "4",
];
const OF_ONE_SUBJECT: usize = 8;
const OF_ONE_ADDRESS: usize = 40;

/// A refusal that says when to come again.
fn reason(status: &Status) -> String {
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    let details = status.get_error_details();
    let retry = details.retry_info().and_then(|retry| retry.retry_delay);
    assert!(retry.is_some(), "{status:?}");
    details.error_info().unwrap().reason.clone()
}

async fn connect_from(host: u8, to: std::net::SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(([127, 0, 0, host], 0).into())?;
    socket.connect(to).await
}

/// Whoever watches is told that no work is taken any more, before the process ends.
async fn is_not_ready_when_it_stops(world: &World) {
    let endpoint = Endpoint::from_shared(world.stage.endpoint().to_owned()).unwrap();
    let mut health = HealthClient::new(endpoint.connect().await.unwrap());
    let service = "sunbid.bid.v1.BidService".to_owned();
    let watched = health.watch(HealthCheckRequest { service }).await;
    let mut watched = watched.unwrap().into_inner();
    let mut last = watched.message().await.unwrap().unwrap().status();
    assert_eq!(last, ServingStatus::Serving);
    let watching = tokio::spawn(async move {
        while let Ok(Some(answer)) = watched.message().await {
            last = answer.status();
        }
        last
    });
    assert!(world.stage.stop("platform").await.unwrap());
    assert_eq!(watching.await.unwrap(), ServingStatus::NotServing);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_floods_hinders_nobody_else() {
    let world = World::raise().await.unwrap();
    let stage = &world.stage;
    let tender = world.announced(0).await.unwrap().name;
    assert!(stage.stop("platform").await.unwrap());
    stage.start_platform_with(&SETTINGS).await.unwrap();
    let flooding = stage.of(SUPPLIERS[0].profile).await.unwrap();
    let other = stage.of(SUPPLIERS[1].profile).await.unwrap();

    // More streams than one person may have open, each of which lasts.
    let watch = async |who: &Connection| {
        let tender = tender.clone();
        let mut opening = who.opening();
        let answer = opening.watch_session(WatchSessionRequest { tender }).await;
        answer.map(tonic::Response::into_inner)
    };
    let mut open = Vec::new();
    for _ in 0..OF_ONE_SUBJECT {
        open.push(watch(&flooding).await.unwrap());
    }
    let refused = watch(&flooding).await.map(drop).unwrap_err();
    assert_eq!(reason(&refused), "CALLS_TOO_MANY");
    for who in [&other, &stage.of(PURCHASER.profile).await.unwrap()] {
        drop(watch(who).await.unwrap());
    }
    drop(open);

    // Faster than anybody needs to be.
    let calls = (0..200).map(|_| {
        let mut bids = flooding.bid();
        async move { bids.list_bids(ListBidsRequest::default()).await }
    });
    let refused: Vec<_> = join_all(calls)
        .await
        .into_iter()
        .filter_map(Result::err)
        .collect();
    assert!(refused.len() >= 100, "{} were refused", refused.len());
    let fast = refused.iter().filter(|one| reason(one) == "CALLS_TOO_FAST");
    assert!(fast.count() > 0);
    let mut bids = other.bid();
    bids.list_bids(ListBidsRequest::default()).await.unwrap();

    // All the connections that one address can get.
    let endpoint: http::Uri = stage.endpoint().parse().unwrap();
    let port = endpoint.port_u16().unwrap();
    let to = ([127, 0, 0, 1], port).into();
    let mut held = Vec::new();
    for _ in 0..2 * OF_ONE_ADDRESS {
        held.extend(connect_from(2, to).await);
    }
    let crowded = Endpoint::from_shared(stage.endpoint().to_owned())
        .unwrap()
        .local_address(Some([127, 0, 0, 2].into()));
    // Told that there is no room, or dropped like most of the crowd.
    if let Ok(channel) = crowded.connect().await {
        let mut tenders = TenderServiceClient::new(channel);
        let asked = tenders.list_tenders(ListTendersRequest::default()).await;
        let refused = asked.unwrap_err();
        if refused.code() == Code::ResourceExhausted {
            assert_eq!(reason(&refused), "CONNECTIONS_TOO_MANY");
        }
    }
    let elsewhere = stage.anyone().await.unwrap();
    let mut tenders = elsewhere.tender();
    tenders
        .list_tenders(ListTendersRequest::default())
        .await
        .unwrap();
    drop(held);
    is_not_ready_when_it_stops(&world).await;
    stage.start_platform_with(&SETTINGS).await.unwrap();
    let centre = stage.of(CENTRE.profile).await.unwrap();
    centre.platform().await.unwrap();
    stage.strike().await;
}
