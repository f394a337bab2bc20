//! What sealing costs, beside what its primitives cost on the same machine in the same run.
//! Prints one line per measurement: `name<TAB>value<TAB>unit<TAB>ratio<TAB>against`. Where the
//! unit is MB/s a ratio above 1 is faster than what it is compared with; where it is a time, the
//! ratio is our time in units of the other. A measurement is the best of several runs, and what is
//! compared runs in turn, because everything else the machine does only makes it slower. One core
//! is measured in processor time where the kernel tells it, all cores in wall time.
#![allow(clippy::unwrap_used, reason = "a measurement stops where it fails")]

#[path = "../tests/support/mod.rs"]
mod support;

use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

use ring::{aead, digest};
use sunbid_sealing::{
    CHUNK, CheckedHeader, Class, OsRng, Partial, Sealed, Workers, check_payload, combine,
    combine_reporting, open, open_checked, seal,
};
use support::{CLOSE, Committee, checked, partials, sealed, standing_committee, subject};

const LENGTH: usize = 100_000_000;
const BIDS: usize = 1000;

/// The kernel counts processor time in steps of some milliseconds; repeating makes them small.
const REPEATS: u32 = 6;

/// Processor time of this thread, if the kernel tells it (Linux).
fn processor_time() -> Option<Duration> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    told.split_whitespace()
        .next()?
        .parse()
        .ok()
        .map(Duration::from_nanos)
}

/// Processor time of work on this thread, or its wall time.
fn alone(work: impl FnOnce()) -> Duration {
    let (wall, before) = (Instant::now(), processor_time());
    work();
    match (before, processor_time()) {
        (Some(before), Some(after)) => after.saturating_sub(before),
        _ => wall.elapsed(),
    }
}

fn together(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The best of several runs for each kind of work, run in turn.
fn best_of<const N: usize>(
    runs: usize,
    mut turns: [&mut dyn FnMut() -> Duration; N],
) -> [Duration; N] {
    let mut best = [Duration::MAX; N];
    for _ in 0..runs {
        for (best, turn) in best.iter_mut().zip(turns.iter_mut()) {
            *best = turn().min(*best);
        }
    }
    best
}

fn line(name: &str, value: f64, unit: &str, compared: Option<(f64, &str)>) {
    match compared {
        Some((ratio, against)) => println!("{name}\t{value:.3}\t{unit}\t{ratio:.3}\t{against}"),
        None => println!("{name}\t{value:.3}\t{unit}\t\t"),
    }
}

fn main() {
    // `cargo test` runs benches to see that they work; measuring there would only take time.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    streams();
    proofs();
}

fn seal_into(content: &[u8], sink: impl io::Write, workers: Workers) -> Sealed {
    let key = standing_committee().key.sealing();
    let subject = subject(Class::Public, 0);
    seal(
        key,
        &subject,
        content.len() as u64,
        content,
        sink,
        workers,
        &mut OsRng,
    )
    .unwrap()
}

fn streams() {
    let content: Vec<u8> = (0..LENGTH)
        .map(|position| ((position * 31) >> 3) as u8)
        .collect();
    let mut payload = Vec::with_capacity(LENGTH + LENGTH / 8);
    let kept = seal_into(&content, &mut payload, Workers::ONE);
    let header = checked(&kept);
    let secret = kept
        .rescue
        .shared_secret(standing_committee().key.sealing(), &header)
        .unwrap();
    let cipher =
        aead::LessSafeKey::new(aead::UnboundKey::new(&aead::AES_256_GCM, &[7; 32]).unwrap());
    let nonce = || aead::Nonce::assume_unique_for_key([0; 12]);
    let rate = |time: Duration| LENGTH as f64 / 1e6 / time.as_secs_f64();
    let pass = |time: Duration| payload.len() as f64 / 1e6 / time.as_secs_f64();

    for (cores, workers) in [
        ("one_core", Workers::ONE),
        ("all_cores", Workers::available()),
    ] {
        let measure = |work: &mut dyn FnMut()| {
            if workers == Workers::ONE {
                alone(|| (0..REPEATS).for_each(|_| work())) / REPEATS
            } else {
                together(work)
            }
        };
        // The passes go over just the bytes that sealing encrypts and hashes: padding and all.
        let buffer = std::cell::RefCell::new(payload.clone());
        let [
            copying,
            hashing,
            sealing,
            both_ways,
            seals,
            opens,
            opens_checked,
            checks,
        ] = best_of(
            5,
            [
                // What reading costs when the source is memory: part of ours, not of the passes.
                &mut || {
                    let mut chunk = vec![0; CHUNK];
                    measure(&mut || {
                        let mut source = content.as_slice();
                        while io::Read::read(&mut source, &mut chunk).unwrap() > 0 {
                            black_box(&chunk);
                        }
                    })
                },
                &mut || {
                    measure(&mut || {
                        black_box(digest::digest(&digest::SHA256, &payload));
                    })
                },
                &mut || {
                    let mut buffer = buffer.borrow_mut();
                    measure(&mut || {
                        let aad = aead::Aad::empty();
                        let tag = cipher.seal_in_place_separate_tag(nonce(), aad, &mut buffer);
                        black_box(tag.is_ok());
                    })
                },
                // ring wipes what it refuses, so a buffer is opened only after it was sealed anew.
                &mut || {
                    let mut buffer = buffer.borrow_mut();
                    measure(&mut || {
                        let (aad, empty) = (aead::Aad::empty(), aead::Aad::empty());
                        let tag = cipher.seal_in_place_separate_tag(nonce(), aad, &mut buffer);
                        cipher
                            .open_in_place_separate_tag(
                                nonce(),
                                empty,
                                tag.unwrap(),
                                &mut buffer,
                                0..,
                            )
                            .unwrap();
                    })
                },
                &mut || measure(&mut || drop(seal_into(&content, io::sink(), workers))),
                &mut || {
                    measure(&mut || {
                        open(&header, &secret, payload.as_slice(), io::sink(), workers).unwrap();
                    })
                },
                &mut || {
                    measure(&mut || {
                        let stored = io::Cursor::new(&payload);
                        open_checked(&header, &secret, stored, io::sink(), workers).unwrap();
                    })
                },
                &mut || {
                    measure(&mut || check_payload(&header, payload.as_slice(), workers).unwrap())
                },
            ],
        );
        let opening = both_ways.saturating_sub(sealing);
        if workers == Workers::ONE {
            line("copy_pass", rate(copying), "MB/s", None);
            line("sha256_pass", pass(hashing), "MB/s", None);
            line("aes256gcm_seal_pass", pass(sealing), "MB/s", None);
            line("aes256gcm_open_pass", pass(opening), "MB/s", None);
        }
        let one_pass = "one SHA-256 pass of ring";
        let both = "one SHA-256 pass and one AES-256-GCM pass of ring";
        let read = "the same, with reading the bytes once";
        for (name, floor, time, against) in [
            ("seal_100mb", hashing + sealing, seals, both),
            ("seal_100mb", copying + hashing + sealing, seals, read),
            ("open_100mb", hashing + opening, opens, both),
            ("open_100mb", copying + hashing + opening, opens, read),
            ("open_checked_100mb", hashing + opening, opens_checked, both),
            ("check_payload_100mb", hashing, checks, one_pass),
        ] {
            let ratio = floor.as_secs_f64() / time.as_secs_f64();
            line(
                &format!("{name}_{cores}"),
                rate(time),
                "MB/s",
                Some((ratio, against)),
            );
        }
    }
}

fn each(count: usize, mut work: impl FnMut()) -> f64 {
    let [time] = best_of(5, [&mut || alone(|| (0..count).for_each(|_| work()))]);
    time.as_secs_f64() * 1e6 / count as f64
}

fn proofs() {
    let committee: &Committee = standing_committee();
    let key = &committee.key;
    let (one, _) = sealed(key, Class::Public, b"1,234,567.89", "bench");
    let bytes = one.header.encode();
    let header = CheckedHeader::parse(&bytes).unwrap();
    // The fair yardstick for curve work: an Ed25519 verification by ring, two multiplications.
    let identity = &committee.holders[0].identity;
    let signature = identity.sign(&bytes);
    let yardstick = each(500, || {
        black_box(sunbid_sealing::is_signed_by(
            identity.public(),
            &bytes,
            &signature,
        ));
    });
    let against = "one Ed25519 verification of ring";
    let compare = |name: &str, time: f64| {
        line(name, time, "us", Some((time / yardstick, against)));
    };
    line("ed25519_verify", yardstick, "us", None);
    compare(
        "header_check",
        each(500, || {
            black_box(CheckedHeader::parse(&bytes).unwrap());
        }),
    );
    let share = &committee.shares[0];
    compare(
        "partial_make",
        each(500, || {
            black_box(Partial::make(key, share, &header, &CLOSE, &mut OsRng).unwrap());
        }),
    );
    let partial = Partial::make(key, share, &header, &CLOSE, &mut OsRng).unwrap();
    compare(
        "partial_verify",
        each(500, || {
            black_box(partial.verify(key, &header, &CLOSE).unwrap());
        }),
    );
    let bids: Vec<_> = (0..BIDS)
        .map(|number| {
            let header = checked(&sealed(key, Class::Public, b"price", &number.to_string()).0);
            let partials = partials(committee, &header);
            (header, partials)
        })
        .collect();
    let verified: Vec<Vec<_>> = bids
        .iter()
        .map(|(header, partials)| {
            let three = partials.iter().take(3);
            three
                .map(|one| one.verify(key, header, &CLOSE).unwrap())
                .collect()
        })
        .collect();
    let [combining, whole, holder] = best_of(
        3,
        [
            &mut || {
                alone(|| {
                    for ((header, _), verified) in bids.iter().zip(&verified) {
                        black_box(combine(key, header, verified).unwrap());
                    }
                })
            },
            &mut || {
                alone(|| {
                    for (header, partials) in &bids {
                        let three = partials.get(..3).unwrap_or_default();
                        black_box(
                            combine_reporting(key, header, &CLOSE, three)
                                .secret
                                .unwrap(),
                        );
                    }
                })
            },
            &mut || {
                alone(|| {
                    for (header, _) in &bids {
                        black_box(Partial::make(key, share, header, &CLOSE, &mut OsRng).unwrap());
                    }
                })
            },
        ],
    );
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    line("combine_1000_bids", milliseconds(combining), "ms", None);
    line(
        "verify_3000_partials_and_combine_1000_bids",
        milliseconds(whole),
        "ms",
        None,
    );
    line(
        "partials_of_one_holder_for_1000_bids",
        milliseconds(holder),
        "ms",
        None,
    );
}
