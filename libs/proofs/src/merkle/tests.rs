use proptest::prelude::*;

use super::*;

/// The definition of RFC 6962, 2.1, word for word.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let mut k = 1;
            while k * 2 < leaves.len() {
                k *= 2;
            }
            node_hash(&naive_root(&leaves[..k]), &naive_root(&leaves[k..]))
        }
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&n.to_be_bytes())).collect()
}

const SIZES: u64 = 70;

#[test]
fn known_roots() {
    // The test vectors of the Certificate Transparency reference code.
    let data: [&[u8]; 8] = [
        b"",
        b"\x00",
        b"\x10",
        b"\x20\x21",
        b"\x30\x31",
        b"\x40\x41\x42\x43",
        b"\x50\x51\x52\x53\x54\x55\x56\x57",
        b"\x60\x61\x62\x63\x64\x65\x66\x67\x68\x69\x6a\x6b\x6c\x6d\x6e\x6f",
    ];
    let leaves: Vec<Hash> = data.iter().map(|data| leaf_hash(data)).collect();
    let roots = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    for (size, root) in (1..).zip(roots) {
        assert_eq!(hex::encode(root_of(&leaves[..size])), root);
    }
}

#[test]
fn the_frontier_is_the_tree() {
    let all = leaves(300);
    let mut frontier = Frontier::new();
    for (size, leaf) in all.iter().enumerate() {
        assert_eq!(frontier.root(), naive_root(&all[..size]));
        let bytes = frontier.to_bytes();
        assert_eq!(
            Frontier::from_bytes(size as u64, &bytes),
            Some(frontier.clone())
        );
        assert_eq!(
            Frontier::from_bytes(size as u64, &[&bytes[..], &[0]].concat()),
            None
        );
        frontier.push(*leaf);
    }
}

#[test]
fn every_inclusion_proof_holds_and_no_altered_one() {
    for size in 1..=SIZES {
        let all = leaves(size);
        let root = root_of(&all);
        for (index, leaf) in (0..).zip(&all) {
            let proof = inclusion_proof(&all, index).unwrap();
            assert!(verify_inclusion(leaf, index, size, &proof, &root));
            assert!(!verify_inclusion(leaf, index, size, &proof, &[9; 32]));
            assert!(!verify_inclusion(&[9; 32], index, size, &proof, &root));
            assert!(!verify_inclusion(leaf, size, size, &proof, &root));
            for other in (0..size).filter(|other| *other != index) {
                assert!(!verify_inclusion(leaf, other, size, &proof, &root));
            }
            for step in 0..proof.len() {
                let mut altered = proof.clone();
                altered[step][0] ^= 1;
                assert!(!verify_inclusion(leaf, index, size, &altered, &root));
                altered.remove(step);
                assert!(!verify_inclusion(leaf, index, size, &altered, &root));
            }
            let longer = [&proof[..], &[[0; 32]]].concat();
            assert!(!verify_inclusion(leaf, index, size, &longer, &root));
        }
        assert_eq!(inclusion_proof(&all, size), None);
    }
}

#[test]
fn every_consistency_proof_holds_and_no_altered_one() {
    for size in 0..=SIZES {
        let all = leaves(size);
        let root = root_of(&all);
        for old_size in 0..=size {
            let old_root = naive_root(&all[..old_size as usize]);
            let proof = consistency_proof(&all, old_size).unwrap();
            assert!(verify_consistency(old_size, &old_root, size, &root, &proof));
            assert!(!verify_consistency(old_size, &[9; 32], size, &root, &proof));
            if old_size > 0 {
                assert!(!verify_consistency(
                    old_size, &old_root, size, &[9; 32], &proof
                ));
            }
            for step in 0..proof.len() {
                let mut altered = proof.clone();
                altered[step][31] ^= 0x80;
                assert!(!verify_consistency(
                    old_size, &old_root, size, &root, &altered
                ));
                altered.remove(step);
                assert!(!verify_consistency(
                    old_size, &old_root, size, &root, &altered
                ));
            }
            let longer = [&proof[..], &[[0; 32]]].concat();
            assert!(!verify_consistency(
                old_size, &old_root, size, &root, &longer
            ));
        }
        assert_eq!(consistency_proof(&all, size + 1), None);
        assert!(!verify_consistency(size + 1, &root, size, &root, &[]));
    }
}

proptest! {
    #[test]
    fn random_proofs_never_panic_and_never_pass(
        index: u64, size: u64, proof in prop::collection::vec(any::<[u8; 32]>(), 0..70)
    ) {
        let root = [1; 32];
        prop_assert!(!verify_inclusion(&[2; 32], index, size, &proof, &root));
        prop_assert!(!verify_consistency(index, &[2; 32], size, &root, &proof));
    }
}
