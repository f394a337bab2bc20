//! The contracts of `proto/` as Rust types: messages, clients and servers, and nothing else.
#![allow(clippy::all)]

macro_rules! area {
    ($area:ident) => {
        /// Generated from `proto/sunbid`.
        pub mod $area {
            pub mod v1 {
                include!(concat!(
                    env!("OUT_DIR"),
                    "/sunbid.",
                    stringify!($area),
                    ".v1.rs"
                ));
            }
        }
    };
}

area!(audit);
area!(bid);
area!(common);
area!(deposit);
area!(journal);
area!(notice);
area!(opening);
area!(registry);
area!(sandbox);
area!(tender);

/// Every file of `proto/`, for gRPC reflection.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.binpb"));
