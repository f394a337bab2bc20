//! Payloads and documents in an object store: it is killed again and again under a storm of submissions,
//! and nothing acknowledged may be lost; then it loses and changes files, each of which must be named, and
//! of none of which one byte may be served.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail, ensure};
use ring::rand::{SecureRandom, SystemRandom};
use sunbid_cli::demo::cast::PURCHASER;
use sunbid_contracts::{
    opening::v1::{DownloadPartRequest, ListDeliveriesRequest, PartDelivery},
    tender::v1::{DownloadDocumentRequest, GetTenderRequest, Tender},
};
use sunbid_objects::trial::{ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY};
use sunbid_platform::objects::Objects;
use sunbid_sealing::{CHUNK, CheckedHeader, PayloadTree, TAG, leaf_hash};
use sunbid_terms::Instant;
use sunbid_tests::{
    World, beside,
    storm::{self, Storm},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tonic::{Code, Status};

use crate::{Form, Played};

/// Acknowledgements before the store dies, at least, and after it is back.
const BEFORE: usize = 5;
const AFTER: usize = 5;
/// Size of a bid: several pieces for the store in the long form.
const MEGABYTES: u64 = 2;
const LARGE_MEGABYTES: u64 = 20;

pub async fn run(form: Form) -> Played {
    let (rounds, megabytes) = match form {
        Form::Short => (1, MEGABYTES),
        Form::Long => (20, LARGE_MEGABYTES),
    };
    let folder = tempfile::Builder::new()
        .prefix("sunbid-objects-")
        .tempdir()?;
    let mut store = ObjectServer::start(folder.path()).await?;
    let world = Arc::new(World::raise_on_objects(store.settings()?).await?);
    let tender = world.announced(0).await?;
    let storm = Storm::of_size(&world, &tender, megabytes);
    for round in 1..=rounds {
        storm.wait_for(BEFORE).await?;
        pause(255).await?;
        store.kill().await?;
        let killed_at = storm.count();
        pause(2000).await?;
        // What was with the database already may still be acknowledged; nothing new has bytes.
        let meanwhile = storm.count() - killed_at;
        store.start_again().await?;
        if round % 3 == 0 {
            world.stage.kill("platform").await;
            world.stage.start_platform().await?;
        }
        eprintln!(
            "objects, round {round}: {killed_at} acknowledged, {meanwhile} while the store was away"
        );
    }
    storm.wait_for(AFTER).await?;
    let acknowledged = storm.end().await?;
    let lost = storm::lost(&world, &tender, &acknowledged).await?;
    ensure!(
        lost.is_empty(),
        "{} acknowledged submissions were lost",
        lost.len()
    );
    let deadline = tender.timetable.context("a timetable")?.bid_deadline_us;
    world.stage.advance(Instant::from_micros(deadline)).await?;
    storm::announced(&world, &tender).await?;

    let named = damaged(&world, &tender, &mut store).await?;
    world.stage.strike().await;
    store.kill().await?;
    Ok(format!(
        "{rounds} times the store was killed, {} submissions of {megabytes} MB acknowledged, 0 lost; \
         {named} files lost or changed, each named, 0 bytes of them served",
        acknowledged.len(),
    ))
}

/// At no special moment of anything.
async fn pause(most_ms: u64) -> anyhow::Result<()> {
    let mut moment = [0];
    SystemRandom::new()
        .fill(&mut moment)
        .map_err(|_| anyhow::anyhow!("the system gives no randomness"))?;
    tokio::time::sleep(Duration::from_millis(most_ms / 2 + u64::from(moment[0]))).await;
    Ok(())
}

/// Every live payload and every document comes whole; then each is damaged in one way after the other.
async fn damaged(
    world: &World,
    tender: &Tender,
    store: &mut ObjectServer,
) -> anyhow::Result<usize> {
    let connection = world.stage.of(PURCHASER.profile).await?;
    let deliveries = connection
        .opening()
        .list_deliveries(ListDeliveriesRequest {
            tender: tender.name.clone(),
            ..Default::default()
        })
        .await?
        .into_inner();
    ensure!(!deliveries.parts.is_empty(), "no part was delivered");
    let mut files = Vec::new();
    let stored = store.payloads()?;
    for part in &deliveries.parts {
        let header = CheckedHeader::parse(&part.header)?;
        let root = header.payload_root();
        let object = stored.get(root.as_slice());
        let object =
            object.with_context(|| format!("{} is not in the store", hex::encode(root)))?;
        files.push(Served::Part(
            part.clone(),
            hex::encode(root),
            object.clone(),
        ));
    }
    let known = connection
        .tender()
        .get_tender(GetTenderRequest {
            name: tender.name.clone(),
        })
        .await?
        .into_inner()
        .tender
        .context("the tender is there")?;
    ensure!(!known.documents.is_empty(), "the tender has no document");
    for document in &known.documents {
        let object = store.document(&document.sha256);
        files.push(Served::Document(document.sha256.clone(), object));
    }
    let mut named = 0;
    for file in &files {
        let whole = fs::read(file.object())?;
        ensure!(
            file.serve(world, tender).await? == whole,
            "{file:?} came otherwise than it is stored"
        );
        let mut changed = whole.clone();
        *changed.last_mut().context("no file is empty")? ^= 1;
        for damage in [Some(&changed[..]), Some(&whole[..whole.len() - 1]), None] {
            match damage {
                Some(bytes) => fs::write(file.object(), bytes)?,
                None => fs::remove_file(file.object())?,
            }
            let status = file.refused(world, tender).await?;
            ensure!(status.code() == Code::DataLoss, "{file:?}: {status}");
            let names = [tender.name.as_str(), file.name()];
            ensure!(
                names.iter().all(|name| status.message().contains(name)),
                "{status}"
            );
            named += 1;
        }
        fs::write(file.object(), &whole)?;
        ensure!(
            file.serve(world, tender).await? == whole,
            "{file:?} is there again"
        );
    }
    // A store that is away has lost nothing: it is asked for again.
    store.kill().await?;
    for file in &files {
        let status = file.refused(world, tender).await?;
        ensure!(status.code() == Code::Unavailable, "{file:?}: {status}");
    }
    store.start_again().await?;
    for file in &files {
        file.serve(world, tender).await?;
    }
    Ok(named)
}

/// A file that the platform serves, and where the store has it.
#[derive(Debug)]
enum Served {
    Part(PartDelivery, String, PathBuf),
    Document(Vec<u8>, PathBuf),
}

impl Served {
    fn object(&self) -> &Path {
        match self {
            Self::Part(.., object) | Self::Document(_, object) => object,
        }
    }

    /// What it must be called when it cannot be served.
    fn name(&self) -> &str {
        match self {
            Self::Part(_, root, _) => root,
            Self::Document(_, object) => object
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or(""),
        }
    }

    async fn serve(&self, world: &World, tender: &Tender) -> anyhow::Result<Vec<u8>> {
        let (bytes, end) = self.read(world, tender).await?;
        end?;
        Ok(bytes)
    }

    /// Why it is not served; not a byte of it may come.
    async fn refused(&self, world: &World, tender: &Tender) -> anyhow::Result<Status> {
        let (bytes, end) = self.read(world, tender).await?;
        ensure!(
            bytes.is_empty(),
            "{} bytes of {self:?} were served",
            bytes.len()
        );
        match end {
            Ok(()) => bail!("{self:?} was served as if it were whole"),
            Err(status) => Ok(status),
        }
    }

    async fn read(
        &self,
        world: &World,
        tender: &Tender,
    ) -> anyhow::Result<(Vec<u8>, Result<(), Status>)> {
        let connection = world.stage.of(PURCHASER.profile).await?;
        let mut bytes = Vec::new();
        let ended = match self {
            Self::Part(part, ..) => {
                let header = CheckedHeader::parse(&part.header)?;
                let request = DownloadPartRequest {
                    tender: tender.name.clone(),
                    header_id: header.id().to_vec(),
                };
                match connection.opening().download_part(request).await {
                    Err(status) => Err(status),
                    Ok(stream) => {
                        let mut stream = stream.into_inner();
                        loop {
                            match stream.message().await {
                                Ok(Some(message)) => bytes.extend(message.chunk),
                                Ok(None) => break Ok(()),
                                Err(status) => break Err(status),
                            }
                        }
                    }
                }
            }
            Self::Document(sha256, _) => {
                let request = DownloadDocumentRequest {
                    tender: tender.name.clone(),
                    sha256: sha256.clone(),
                };
                match connection.tender().download_document(request).await {
                    Err(status) => Err(status),
                    Ok(stream) => {
                        let mut stream = stream.into_inner();
                        loop {
                            match stream.message().await {
                                Ok(Some(message)) => bytes.extend(message.chunk),
                                Ok(None) => break Ok(()),
                                Err(status) => break Err(status),
                            }
                        }
                    }
                }
            }
        };
        Ok((bytes, ended))
    }
}

/// The store, a process of its own.
struct ObjectServer {
    folder: PathBuf,
    address: String,
    process: Child,
}

impl ObjectServer {
    async fn start(folder: &Path) -> anyhow::Result<Self> {
        let (process, address) = start(folder, "127.0.0.1:0").await?;
        Ok(Self {
            folder: folder.to_owned(),
            address,
            process,
        })
    }

    async fn start_again(&mut self) -> anyhow::Result<()> {
        let (process, _) = start(&self.folder, &self.address).await?;
        self.process = process;
        Ok(())
    }

    async fn kill(&mut self) -> anyhow::Result<()> {
        Ok(self.process.kill().await?)
    }

    fn settings(&self) -> anyhow::Result<Objects> {
        let key = self.folder.join("access-key");
        fs::write(&key, format!("{ACCESS_KEY_ID}\n{SECRET_ACCESS_KEY}\n"))?;
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        Ok(Objects {
            endpoint: Some(format!("http://{}", self.address)),
            bucket: BUCKET.to_owned(),
            region: "us-east-1".to_owned(),
            prefix: "drill".to_owned(),
            path_style: true,
            allow_http: true,
            authority: None,
            credentials_file: Some(key),
        })
    }

    fn document(&self, sha256: &[u8]) -> PathBuf {
        let documents = self.folder.join(BUCKET).join("drill/tender/documents");
        documents.join(hex::encode(sha256))
    }

    /// Every payload in the store by its root.
    fn payloads(&self) -> anyhow::Result<HashMap<Vec<u8>, PathBuf>> {
        let mut found = HashMap::new();
        for shelf in fs::read_dir(self.folder.join(BUCKET).join("drill/bid/sealed"))? {
            for file in fs::read_dir(shelf?.path())? {
                let path = file?.path();
                let mut tree = PayloadTree::default();
                for chunk in fs::read(&path)?.chunks(CHUNK + TAG) {
                    tree.push(leaf_hash(chunk));
                }
                found.insert(tree.root().to_vec(), path);
            }
        }
        Ok(found)
    }
}

async fn start(folder: &Path, address: &str) -> anyhow::Result<(Child, String)> {
    let mut process = Command::new(beside("object-server")?)
        .arg(folder)
        .arg(address)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = process.stdout.take().context("its output is piped")?;
    let line = BufReader::new(stdout).lines().next_line().await?;
    let line = line.context("the object store did not start")?;
    let address = line.strip_prefix("serving on ").context("it says where")?;
    Ok((process, address.to_owned()))
}
