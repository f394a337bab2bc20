//! Raising the stage: a trial authority, an installation, the bank, the trustees, and everyone's
//! profile. Every process is this program itself; all of them end with the demonstration.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use sunbid_certificates::trial::{TrialAuthority, TrialIdentity, TrialSubject};
use sunbid_contracts::{
    registry::v1::{AddSubjectRequest, ApproveOrganizationRequest, Role},
    sandbox::v1::{AdvanceClockRequest, GetClockRequest},
};
use sunbid_platform::{Config, Division, divide, divide::FRONT, objects::Objects, serve::SERVICES};
use sunbid_service::clock::SystemClock;
use sunbid_terms::{Clock, CreditCode, Instant};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::Mutex,
};

use super::{
    cast::{CENTRE, HOLDERS, PURCHASER, Part, SUPPLIERS},
    narration::Narrator,
};
use crate::{
    anchors::Anchors,
    commands::{
        organization::{RegisterArguments, register},
        platform::{InitArguments, init},
        trial::certificates,
    },
    connection::{Connection, request_id},
    output::Output,
    profile::Profile,
};

const DAY: i64 = 86_400;
/// Days that the demonstration's certificates last: its clock moves forward by months.
const LIFETIME_DAYS: i64 = 3 * 365;

/// Passphrase of the trial trustees' files.
pub const PASSPHRASE: &str = "a trial passphrase, worth nothing";

/// Everything the demonstration runs on.
pub struct Stage {
    folder: PathBuf,
    endpoint: String,
    bank: String,
    /// The program that every process runs.
    program: PathBuf,
    // Processes by name; locked while one is started, replaced or ended.
    children: Mutex<BTreeMap<String, Child>>,
    connections: Mutex<BTreeMap<String, Connection>>,
    authority: TrialAuthority,
    /// Authority of the platform's own certificate, PEM, where its services run apart.
    platform_authority: Option<String>,
    output: Output,
}

/// How the platform's services run.
#[derive(Debug, PartialEq, Eq)]
enum Kind {
    /// In one process; on this PostgreSQL database, or on SQLite; with files in this store, or in its
    /// folder.
    Whole {
        database: Option<String>,
        objects: Option<Objects>,
    },
    /// Each in a process of its own; on this PostgreSQL database, or on SQLite.
    Apart { database: Option<String> },
}

impl Stage {
    /// Makes the installation and starts every process.
    pub async fn raise(
        program: PathBuf,
        folder: &Path,
        port: u16,
        database: Option<String>,
        narrator: &Narrator,
        output: Output,
    ) -> anyhow::Result<Self> {
        let objects = None;
        let kind = Kind::Whole { database, objects };
        Self::raise_as(program, folder, port, kind, narrator, output).await
    }

    /// The same with sealed payloads and documents in an object store.
    pub async fn raise_on_objects(
        program: PathBuf,
        folder: &Path,
        objects: Objects,
        narrator: &Narrator,
        output: Output,
    ) -> anyhow::Result<Self> {
        let (database, objects) = (None, Some(objects));
        let kind = Kind::Whole { database, objects };
        Self::raise_as(program, folder, 0, kind, narrator, output).await
    }

    /// The same with every service in a process of its own, over mutual TLS, and a front door.
    pub async fn raise_apart(
        program: PathBuf,
        folder: &Path,
        database: Option<String>,
        narrator: &Narrator,
        output: Output,
    ) -> anyhow::Result<Self> {
        let kind = Kind::Apart { database };
        Self::raise_as(program, folder, 0, kind, narrator, output).await
    }

    async fn raise_as(
        program: PathBuf,
        folder: &Path,
        port: u16,
        kind: Kind,
        narrator: &Narrator,
        output: Output,
    ) -> anyhow::Result<Self> {
        narrator.act(
            "搭台：沙箱环境（时钟可调，无法律效力）",
            "The stage: a sandbox (its clock can be moved; nothing has legal effect)",
        );
        fs::create_dir_all(folder.join("logs"))?;
        let now = SystemClock.now();
        let (from, until) = (
            now.plus_seconds(-DAY),
            now.plus_seconds(LIFETIME_DAYS * DAY),
        );
        let authority = TrialAuthority::new("Sunbid demo root", from, until)?;
        let roots = folder.join("root.pem");
        fs::write(&roots, authority.certificate_pem())?;
        let (port, bank_port) = (free_port(port).await?, free_port(0).await?);
        let mut stage = Self {
            folder: folder.to_owned(),
            endpoint: format!("http://127.0.0.1:{port}"),
            bank: format!("127.0.0.1:{bank_port}"),
            program,
            children: Mutex::default(),
            connections: Mutex::default(),
            authority,
            platform_authority: None,
            output,
        };
        if matches!(kind, Kind::Apart { .. }) {
            stage.endpoint = format!("https://127.0.0.1:{port}");
            certificates(&stage.certificates(), &[])?;
            let authority = fs::read_to_string(stage.certificates().join("authority.pem"))?;
            stage.platform_authority = Some(authority);
        }
        let (apart, database, objects) = match kind {
            Kind::Whole { database, objects } => (false, database, objects),
            Kind::Apart { database } => (true, database, None),
        };
        stage
            .install(port, database, &roots, &stage.issue(&CENTRE, "管理员")?)
            .await?;
        if objects.is_some() {
            let config = Config::read(&stage.data())?;
            Config { objects, ..config }.write(&stage.data())?;
        }
        if apart {
            stage.divide().await?;
        }
        stage.start_bank().await?;
        stage.start_platform().await?;
        narrator.line(
            "平台、银行模拟器已启动，各方机构登记并经交易中心核准：",
            "The platform and the bank simulator run; institutions register and are approved:",
        );
        stage.connect(CENTRE.profile).await?;
        for part in [&PURCHASER].into_iter().chain(&HOLDERS) {
            stage
                .enrol_holder(
                    part,
                    &stage.issue(part, "经办人")?,
                    &stage.issue(part, "持钥守护进程")?,
                )
                .await?;
            narrator.sees(part.name, "持钥机构 / key holder");
        }
        stage
            .add_reviewer(&stage.issue(&PURCHASER, "审查人")?)
            .await?;
        for part in &SUPPLIERS {
            stage.enrol_supplier(part).await?;
            narrator.sees(part.name, "供应商 / supplier");
        }
        Ok(stage)
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    pub fn bank(&self) -> &str {
        &self.bank
    }

    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }

    pub fn logs(&self) -> PathBuf {
        self.folder.join("logs")
    }

    /// A folder for a party's own files.
    pub fn desk(&self, of: &str) -> anyhow::Result<PathBuf> {
        let desk = self.folder.join("desks").join(of);
        fs::create_dir_all(&desk)?;
        Ok(desk)
    }

    fn data(&self) -> PathBuf {
        self.folder.join("platform")
    }

    /// Folder with the certificates of a divided platform's processes.
    pub fn certificates(&self) -> PathBuf {
        self.folder.join("certificates")
    }

    /// Folder of one process of a divided platform.
    pub fn part(&self, name: &str) -> PathBuf {
        self.folder.join("parts").join(name)
    }

    async fn divide(&self) -> anyhow::Result<()> {
        let mut places = BTreeMap::new();
        for service in SERVICES {
            let address = ([127, 0, 0, 1], free_port(0).await?).into();
            places.insert(service, address);
        }
        let division = Division {
            out: self.folder.join("parts"),
            certificates: self.certificates(),
            places,
        };
        Ok(divide(&self.data(), &division)?)
    }

    /// The authority that the platform's own certificate ends in, PEM, where its services run apart.
    pub fn authority(&self) -> Option<&str> {
        self.platform_authority.as_deref()
    }

    /// Whether the platform's services run apart.
    pub const fn is_apart(&self) -> bool {
        self.platform_authority.is_some()
    }

    /// A connection for public reading.
    pub async fn anyone(&self) -> anyhow::Result<Connection> {
        let authority = self.platform_authority.as_deref();
        Connection::trusting(&self.endpoint, authority, self.output.english).await
    }

    fn clock_file(&self) -> PathBuf {
        self.data().join(sunbid_platform::serve::SANDBOX_CLOCK)
    }

    /// The connection of a profile.
    pub async fn of(&self, profile: &str) -> anyhow::Result<Connection> {
        let connections = self.connections.lock().await;
        connections
            .get(profile)
            .cloned()
            .with_context(|| format!("{profile} is not connected"))
    }

    /// The platform's time.
    pub async fn now(&self) -> anyhow::Result<Instant> {
        let mut sandbox = self.of(CENTRE.profile).await?.sandbox();
        let answer = sandbox.get_clock(GetClockRequest {}).await?.into_inner();
        Ok(Instant::from_micros(answer.now_us))
    }

    /// Moves the platform's time forward; everybody signs in again, as tokens are short-lived.
    pub async fn advance(&self, to: Instant) -> anyhow::Result<()> {
        let mut sandbox = self.of(CENTRE.profile).await?.sandbox();
        sandbox
            .advance_clock(AdvanceClockRequest { to_us: to.micros() })
            .await?;
        self.renew().await
    }

    /// Everybody signs in again.
    pub async fn renew(&self) -> anyhow::Result<()> {
        let mut connections = self.connections.lock().await;
        for connection in connections.values_mut() {
            connection.renew().await?;
        }
        Ok(())
    }

    /// Starts a holder's daemon, unless it runs; `behaviour` is empty, "--absent" or "--lie".
    pub async fn start_trustee(&self, part: &Part, behaviour: &str) -> anyhow::Result<()> {
        self.start_trustee_by(part, behaviour, &self.clock_file())
            .await
    }

    /// The same by a clock of its own.
    pub async fn start_trustee_by(
        &self,
        part: &Part,
        behaviour: &str,
        clock: &Path,
    ) -> anyhow::Result<()> {
        if self
            .pid(&format!("trustee-{}", part.profile))
            .await
            .is_some()
        {
            return Ok(());
        }
        let own = self.trustee_folder(part).display().to_string();
        let clock = clock.display().to_string();
        let mut arguments = vec!["trustee", "run", &own, "--sandbox-clock", &clock];
        if !behaviour.is_empty() {
            arguments.push(behaviour);
        }
        self.start(&format!("trustee-{}", part.profile), &arguments, "watching")
            .await
    }

    /// Ends every process this stage started, the platform politely.
    pub async fn strike(&self) {
        let mut children = self.children.lock().await;
        for child in children.values_mut() {
            let _ = child.start_kill();
        }
        for child in children.values_mut() {
            let _ = child.wait().await;
        }
        children.clear();
    }

    /// The id of a process this stage runs.
    pub async fn pid(&self, name: &str) -> Option<u32> {
        self.children.lock().await.get(name).and_then(Child::id)
    }

    /// Kills one process at once, as a power cut would.
    pub async fn kill(&self, name: &str) {
        if let Some(mut child) = self.children.lock().await.remove(name) {
            let _ = child.start_kill();
            let _ = child.wait().await;
        }
    }

    /// Ends a holder's daemon and starts it again with another behaviour.
    pub async fn replace_trustee(&self, part: &Part, behaviour: &str) -> anyhow::Result<()> {
        self.kill(&format!("trustee-{}", part.profile)).await;
        self.start_trustee(part, behaviour).await
    }

    /// Starts the platform on what is in its folder.
    pub async fn start_platform(&self) -> anyhow::Result<()> {
        if self.platform_authority.is_some() {
            for part in SERVICES.into_iter().chain([FRONT]) {
                self.start_part(part).await?;
            }
            return Ok(());
        }
        let data = self.data().display().to_string();
        self.start(
            "platform",
            &["platform", "start", &data, "--sandbox"],
            "serving on",
        )
        .await
    }

    /// Starts a further process on the platform's database; its name among the processes, and where
    /// it serves.
    pub async fn start_second_platform(&self) -> anyhow::Result<(&'static str, String)> {
        const NAME: &str = "second-platform";
        let data = self.data().display().to_string();
        let listen = format!("127.0.0.1:{}", free_port(0).await?);
        let arguments = ["platform", "start", &data, "--sandbox", "--listen", &listen];
        self.start(NAME, &arguments, "serving on").await?;
        Ok((NAME, format!("http://{listen}")))
    }

    /// A connection of a profile to another process than the first.
    pub async fn reach(&self, profile: &str, endpoint: &str) -> anyhow::Result<Connection> {
        let profile = Profile {
            endpoint: endpoint.to_owned(),
            ..self.read_profile(profile).await?
        };
        Connection::signed_in(Arc::new(profile), self.output.english).await
    }

    /// Lets a profile's calls go over another connection from now on.
    pub async fn use_connection(&self, profile: &str, connection: Connection) {
        let mut connections = self.connections.lock().await;
        connections.insert(profile.to_owned(), connection);
    }

    /// Starts a platform in one process with further settings, which its folder does not keep.
    pub async fn start_platform_with(&self, settings: &[&str]) -> anyhow::Result<()> {
        let data = self.data().display().to_string();
        let arguments = ["platform", "start", &data, "--sandbox"];
        let arguments = [&arguments, settings].concat();
        self.start("platform", &arguments, "serving on").await
    }

    /// Starts one process of a divided platform.
    pub async fn start_part(&self, name: &str) -> anyhow::Result<()> {
        let data = self.part(name).display().to_string();
        let arguments = ["serve", name, "--data", &data, "--sandbox"];
        self.start(name, &arguments, "serving on").await
    }

    /// Asks one process to stop, and waits until it has; whether it ended well.
    pub async fn stop(&self, name: &str) -> anyhow::Result<bool> {
        let mut child = self.children.lock().await.remove(name);
        let child = child
            .as_mut()
            .with_context(|| format!("{name} does not run"))?;
        let id = child.id().with_context(|| format!("{name} has ended"))?;
        let asked = Command::new("kill").arg(id.to_string()).status().await?;
        Ok(asked.success() && child.wait().await?.success())
    }

    /// Gives a supplier its certificate, registers it, and has it approved.
    pub async fn enrol_supplier(&self, part: &Part) -> anyhow::Result<()> {
        self.write_profile(part.profile, &self.issue(part, "投标员")?)?;
        self.enrol(part, None).await
    }

    /// A certificate of the trial authority for a person or machine of an organisation.
    pub fn issue(&self, part: &Part, person: &str) -> anyhow::Result<TrialIdentity> {
        self.issue_for(&CreditCode::complete(part.code)?, part.name, person)
    }

    /// The same for an organisation that is not among the cast.
    pub fn issue_for(
        &self,
        code: &CreditCode,
        organization: &str,
        person: &str,
    ) -> anyhow::Result<TrialIdentity> {
        let now = SystemClock.now();
        Ok(self.authority.issue(&TrialSubject {
            credit_code: code.as_str(),
            organization,
            common_name: person,
            not_before: now.plus_seconds(-DAY),
            not_after: now.plus_seconds(LIFETIME_DAYS * DAY),
        })?)
    }

    async fn install(
        &self,
        port: u16,
        database: Option<String>,
        roots: &Path,
        administrator: &TrialIdentity,
    ) -> anyhow::Result<()> {
        let file = self.folder.join("administrator.pem");
        fs::write(&file, &administrator.certificate_pem)?;
        self.write_profile(CENTRE.profile, administrator)?;
        init(InitArguments {
            data: self.data(),
            origin: "sandbox.demo".to_owned(),
            listen: format!("127.0.0.1:{port}").parse()?,
            sandbox: true,
            epoch_seconds: 1,
            roots: roots.to_owned(),
            administrator: file,
            bank: Some(self.bank.clone()),
            trust_account: Some(super::money::TRUST_ACCOUNT.to_owned()),
            trust_name: super::money::TRUST_NAME.to_owned(),
            // Nothing here has legal effect, so the database may be any.
            accept_loss_on_failure: database.is_some(),
            database,
            database_password_file: None,
        })
        .await
    }

    async fn start_bank(&self) -> anyhow::Result<()> {
        let (books, clock) = (self.folder.join("bank-books"), self.clock_file());
        let (books, clock) = (books.display().to_string(), clock.display().to_string());
        let arguments = [
            "bank",
            "simulate",
            "--listen",
            &self.bank,
            "--books",
            &books,
            "--sandbox-clock",
            &clock,
            "--trust-account",
            super::money::TRUST_ACCOUNT,
            "--trust-name",
            super::money::TRUST_NAME,
        ];
        self.start("bank", &arguments, "serving on").await
    }

    /// Starts this program with other arguments and waits until it says that it is ready.
    async fn start(&self, name: &str, arguments: &[&str], ready: &str) -> anyhow::Result<()> {
        let log = File::create(self.logs().join(format!("{name}.log")))?;
        let mut child = Command::new(&self.program)
            .args(arguments)
            .env("SUNBID_PASSPHRASE", PASSPHRASE)
            .env("SUNBID_HOME", self.home())
            .env_remove("SUNBID_PROFILE")
            .env_remove("SUNBID_ENDPOINT")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child
            .stdout
            .take()
            .context("a child's standard output is piped")?;
        let mut lines = BufReader::new(stdout).lines();
        let waiting = async {
            while let Some(line) = lines.next_line().await? {
                if line.contains(ready) {
                    return Ok(true);
                }
            }
            Ok::<bool, std::io::Error>(false)
        };
        let is_ready = tokio::time::timeout(Duration::from_secs(60), waiting).await??;
        if !is_ready {
            bail!(
                "{name} did not start; see {}",
                self.logs().join(format!("{name}.log")).display()
            );
        }
        // What it prints further is drained, so that it never blocks on a full pipe.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        self.children.lock().await.insert(name.to_owned(), child);
        Ok(())
    }

    fn write_profile(&self, name: &str, identity: &TrialIdentity) -> anyhow::Result<()> {
        let folder = self.profile_path(name);
        Profile::write(
            &folder,
            &self.endpoint,
            self.platform_authority.as_deref(),
            &identity.certificate_pem,
            &identity.key_pem,
            None,
        )
    }

    fn profile_path(&self, name: &str) -> PathBuf {
        self.home().join("profiles").join(name)
    }

    fn trustee_folder(&self, part: &Part) -> PathBuf {
        self.folder.join("trustees").join(part.profile)
    }

    /// A profile; at first use it pins the platform's keys, which this stage itself has made.
    async fn read_profile(&self, name: &str) -> anyhow::Result<Profile> {
        let mut profile = Profile::read(&self.profile_path(name).display().to_string())?;
        if profile.anchors.is_none() {
            let anyone = self.anyone().await?;
            let found = Anchors::of(&anyone.platform().await?)?;
            profile.pin(&found)?;
            profile.anchors = Some(found);
        }
        Ok(profile)
    }

    async fn connect(&self, name: &str) -> anyhow::Result<()> {
        let profile = Arc::new(self.read_profile(name).await?);
        let connection = Connection::signed_in(profile, self.output.english).await?;
        self.connections
            .lock()
            .await
            .insert(name.to_owned(), connection);
        Ok(())
    }

    /// Registers, has the trading centre approve, and signs in.
    async fn enrol(&self, part: &Part, keys: Option<(Vec<u8>, Vec<u8>)>) -> anyhow::Result<()> {
        let profile = self.read_profile(part.profile).await?;
        let anyone = self.anyone().await?;
        let (identity_key, encryption_key) = keys.unzip();
        let arguments = RegisterArguments {
            display_name: part.name.to_owned(),
            kind: part.kinds.to_vec(),
            basic_account: part.account.to_owned(),
            subject_display_name: "经办人".to_owned(),
            identity_key,
            encryption_key,
        };
        let (organization, _) = register(&anyone, &profile, arguments).await?;
        let request = ApproveOrganizationRequest {
            request_id: request_id(),
            name: organization.name,
        };
        self.of(CENTRE.profile)
            .await?
            .registry()
            .approve_organization(request)
            .await?;
        self.connect(part.profile).await
    }

    /// A holder: its daemon makes its own keys in its own folder; the platform gets public halves.
    async fn enrol_holder(
        &self,
        part: &Part,
        person: &TrialIdentity,
        daemon: &TrialIdentity,
    ) -> anyhow::Result<()> {
        let own = self.trustee_folder(part);
        let (identity, encryption) = crate::commands::trustee::initialise(
            &own,
            &self.endpoint,
            self.platform_authority.as_deref(),
            &daemon.certificate_pem,
            &daemon.key_pem,
            PASSPHRASE,
            Anchors::of(&self.of(CENTRE.profile).await?.platform().await?)?,
        )
        .await?;
        self.write_profile(part.profile, person)?;
        self.enrol(part, Some((identity, encryption))).await?;
        let request = AddSubjectRequest {
            request_id: request_id(),
            display_name: "持钥守护进程".to_owned(),
            roles: vec![Role::Trustee as i32],
            certificate: daemon.certificate.clone(),
            intermediates: Vec::new(),
        };
        self.of(part.profile)
            .await?
            .registry()
            .add_subject(request)
            .await?;
        Ok(())
    }

    async fn add_reviewer(&self, reviewer: &TrialIdentity) -> anyhow::Result<()> {
        let request = AddSubjectRequest {
            request_id: request_id(),
            display_name: "审查人".to_owned(),
            roles: vec![Role::Reviewer as i32],
            certificate: reviewer.certificate.clone(),
            intermediates: Vec::new(),
        };
        self.of(PURCHASER.profile)
            .await?
            .registry()
            .add_subject(request)
            .await?;
        self.write_profile("reviewer", reviewer)?;
        self.connect("reviewer").await
    }
}

/// `port`, or a free one where it is 0.
async fn free_port(port: u16) -> anyhow::Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .with_context(|| format!("port {port} of 127.0.0.1 is taken"))?;
    Ok(listener.local_addr()?.port())
}
