//! The two clocks a process may be started with. The sandbox clock can be moved forward and is
//! visible wherever it is used; a production start refuses it. Neither believes a jump of the machine's.

use std::{
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicI64, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use sunbid_terms::{Clock, Instant, Steady};

use crate::even_clock::EvenClock;

/// The operating system's clock.
#[derive(Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "this is where time enters the process"
    )]
    fn now(&self) -> Instant {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Instant::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
    }

    fn steady(&self) -> Option<Steady> {
        let boot = std::fs::read_to_string(BOOT).ok()?;
        let uptime = std::fs::read_to_string(UPTIME).ok()?;
        Some(Steady {
            boot: boot.trim().to_owned(),
            micros: uptime_micros(&uptime)?,
        })
    }
}

/// The name of this start of the machine, and the seconds since it, as Linux tells them. A machine that
/// has neither has no steady clock.
const BOOT: &str = "/proc/sys/kernel/random/boot_id";
const UPTIME: &str = "/proc/uptime";

/// "350735.47 234388.90": seconds with hundredths, then what does not matter here.
fn uptime_micros(text: &str) -> Option<i64> {
    let (seconds, hundredths) = text.split_whitespace().next()?.split_once('.')?;
    let seconds: i64 = seconds.parse().ok()?;
    let hundredths: i64 = hundredths.get(..2)?.parse().ok()?;
    seconds
        .checked_mul(1_000_000)?
        .checked_add(hundredths * 10_000)
}

/// The clock of a process that is no sandbox.
pub fn of_process() -> EvenClock<SystemClock> {
    EvenClock::new(SystemClock)
}

/// A machine's clock that a drill sets wrong.
#[derive(Debug, Default)]
struct Machine {
    system: SystemClock,
    wrong_by: AtomicI64,
}

impl Clock for Machine {
    fn now(&self) -> Instant {
        let wrong_by = self.wrong_by.load(Ordering::SeqCst);
        self.system.now().plus_micros(wrong_by)
    }
}

/// The system's clock moved forward by an offset kept in a file, which several trial processes
/// (a platform and its trustees) may share. A file beside it, [`WRONG_BY`], sets the machine's clock of
/// those processes wrong: only to see that they do not follow.
#[derive(Debug)]
pub struct SandboxClock {
    machine: EvenClock<Machine>,
    file: PathBuf,
    offset: AtomicI64,
    read_at: AtomicI64,
}

/// How long a read offset is used before the file is asked again, microseconds.
const FRESH: i64 = 20_000;
/// How the file is called that sets the machine's clock wrong, after its last dot.
pub const WRONG_BY: &str = "wrong-by";

impl SandboxClock {
    /// Uses the offset in `file`; a missing file means no offset.
    pub fn open(file: &Path) -> io::Result<Self> {
        let clock = Self {
            machine: EvenClock::new(Machine::default()),
            file: file.to_owned(),
            offset: AtomicI64::new(0),
            read_at: AtomicI64::new(i64::MIN),
        };
        clock.refresh()?;
        Ok(clock)
    }

    /// Moves the time forward to `to`; a moment that has passed changes nothing.
    pub fn advance_to(&self, to: Instant) -> io::Result<Instant> {
        self.refresh()?;
        let now = self.now();
        let missing = to.micros().saturating_sub(now.micros());
        if missing > 0 {
            let offset = self.offset.load(Ordering::SeqCst).saturating_add(missing);
            let beside = self.file.with_extension("new");
            std::fs::write(&beside, offset.to_string())?;
            std::fs::rename(&beside, &self.file)?;
            self.offset.store(offset, Ordering::SeqCst);
        }
        Ok(self.now())
    }

    fn refresh(&self) -> io::Result<()> {
        let wrong_by = number_in(&self.file.with_extension(WRONG_BY))?.unwrap_or(0);
        self.machine.wall.wrong_by.store(wrong_by, Ordering::SeqCst);
        if let Some(offset) = number_in(&self.file)? {
            self.offset.fetch_max(offset, Ordering::SeqCst);
        }
        Ok(())
    }
}

/// The number of microseconds that a file holds; nothing where there is no file.
fn number_in(file: &Path) -> io::Result<Option<i64>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let number = text.trim().parse().map_err(|_| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("{} does not hold a number of microseconds", file.display()),
        )
    })?;
    Ok(Some(number))
}

impl Clock for SandboxClock {
    fn now(&self) -> Instant {
        let system = self.machine.wall.system.now();
        let read_at = self.read_at.load(Ordering::Relaxed);
        if system.micros().saturating_sub(read_at) > FRESH || read_at > system.micros() {
            self.read_at.store(system.micros(), Ordering::Relaxed);
            if let Err(error) = self.refresh() {
                tracing::warn!(%error, "the sandbox clock's file cannot be read; the offset stays");
            }
        }
        let machine = self.machine.now();
        machine.plus_micros(self.offset.load(Ordering::SeqCst))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_is_read_and_goes_on() {
        assert_eq!(
            uptime_micros("350735.47 234388.90\n"),
            Some(350_735_470_000)
        );
        for wrong in ["", "12", "x.10", "1.1", "99999999999999999.10"] {
            assert_eq!(uptime_micros(wrong), None, "{wrong}");
        }
        if let (Some(one), Some(other)) = (SystemClock.steady(), SystemClock.steady()) {
            assert_eq!(one.boot, other.boot);
            assert!(one.micros <= other.micros);
        }
        let boot = |clock: &dyn Clock| clock.steady().map(|steady| steady.boot);
        assert_eq!(boot(&of_process()), boot(&SystemClock));
        let folder = tempfile::tempdir().unwrap();
        let sandbox = SandboxClock::open(&folder.path().join("clock")).unwrap();
        assert_eq!(sandbox.steady(), None, "a clock that is there to be set");
    }

    #[test]
    fn processes_share_the_offset_and_time_only_moves_forward() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("clock");
        let one = SandboxClock::open(&file).unwrap();
        let other = SandboxClock::open(&file).unwrap();
        let target = one.now().plus_seconds(40 * 86_400);
        assert!(one.advance_to(target).unwrap() >= target);
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(other.now() >= target);
        one.advance_to(Instant::from_micros(0)).unwrap();
        assert!(one.now() >= target);
        let before = one.now();
        std::fs::write(file.with_extension(WRONG_BY), "-18000000000").unwrap();
        std::thread::sleep(std::time::Duration::from_millis(30));
        assert!(one.now() >= before && one.now() < before.plus_seconds(3600));
        std::fs::write(&file, "rubbish").unwrap();
        assert!(SandboxClock::open(&file).is_err());
    }
}
