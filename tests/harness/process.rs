//! What a process spends, as the kernel counts it.

use std::fs;

use anyhow::Context as _;

/// Ticks of a second in `/proc`; Linux shows 100 on every architecture.
const TICKS: f64 = 100.0;

/// Processor time of a process so far, its own and the kernel's for it; seconds.
pub fn processor_seconds(pid: u32) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may hold anything; after it come the state and ten more fields.
    let (_, fields) = text
        .rsplit_once(')')
        .context("/proc/PID/stat has a name in brackets")?;
    let mut ticks = 0.0;
    for field in fields.split_whitespace().skip(11).take(2) {
        ticks += field.parse::<f64>()?;
    }
    Ok(ticks / TICKS)
}

/// Memory of a process that is resident; MiB.
pub fn resident_mebibytes(pid: u32) -> anyhow::Result<f64> {
    mebibytes(pid, "VmRSS:")
}

/// The most memory of a process that ever was resident; MiB.
pub fn peak_mebibytes(pid: u32) -> anyhow::Result<f64> {
    mebibytes(pid, "VmHWM:")
}

fn mebibytes(pid: u32, row: &str) -> anyhow::Result<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let kibibytes: f64 = text
        .lines()
        .find_map(|line| line.strip_prefix(row))
        .and_then(|rest| rest.split_whitespace().next())
        .with_context(|| format!("/proc/PID/status has no {row}"))?
        .parse()?;
    Ok(kibibytes / 1024.0)
}

/// Processors there are.
pub fn processors() -> f64 {
    std::thread::available_parallelism().map_or(1.0, |count| count.get() as f64)
}
