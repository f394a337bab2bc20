//! A whole platform for tests: the real program, real processes and sockets, entered through the
//! same doors as everybody uses. Holds no shortcuts into any service.

pub mod anyrpc;
pub mod attack;
pub mod books;
pub mod collector;
pub mod crowd;
pub mod process;
pub mod proxy;
pub mod scraped;
pub mod small_bid;
pub mod storm;
pub mod stubborn;
pub mod surfaces;
pub mod tenders;
pub mod volley;

use std::path::{Path, PathBuf};

use anyhow::Context;
use sunbid_cli::{
    demo::{acts, narration::Narrator, stage::Stage},
    output::Output,
};
use sunbid_contracts::tender::v1::Tender;
use sunbid_journal::trial;
use sunbid_platform::objects::Objects;
use sunbid_service::trial::ENGINE_VARIABLE;
use tempfile::TempDir;

/// How test platforms answer.
pub const OUTPUT: Output = Output {
    json: false,
    english: true,
};

/// A platform with everyone enrolled, in a folder of its own.
pub struct World {
    pub stage: Stage,
    pub narrator: Narrator,
    /// The PostgreSQL database that the platform is over, if it is.
    pub database: Option<String>,
    folder: TempDir,
}

impl World {
    /// Raises a platform on free ports, over the engine that `SUNBID_TEST_ENGINE` names.
    pub async fn raise() -> anyhow::Result<Self> {
        let database = match std::env::var(ENGINE_VARIABLE).as_deref() {
            Ok("postgres") => {
                let address = trial::fresh_address().await?;
                Some(address.context("PostgreSQL is asked for and not installed")?)
            }
            _ => None,
        };
        Self::raise_on(database).await
    }

    /// Raises a platform on free ports, over a PostgreSQL database where one is named.
    pub async fn raise_on(database: Option<String>) -> anyhow::Result<Self> {
        Self::raise_in(&std::env::temp_dir(), database).await
    }

    /// The same in a folder under `base`.
    pub async fn raise_in(base: &Path, database: Option<String>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("sunbid-test-")
            .tempdir_in(base)?;
        let narrator = Narrator::new(OUTPUT, true);
        let over = database.clone();
        let stage = Stage::raise(program()?, folder.path(), 0, over, &narrator, OUTPUT).await?;
        Ok(Self {
            stage,
            narrator,
            database,
            folder,
        })
    }

    /// Raises a platform on free ports, with sealed payloads and documents in an object store.
    pub async fn raise_on_objects(objects: Objects) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sunbid-test-").tempdir()?;
        let narrator = Narrator::new(OUTPUT, true);
        let stage =
            Stage::raise_on_objects(program()?, folder.path(), objects, &narrator, OUTPUT).await?;
        Ok(Self {
            stage,
            narrator,
            database: None,
            folder,
        })
    }

    /// Raises a platform whose services run apart, on free ports.
    pub async fn raise_apart() -> anyhow::Result<Self> {
        Self::raise_apart_on(None).await
    }

    /// The same over a PostgreSQL database where one is named.
    pub async fn raise_apart_on(database: Option<String>) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("sunbid-test-").tempdir()?;
        let narrator = Narrator::new(OUTPUT, true);
        let over = database.clone();
        let stage = Stage::raise_apart(program()?, folder.path(), over, &narrator, OUTPUT).await?;
        Ok(Self {
            stage,
            narrator,
            database,
            folder,
        })
    }

    /// Folder of a service's own files.
    pub fn data_of(&self, service: &str) -> PathBuf {
        if self.stage.is_apart() {
            self.stage.part(service)
        } else {
            self.data()
        }
    }

    /// The platform's own folder.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("platform")
    }

    /// The name of a tender with one lot whose notice can go out.
    pub async fn ready(&self) -> anyhow::Result<String> {
        let mut draft = acts::draft()?;
        draft.lots.truncate(1);
        acts::ready(&self.stage, &self.narrator, draft).await
    }

    /// A tender that takes bids: one lot, a deposit if `deposit_fen` is not 0.
    pub async fn announced(&self, deposit_fen: i64) -> anyhow::Result<Tender> {
        let mut draft = acts::draft()?;
        draft.lots.truncate(1);
        for lot in &mut draft.lots {
            lot.deposit_fen = deposit_fen;
        }
        acts::announced(&self.stage, &self.narrator, draft).await
    }
}

/// The program under test: `sunbid` beside this test's own binary.
pub fn program() -> anyhow::Result<PathBuf> {
    beside("sunbid")
}

/// A program that was built with this test's own.
pub fn beside(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let mut folder = own.parent().context("a test has a folder")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("deps has a parent")?;
    }
    let program = folder.join(name);
    anyhow::ensure!(
        program.exists(),
        "{} is missing; build it first: cargo build -p sunbid -p sunbid-tests --bins (tests/run.sh does)",
        program.display()
    );
    Ok(program)
}
