//! The platform in one process with a certificate: its port speaks TLS and nothing else, services still reach
//! each other, a renewed certificate is taken up while it serves, and nobody comes in as a service.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{fs, path::Path, sync::Arc, time::Duration};

use sunbid_cli::{
    commands::trial::certificates, connection::Connection, demo::cast::PURCHASER, profile::Profile,
};
use sunbid_contracts::{
    journal::v1::ListHeadsRequest, notice::v1::ListNoticesRequest, tender::v1::ListTendersRequest,
};
use sunbid_service::{
    Keys, Peers,
    clock::SandboxClock,
    peers::{Identity, Roads},
};
use sunbid_tests::World;
use tonic::Code;

/// Puts the front door's certificate of the authority in `from` where the platform reads it.
fn install(from: &Path, to: &Path) {
    for file in ["front.pem", "front.key.pem"] {
        fs::copy(from.join(file), to.join(file)).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_serves_tls_and_takes_up_renewed_certificates() {
    let world = World::raise().await.unwrap();
    let stage = &world.stage;
    let desk = stage.desk("certificates").unwrap();
    let (first, second, used) = (desk.join("1"), desk.join("2"), desk.join("used"));
    fs::create_dir_all(&used).unwrap();
    for folder in [&first, &second] {
        certificates(folder, &[]).unwrap();
    }
    install(&first, &used);
    let (certificate, key) = (used.join("front.pem"), used.join("front.key.pem"));
    assert!(stage.stop("platform").await.unwrap());
    stage
        .start_platform_with(&[
            "--tls-certificate",
            &certificate.display().to_string(),
            "--tls-key",
            &key.display().to_string(),
        ])
        .await
        .unwrap();

    let endpoint = stage.endpoint().replace("http://", "https://");
    let authority = |folder: &Path| fs::read_to_string(folder.join("authority.pem")).unwrap();
    let (old, new) = (authority(&first), authority(&second));
    let reach =
        async |authority: Option<&str>| Connection::trusting(&endpoint, authority, true).await;
    assert!(
        reach(None).await.is_err(),
        "an unknown authority was trusted"
    );
    assert!(reach(Some(&new)).await.is_err());
    let plain = Connection::anonymous(stage.endpoint(), true).await;
    assert!(match plain {
        Ok(plain) => plain.platform().await.is_err(),
        Err(_) => true,
    });

    // Somebody signs in and reads what one service asks of another.
    let profile = stage.home().join("profiles").join(PURCHASER.profile);
    let mut profile = Profile::read(&profile.display().to_string()).unwrap();
    profile.endpoint.clone_from(&endpoint);
    profile.authority = Some(old.clone());
    let caller = Connection::signed_in(Arc::new(profile), true)
        .await
        .unwrap();
    let mut tenders = caller.tender();
    tenders
        .list_tenders(ListTendersRequest::default())
        .await
        .unwrap();

    // A service's token is worth nothing at the door for everybody.
    let data = world.data();
    let keys = Keys::open(&data.join("keys")).unwrap();
    let clock = Arc::new(SandboxClock::open(&data.join("sandbox-clock")).unwrap());
    let identity = Identity::new(
        "bid",
        keys.pair("service-bid").unwrap(),
        clock,
        "sandbox.demo",
    );
    let road = sunbid_trustee::endpoint(&endpoint, Some(&old)).unwrap();
    let peers = Peers::by(Arc::new(Roads::one(&road)), identity);
    let mut logs = peers.logs("bid");
    let refused = logs.list_heads(ListHeadsRequest::default()).await;
    assert_eq!(refused.unwrap_err().code(), Code::Unauthenticated);

    // Renewed: those who are there stay, those who come see the new certificate.
    install(&second, &used);
    let pid = stage.pid("platform").await.unwrap().to_string();
    let asked = std::process::Command::new("kill")
        .args(["-HUP", &pid])
        .status();
    assert!(asked.unwrap().success());
    let mut renewed = reach(Some(&new)).await;
    for _ in 0..100 {
        if renewed.is_ok() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
        renewed = reach(Some(&new)).await;
    }
    let renewed = renewed.unwrap();
    let mut notices = renewed.notice();
    notices
        .list_notices(ListNoticesRequest::default())
        .await
        .unwrap();
    assert!(reach(Some(&old)).await.is_err());
    caller.platform().await.unwrap();
    assert!(stage.stop("platform").await.unwrap());
    stage.strike().await;
}
