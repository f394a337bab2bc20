//! The published vectors of sealing: a whole tender with every secret shown.

use std::sync::LazyLock;

use serde_json::Value;

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    let file = include_str!("../../../libs/sealing/tests/vectors/tender-vectors.json");
    serde_json::from_str(file).expect("the vectors are JSON")
});

/// The bytes at a JSON pointer.
pub fn bytes(pointer: &str) -> Vec<u8> {
    let text = VECTORS.pointer(pointer).and_then(Value::as_str);
    hex::decode(text.expect("the vectors have this")).expect("it is hexadecimal")
}

/// The same, of a known length.
pub fn array<const N: usize>(pointer: &str) -> [u8; N] {
    bytes(pointer).try_into().expect("it has this length")
}
