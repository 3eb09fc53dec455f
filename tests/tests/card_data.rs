//! What customers type about their cards, through a serving process: none of it is on the log, opened with
//! all keys there are.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

mod center;

use center::{Center, leave, org, sealed};
use ledgerline_event_store::crypt::KeyRing;

/// Splitmix64.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn card(seed: &mut u64) -> Vec<u8> {
    let length = 12 + (next(seed) % 7) as usize;
    let mut digits: Vec<u8> = (0..length).map(|_| (next(seed) % 10) as u8).collect();
    digits[0] = 4;
    let valid = |digits: &[u8]| {
        let sum: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(at, digit)| {
                let doubled = u32::from(*digit) * (1 + (at as u32 % 2));
                doubled / 10 + doubled % 10
            })
            .sum();
        sum.is_multiple_of(10)
    };
    digits.push(0);
    while !valid(&digits) {
        *digits.last_mut().expect("a digit") += 1;
    }
    digits
}

#[tokio::test]
async fn card_numbers_and_codes_that_customers_type_never_reach_the_log() {
    let mut seed = 20_261_120;
    let (mut lines, mut numbers, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..60 {
        let digits: String = card(&mut seed).iter().map(u8::to_string).collect();
        let separator = ["", " ", "-", ".", "\u{a0}", "/"][round % 6];
        let size = 3 + round % 4;
        let groups: Vec<&str> = (0..digits.len())
            .step_by(size)
            .map(|at| &digits[at..digits.len().min(at + size)])
            .collect();
        let code = format!("{:03}", next(&mut seed) % 1_000);
        let name = ["CVC", "security code", "Prüfnummer", "cryptogramme"][round % 4];
        lines.push(match round % 3 {
            0 => format!("my card: {} thanks", groups.join(separator)),
            1 => format!("{} {name} {code}", groups.join(separator)),
            _ => format!("the {name} is <{code}>"),
        });
        if round % 3 < 2 {
            numbers.push(digits);
        }
        if round % 3 > 0 {
            codes.push(code);
        }
    }
    lines.extend(["what is a CVV?".to_owned(), "907".to_owned()]);
    codes.push("907".to_owned());
    let folder = tempfile::tempdir().expect("folder");
    let center = Center::start(folder.path(), None).await;
    let (_, socket) = center.chat("Ada", &lines).await;
    leave(socket).await;
    center.until("interaction.ended", 1).await;
    let data = center.stop();
    let keys = KeyRing::open_dir(&data).expect("keys");
    let texts: Vec<String> = sealed(&data, None)
        .into_iter()
        .map(|(_, binding, value)| keys.open(org(), binding, &value).expect("opens"))
        .collect();
    assert_eq!(texts.len(), 1 + lines.len());
    for text in &texts {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        assert!(numbers.iter().all(|number| !digits.contains(number)), "{text:?}");
        assert!(codes.iter().all(|code| !digits.contains(code)), "{text:?}");
    }
    assert!(texts.iter().any(|text| text.contains("my card: ****")), "{texts:?}");
}
