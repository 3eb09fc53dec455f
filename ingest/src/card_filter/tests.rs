use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> String {
    mask(text.to_owned()).into_string()
}

#[test]
fn numbers_are_masked_however_they_are_written() {
    for text in [
        "4111111111111111",
        "my card is 4111 1111 1111 1111, thanks",
        "4111-1111-1111-1111",
        "4111.1111.1111.1111",
        "4111/1111/1111/1111",
        "4111 - 1111 - 1111 - 1111",
        "4111\n1111\n1111\n1111",
        "4111\u{a0}1111\u{a0}1111\u{a0}1111",
        "4111\u{200b}1111\u{2013}1111_1111",
        "４１１１１１１１１１１１１１１１",
        "٤١١١١١١١١١١١١١١١",
        "card:4111111111111111exp",
        "378282246310005",
        "3782 822463 10005",
        "30569309025904",
        "6011111111111117",
        "6304000000000000",
        "four one one one one one one one one one one one one one one one",
        "vier eins eins eins, eins eins eins eins, eins eins eins eins, eins eins eins eins",
        "4111111111111111 12/27 123",
        "4111111111111111123",
        "0012 4111111111111111",
    ] {
        let masked = shown(text);
        let left = Text::of(&masked).atoms.len();
        assert!(left <= 8, "{text:?} became {masked:?}");
        assert!(!masked.contains("4111") && !masked.contains("1111"), "{text:?}: {masked:?}");
    }
}

#[test]
fn what_is_no_card_data_stays() {
    for text in [
        "",
        "hello",
        "call me at +49 30 1234567",
        "order 12345, please",
        "4111 1111 1111 1112",
        "room 123, at 1430",
        "my zip is 90210-1234",
        "0000000000000000",
        "one or two questions",
        "placid cidre, acid rain 123",
    ] {
        assert_eq!(shown(text), text);
    }
}

#[test]
fn codes_are_masked_where_something_says_what_they_are() {
    for (text, masked) in [
        ("cvc 123", "cvc ***"),
        ("CVV2: 1234", "CVV2: ****"),
        ("cvc123", "cvc***"),
        ("C.V.C. is 1 2 3", "C.V.C. is * * *"),
        (
            "the three digits on the back are one two three",
            "the three digits on the back are * * *",
        ),
        ("Sicherheitscode 987", "Sicherheitscode ***"),
        ("mon cryptogramme, c'est 012", "mon cryptogramme, c'est ***"),
        ("el código  de\nseguridad es 1-2-3", "el código  de\nseguridad es *-*-*"),
        ("код безопасности 123", "код безопасности ***"),
        ("セキュリティコードは１２３です", "セキュリティコードは***です"),
        ("123 is my CVC, order 55 and 123456", "*** is my CVC, order 55 and 123456"),
        ("4111111111111111 12/27 123", "**************** **/** ***"),
    ] {
        assert_eq!(shown(text), masked);
    }
}

#[test]
fn a_code_that_follows_its_name_in_the_conversation_is_masked() {
    let mut watch = Watch::default();
    assert_eq!(watch.mask("123".to_owned()).as_str(), "123");
    watch.heard("What is your security code, please?");
    assert_eq!(watch.mask("one moment".to_owned()).as_str(), "one moment");
    assert_eq!(watch.mask("it is 123".to_owned()).as_str(), "it is ***");
    assert_eq!(watch.mask("thanks".to_owned()).as_str(), "thanks");
    assert_eq!(watch.mask("room 123".to_owned()).as_str(), "room 123", "the question is long over");
    let _ = watch.mask("4111 1111 1111 1111".to_owned());
    assert_eq!(watch.mask("987".to_owned()).as_str(), "***", "after a card number comes its code");
}

#[test]
fn a_masked_text_does_not_show_itself_in_a_debug_line() {
    assert_eq!(format!("{:?}", mask("my secret".to_owned())), "Masked(9 bytes)");
}

/// A number with a valid check digit.
fn card() -> impl Strategy<Value = Vec<u8>> {
    (13_usize..=19).prop_flat_map(|length| {
        (1_u8..=9, proptest::collection::vec(0_u8..=9, length - 2)).prop_map(|(first, rest)| {
            let mut digits = vec![first];
            digits.extend(rest);
            let check = (0..=9).find(|check| {
                let mut all = digits.clone();
                all.push(*check);
                number::passes_luhn(&all)
            });
            digits.push(check.expect("one of ten digits fits"));
            digits
        })
    })
}

/// Writes digits in groups of these sizes, in turn.
fn written(digits: &[u8], groups: &[usize], separator: &str, zero: char) -> String {
    let mut out = String::new();
    let mut left = 0;
    let mut sizes = groups.iter().cycle();
    for (index, digit) in digits.iter().enumerate() {
        if left == 0 {
            if index > 0 {
                out.push_str(separator);
            }
            left = *sizes.next().expect("a size");
        }
        left -= 1;
        out.push(char::from_u32(u32::from(zero) + u32::from(*digit)).expect("a digit"));
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn no_card_number_survives(
        digits in card(),
        groups in proptest::collection::vec(1_usize..=6, 1..4),
        separator in prop_oneof![
            Just(""), Just(" "), Just("-"), Just("."), Just("/"), Just("\u{a0}"), Just("\u{2013}"),
            Just("\n"), Just("_"), Just("\u{200b}"),
        ],
        zero in prop_oneof![Just('0'), Just('\u{660}'), Just('\u{ff10}')],
        before in "[a-z äöé:,]{0,12}", after in "[a-z äöé!?]{0,12}",
    ) {
        let number = written(&digits, &groups, separator, zero);
        let text = format!("{before}{number}{after}");
        let masked = shown(&text);
        let left: Vec<u8> = Text::of(&masked).atoms.iter().map(|atom| atom.value).collect();
        let from_words = Text::of(&before).atoms.len() + Text::of(&after).atoms.len();
        prop_assert!(left.len() <= from_words, "{text:?} became {masked:?}");
    }

    #[test]
    fn no_issued_number_survives_beside_other_digits(
        body in proptest::collection::vec(0_u8..=9, 14),
        before in "[0-9]{0,3}", after in "[0-9]{0,4}", separator in "[ -]{0,3}",
    ) {
        let mut digits = vec![4];
        digits.extend(body);
        let check = (0..=9).find(|check| {
            let mut all = digits.clone();
            all.push(*check);
            number::passes_luhn(&all)
        });
        digits.push(check.expect("one of ten digits fits"));
        let number = written(&digits, &[4], &separator, '0');
        let masked = shown(&format!("{before}{number}{after}"));
        let left = Text::of(&masked).atoms.len();
        prop_assert!(left <= before.len() + after.len(), "{masked:?}");
    }

    #[test]
    fn no_named_code_survives(
        digits in proptest::collection::vec(0_u8..=9, 3..=4),
        groups in proptest::collection::vec(1_usize..=2, 1..3),
        separator in prop_oneof![Just(""), Just(" "), Just("-"), Just(". "), Just("\n")],
        name in prop_oneof![
            Just("CVC"), Just("cvv2"), Just("c v v"), Just("security code"), Just("Prüfziffer"),
            Just("Kartenprüfnummer"), Just("cryptogramme visuel"), Just("Código de Seguridad"),
            Just("codice di sicurezza"), Just("kod bezpieczeństwa"), Just("güvenlik kodu"),
        ],
        between in "[ :=]{1,3}", first in any::<bool>(),
    ) {
        let code = written(&digits, if separator.is_empty() { &[9] } else { &groups }, separator, '0');
        let text = if first { format!("{name}{between}{code}") } else { format!("{code} {between} {name}") };
        let masked = shown(&text);
        let named = Text::of(name).atoms.len();
        prop_assert!(Text::of(&masked).atoms.len() <= named, "{text:?} became {masked:?}");
    }

    #[test]
    fn anything_may_be_typed(text in "\\PC{0,200}") {
        let masked = shown(&text);
        prop_assert!(masked.chars().count() <= text.chars().count());
        prop_assert_eq!(shown(&masked).replace('*', ""), masked.replace('*', ""));
    }
}
