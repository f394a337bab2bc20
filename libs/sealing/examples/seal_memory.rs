//! Seals and opens a part of any size and shows how much memory that took.
//!
//! `seal_memory [MiB]` (2048 unless told) generates a stream, seals it to a temporary file, opens
//! it again and prints the peak resident memory as the kernel counts it. Ends with a failure above
//! 64 MiB, or when what comes back is not what went in.

use std::error::Error;
use std::fs::read_to_string;
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::process::ExitCode;

use sunbid_sealing::{Class, Label, OsRng, SealingKey, SecretScalar, Subject, Workers, open, seal};

const LIMIT_KIB: u64 = 64 * 1024;

/// Bytes that depend on their position, so that chunks that change places are seen.
struct Generated {
    position: u64,
    length: u64,
}

impl Generated {
    fn byte(position: u64) -> u8 {
        (position ^ (position >> 20))
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_be_bytes()[0]
    }
}

impl Read for Generated {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let count = (self.length - self.position).min(out.len() as u64) as usize;
        for byte in out.iter_mut().take(count) {
            *byte = Self::byte(self.position);
            self.position += 1;
        }
        Ok(count)
    }
}

/// Compares what is written with what was generated.
struct Compared {
    position: u64,
}

impl Write for Compared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        for byte in bytes {
            if *byte != Generated::byte(self.position) {
                let what = format!("Byte {} is not the one that was sealed.", self.position);
                return Err(io::Error::new(io::ErrorKind::InvalidData, what));
            }
            self.position += 1;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The peak resident memory of this process in KiB.
fn peak_kib() -> Result<u64, Box<dyn Error>> {
    let status = read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let line = line.ok_or("The kernel does not say VmHWM.")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

fn run() -> Result<u64, Box<dyn Error>> {
    let mebibytes: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(2048), |argument| argument.parse())?;
    let length = mebibytes << 20;
    let key = SealingKey::new([1; 32], SecretScalar::random(&mut OsRng)?.public());
    let subject = Subject {
        tender: Label::new("T")?,
        lot: Label::new("01")?,
        part: 0,
        class: Class::Evaluators,
        bidder: Label::new("Supplier A")?,
        revision: 1,
        not_before: 0,
    };
    let mut file = tempfile::tempfile()?;
    let source = Generated {
        position: 0,
        length,
    };
    let sealed = seal(
        &key,
        &subject,
        length,
        source,
        &file,
        Workers::available(),
        &mut OsRng,
    )?;
    let header = sealed.header.check()?;
    file.seek(SeekFrom::Start(0))?;
    let secret = sealed.rescue.shared_secret(&key, &header)?;
    let compared = Compared { position: 0 };
    let opened = open(
        &header,
        &secret,
        BufReader::new(file),
        compared,
        Workers::available(),
    )?;
    println!(
        "{opened} bytes sealed into {} and opened",
        header.payload_length()
    );
    peak_kib()
}

fn main() -> ExitCode {
    match run() {
        Ok(peak) => {
            println!("{peak} KiB resident at the peak, {LIMIT_KIB} KiB allowed");
            if peak <= LIMIT_KIB {
                ExitCode::SUCCESS
            } else {
                ExitCode::FAILURE
            }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
