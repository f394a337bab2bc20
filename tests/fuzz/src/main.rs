//! The fuzzer: libFuzzer around the target that `SUNBID_FUZZ_TARGET` names. Started by
//! `tests/fuzz.sh`. Besides panics, an input is a finding that takes too much memory.

#![no_main]

use std::sync::LazyLock;

use peak_alloc::PeakAlloc;
use sunbid_fuzz::{Target, most_memory, target};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

static CHOSEN: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("SUNBID_FUZZ_TARGET").unwrap_or_default();
    let Some(target) = target(&name) else {
        eprintln!("SUNBID_FUZZ_TARGET={name:?} names no target");
        std::process::exit(2)
    };
    // What targets make once and keep is no input's doing.
    (target.run)(&[]);
    target
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let run = CHOSEN.run;
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    run(bytes);
    let taken = MEMORY.peak_usage().saturating_sub(before);
    assert!(
        taken <= most_memory(bytes.len()),
        "{} bytes of input took {taken} bytes of memory",
        bytes.len()
    );
});
