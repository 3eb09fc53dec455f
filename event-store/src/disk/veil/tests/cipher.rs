//! The cipher by itself.

use proptest::prelude::*;

use crate::disk::veil::xts::Xts;

fn bytes(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digit).collect()
}

/// Vector 10 of IEEE 1619-2007: XTS-AES-256, data unit 0xff, 512 bytes.
const VECTOR_10: &str = "1c3b3a102f770386e4836c99e370cf9bea00803f5e482357a4ae12d414a3e63b5d31e276f8fe4a8d66b317f9ac683f44\
680a86ac35adfc3345befecb4bb188fd5776926c49a3095eb108fd1098baec70aaa66999a72a82f27d848b21d4a741b0c5cd4d5fff9dac89aeba12\
2961d03a757123e9870f8acf1000020887891429ca2a3e7a7d7df7b10355165c8b9a6d0a7de8b062c4500dc4cd120c0f7418dae3d0b5781c34803f\
a75421c790dfe1de1834f280d7667b327f6c8cd7557e12ac3a0f93ec05c52e0493ef31a12d3d9260f79a289d6a379bc70c50841473d1a8cc81ec58\
3e9645e07b8d9670655ba5bbcfecc6dc3966380ad8fecb17b6ba02469a020a84e18e8f84252070c13e9f1f289be54fbc481457778f616015e1327a\
02b140f1505eb309326d68378f8374595c849d84f4c333ec4423885143cb47bd71c5edae9be69a2ffeceb1bec9de244fbe15992b11b77c040f12bd\
8f6a975a44a0f90c29a9abc3d4d893927284c58754cce294529f8614dcd2aba991925fedc4ae74ffac6e333b93eb4aff0479da9a410e4450e0dd7a\
e4c6e2910900575da401fc07059f645e8b7e9bfdef33943054ff84011493c27b3429eaedb4ed5376441a77ed43851ad77f16f541dfd269d50d6a5f\
14fb0aab1cbb4c1550be97f7ab4066193c4caa773dad38014bd2092fa755c824bb5e54c4f36ffda9fcea70b9c6e693e148c151";

#[test]
fn it_is_the_xts_of_ieee_1619() {
    let key = |text: &str| <[u8; 32]>::try_from(bytes(text)).unwrap();
    let xts = Xts::with(
        &key("2718281828459045235360287471352662497757247093699959574966967627"),
        &key("3141592653589793238462643383279502884197169399375105820974944592"),
    );
    let plain: Vec<u8> = (0..512).map(|at| at as u8).collect();
    let mut sector = plain.clone();
    xts.encrypt(0xff * 32, &mut sector);
    assert_eq!(sector, bytes(VECTOR_10));
    xts.decrypt(0xff * 32, &mut sector);
    assert_eq!(sector, plain);
}

proptest! {
    /// The crate does it block by block, this one many blocks at a time.
    #[test]
    fn it_equals_another_implementation(first in 0_u64..1 << 40, sectors in 1_usize..40, cut in any::<prop::sample::Index>(), fill in any::<u8>()) {
        use aes::cipher::KeyInit as _;
        let cipher = |key: [u8; 32]| aes::Aes256::new(&key.into());
        let theirs = xts_mode::Xts128::new(cipher([3; 32]), cipher([4; 32]));
        let ours = Xts::with(&[3; 32], &[4; 32]);
        let plain: Vec<u8> = (0..sectors * 512).map(|at| (at / 7) as u8 ^ fill).collect();
        let mut expected = plain.clone();
        theirs.encrypt_area(&mut expected, 512, u128::from(first), xts_mode::get_tweak_default);
        // Whole, and in two parts that meet anywhere between two blocks.
        let at = cut.index(sectors * 32);
        let mut whole = plain.clone();
        ours.encrypt(first * 32, &mut whole);
        prop_assert!(whole == expected);
        let (head, tail) = whole.split_at_mut(at * 16);
        ours.decrypt(first * 32, head);
        ours.decrypt(first * 32 + at as u64, tail);
        prop_assert!(whole == plain);
    }
}
