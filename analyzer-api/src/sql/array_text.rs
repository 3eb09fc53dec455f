//! Arrays as PostgreSQL writes them in text: `{a, "b c", NULL}`. Of one dimension.
//!
//! Format: PostgreSQL 15, 8.15.6 "Array Input and Output Syntax". White space around an element that is not quoted does
//! not belong to it, a backslash takes the next character as it is, `NULL` without quotes is no value.

use std::iter::Peekable;
use std::str::Chars;

/// The elements; `None` if it is no such text.
pub(crate) fn elements(text: &str) -> Option<Vec<Option<String>>> {
    let inner = text.trim().strip_prefix('{')?.strip_suffix('}')?;
    let mut elements = Vec::new();
    if inner.trim().is_empty() {
        return Some(elements);
    }
    let mut chars = inner.chars().peekable();
    loop {
        elements.push(element(&mut chars)?);
        match chars.next() {
            None => return Some(elements),
            Some(',') => {}
            Some(_) => return None,
        }
    }
}

/// Reads up to a comma or the end.
fn element(chars: &mut Peekable<Chars<'_>>) -> Option<Option<String>> {
    skip_space(chars);
    if chars.next_if_eq(&'"').is_some() {
        let mut text = String::new();
        loop {
            match chars.next()? {
                '"' => break,
                '\\' => text.push(chars.next()?),
                other => text.push(other),
            }
        }
        skip_space(chars);
        return Some(Some(text));
    }
    let (mut text, mut kept) = (String::new(), 0);
    while let Some(next) = chars.next_if(|it| *it != ',') {
        match next {
            '{' | '}' | '"' => return None,
            '\\' => {
                text.push(chars.next()?);
                kept = text.len();
            }
            other => {
                text.push(other);
                // Space at the end goes, unless it is escaped.
                kept = if other.is_ascii_whitespace() { kept } else { text.len() };
            }
        }
    }
    text.truncate(kept);
    match text.is_empty() {
        true => None,
        false => Some(Some(text).filter(|text| !text.eq_ignore_ascii_case("null"))),
    }
}

fn skip_space(chars: &mut Peekable<Chars<'_>>) {
    while chars.next_if(char::is_ascii_whitespace).is_some() {}
}

/// The shortest text with these elements.
pub(crate) fn written(elements: &[Option<String>]) -> String {
    let shown = elements.iter().map(|element| match element {
        None => "NULL".to_owned(),
        Some(text) => {
            let plain = !text.is_empty()
                && !text.eq_ignore_ascii_case("null")
                && !text.contains(|it: char| "{}\",\\".contains(it) || it.is_ascii_whitespace());
            match plain {
                true => text.clone(),
                false => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
            }
        }
    });
    format!("{{{}}}", shown.collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_of_postgresql() {
        // PostgreSQL 15: select '…'::text[].
        let cases: [(&str, Option<&[Option<&str>]>); 12] = [
            ("{}", Some(&[])),
            (" { } ", Some(&[])),
            ("{r, v}", Some(&[Some("r"), Some("v")])),
            ("{ a b , \"c,d\" ,NULL,null}", Some(&[Some("a b"), Some("c,d"), None, None])),
            ("{\"NULL\",\"\"}", Some(&[Some("NULL"), Some("")])),
            (r#"{"a\"b",a\,b,c\ }"#, Some(&[Some("a\"b"), Some("a,b"), Some("c ")])),
            ("{a,}", None),
            ("{,a}", None),
            ("{\"a\"b}", None),
            ("{a{b}", None),
            ("{\"a}", None),
            ("a,b", None),
        ];
        for (text, expected) in cases {
            let expected =
                expected.map(|all| all.iter().map(|it| it.map(str::to_owned)).collect::<Vec<_>>());
            assert_eq!(elements(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            all in prop::collection::vec(prop::option::of("[a-cN\"\\\\{}, ]{0,6}|null"), 0..6)
        ) {
            prop_assert_eq!(elements(&written(&all)), Some(all));
        }
    }
}
