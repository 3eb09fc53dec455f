//! Payloads of others without what must not be stored: the texts in JSON are cleaned, everything else in it
//! stays byte for byte.

use serde::de::IgnoredAny;

/// Digits of a number that may be a card's.
const CARD_DIGITS: std::ops::RangeInclusive<usize> = 13..=19;
/// First digits of the numbers of payment cards. Others are points in time far more often.
const CARD_BEGINS: [u8; 5] = *b"23456";

/// Whether data of this content type is JSON.
pub(crate) fn is_json(content_type: &str) -> bool {
    let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    essence == "application/json" || essence.ends_with("+json")
}

/// What a client calls JSON. When it is none, it is cleaned as one text.
pub(crate) fn clean_declared(data: Vec<u8>, clean: &dyn Fn(String) -> String) -> Vec<u8> {
    match String::from_utf8(data) {
        Ok(text) => match cleaned(&text, clean) {
            Some(Some(cleaned)) => cleaned.into_bytes(),
            Some(None) => text.into_bytes(),
            None => clean(text).into_bytes(),
        },
        Err(binary) => binary.into_bytes(),
    }
}

/// What may be JSON; otherwise it stays as it is.
pub(crate) fn clean_if_json(data: Vec<u8>, clean: &dyn Fn(String) -> String) -> Vec<u8> {
    let changed = std::str::from_utf8(&data).ok().and_then(|text| cleaned(text, clean)).flatten();
    changed.map_or(data, String::into_bytes)
}

/// The JSON with its texts cleaned; inside: `None` when nothing had to be; outside: when it is no JSON.
fn cleaned(json: &str, clean: &dyn Fn(String) -> String) -> Option<Option<String>> {
    serde_json::from_str::<IgnoredAny>(json).ok()?;
    let mut out = String::new();
    let mut kept_from = 0;
    let mut at = 0;
    let begin = |it: char| matches!(it, '"' | '-') || it.is_ascii_digit();
    while let Some(begins) = json.get(at..)?.find(begin) {
        let begins = at + begins;
        let rest = json.get(begins..)?;
        let token = rest.get(..length(rest))?;
        at = begins + token.len();
        let replacement = match token.strip_prefix('"') {
            Some(_) => text(token, clean)?,
            None => number(token, clean),
        };
        if let Some(replacement) = replacement {
            out.push_str(json.get(kept_from..begins)?);
            // Strings can always be written.
            out.push_str(&serde_json::to_string(&replacement).ok()?);
            kept_from = at;
        }
    }
    if kept_from == 0 {
        return Some(None);
    }
    out.push_str(json.get(kept_from..)?);
    Some(Some(out))
}

/// How long the string or number at the beginning of valid JSON is, bytes.
fn length(rest: &str) -> usize {
    if !rest.starts_with('"') {
        let part = |it: char| it.is_ascii_digit() || matches!(it, '.' | 'e' | 'E' | '+' | '-');
        return rest.find(|it| !part(it)).unwrap_or(rest.len());
    }
    let mut escaped = false;
    let ends = rest.bytes().skip(1).position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    ends.map_or(rest.len(), |inside| inside + 2)
}

/// `None` outside: what it stands for is no text (a lone surrogate).
fn text(token: &str, clean: &dyn Fn(String) -> String) -> Option<Option<String>> {
    let text: String = serde_json::from_str(token).ok()?;
    let cleaned = clean(text.clone());
    Some((cleaned != text).then_some(cleaned))
}

/// A number that was cleaned is a string from then on.
fn number(token: &str, clean: &dyn Fn(String) -> String) -> Option<String> {
    let may_be_card = CARD_DIGITS.contains(&token.len())
        && token.bytes().next().is_some_and(|it| CARD_BEGINS.contains(&it))
        && token.bytes().all(|it| it.is_ascii_digit());
    if !may_be_card {
        return None;
    }
    let cleaned = clean(token.to_owned());
    (cleaned != token).then_some(cleaned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Masks what the tests call a card.
    fn mask(text: String) -> String {
        text.replace("4111111111111111", "****").replace("5500\n", "")
    }

    fn declared(json: &str) -> String {
        String::from_utf8(clean_declared(json.as_bytes().to_vec(), &mask)).expect("UTF-8")
    }

    #[test]
    fn texts_and_numbers_are_cleaned_and_the_rest_stays() {
        let json = r#"{ "a\"b" : "card 4111111111111111!",  "n":4111111111111111,
            "4111111111111111": [1.50e+3, -4111111111111111, "\u0034111111111111111", "5500\n", null] }"#;
        let cleaned = r#"{ "a\"b" : "card ****!",  "n":"****",
            "****": [1.50e+3, -4111111111111111, "****", "", null] }"#;
        let seen = declared(json);
        assert_eq!(seen, cleaned, "a negative number is no card");
        serde_json::from_str::<IgnoredAny>(&seen).expect("still JSON");
    }

    #[test]
    fn what_is_no_json_is_one_text_when_it_was_called_json() {
        assert_eq!(declared("{ 4111111111111111"), "{ ****");
        assert_eq!(declared(r#""\ud800 4111111111111111""#), r#""\ud800 ****""#);
        let binary = vec![0xFF, b'4'];
        assert_eq!(clean_declared(binary.clone(), &mask), binary);
        let text = b"no JSON 4111111111111111".to_vec();
        assert_eq!(clean_if_json(text.clone(), &mask), text);
        assert_eq!(clean_if_json(b"[4111111111111111]".to_vec(), &mask), b"[\"****\"]");
    }

    #[test]
    fn content_types_of_json() {
        for yes in ["application/json", "Application/JSON; charset=utf-8", "application/ld+json"] {
            assert!(is_json(yes), "{yes}");
        }
        for no in ["application/octet-stream", "text/plain", "application/jsonx", ""] {
            assert!(!is_json(no), "{no}");
        }
    }

    fn any_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<u64>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-1e9..1e9).prop_map(|it: f64| it.into()),
            any::<String>().prop_map(Into::into),
            Just("x 4111111111111111".into()),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Into::into),
                prop::collection::btree_map(any::<String>(), inner, 0..5)
                    .prop_map(|it| serde_json::Value::Object(it.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn json_without_cards_stays_and_with_cards_it_stays_json(value in any_json()) {
            let json = serde_json::to_string_pretty(&value).expect("JSON");
            let seen = declared(&json);
            let expected = json.replace("4111111111111111", "****").replace("5500\n", "");
            prop_assert_eq!(seen, expected);
        }

        #[test]
        fn nothing_makes_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), text: String) {
            let _ = clean_declared(bytes, &mask);
            let _ = clean_declared(format!("[\"{text}\",{text}]").into_bytes(), &mask);
        }
    }
}
