//! What a request may cost, known before anything of it runs.
//!
//! The parser and the validation of the schema walk a document recursively and expand its fragments wherever they
//! are used, so both have to be bounded before them: a page of brackets would end the stack, and thirty fragments
//! that each use the next one twice would be a thousand million fields.

use std::collections::BTreeMap;

use async_graphql::Request;
use async_graphql::parser::types::{
    ExecutableDocument, OperationDefinition, Selection, SelectionSet,
};

use super::kind;
use crate::error::QueryError;

/// Most bytes of a document.
pub(super) const TEXT_BYTES_MAX: usize = 64 << 10;
/// Most brackets of a document that are open at once; the introspection query of clients has 15.
pub(super) const NESTING_MAX: usize = 48;
/// Most fields of an operation with its fragments expanded; every alias counts. The introspection query of clients
/// has about 250.
pub(super) const FIELDS_MAX: u64 = 1_000;
/// Most questions of an operation: records, channels and activities count one each.
pub(super) const QUESTIONS_MAX: u64 = 16;

/// # Errors
/// [`QueryError::Syntax`] for what cannot be parsed, [`QueryError::Plan`] naming the bound that is exceeded.
pub(super) fn check(request: &mut Request) -> Result<(), QueryError> {
    let bytes = request.query.len();
    if bytes > TEXT_BYTES_MAX {
        return Err(QueryError::Plan(format!(
            "the document has {bytes} bytes, the limit is {TEXT_BYTES_MAX}"
        )));
    }
    let nesting = nesting(&request.query);
    if nesting > NESTING_MAX {
        return Err(QueryError::Plan(format!(
            "the document is nested {nesting} deep, the limit is {NESTING_MAX}"
        )));
    }
    let operation_name = request.operation_name.clone();
    let document = request.parsed_query().map_err(|error| QueryError::Syntax {
        message: error.message.clone(),
        place: error.locations.first().map(|at| (at.line as u64, at.column as u64)),
    })?;
    let mut costs = Costs { document, known: BTreeMap::new() };
    for (name, operation) in document.operations.iter() {
        let is_meant = match (&operation_name, name) {
            (Some(meant), Some(name)) => meant == name.as_str(),
            _ => true,
        };
        if is_meant {
            costs.operation(&operation.node)?;
        }
    }
    Ok(())
}

/// Brackets open at once, outside of strings and comments.
fn nesting(text: &str) -> usize {
    let (mut open, mut most) = (0_usize, 0);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let taken = match first {
            '#' => rest.find(['\n', '\r']).unwrap_or(rest.len()),
            '"' if rest.starts_with("\"\"\"") => block(rest),
            '"' => quoted(rest),
            '{' | '[' | '(' => {
                open += 1;
                most = most.max(open);
                1
            }
            '}' | ']' | ')' => {
                open = open.saturating_sub(1);
                1
            }
            other => other.len_utf8(),
        };
        rest = rest.get(taken..).unwrap_or("");
    }
    most
}

/// Bytes of the string at the beginning of a text. One that is not closed ends with its line, as in the grammar.
fn quoted(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '\n' | '\r' => return at,
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Bytes of the block string at the beginning of a text.
fn block(text: &str) -> usize {
    let mut at = 3;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with("\\\"\"\"") {
            at += 4;
        } else if rest.starts_with("\"\"\"") {
            return at + 3;
        } else {
            at += rest.chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    fields: u64,
    questions: u64,
}

impl Cost {
    fn plus(self, other: Self) -> Self {
        Self {
            fields: self.fields.saturating_add(other.fields),
            questions: self.questions.saturating_add(other.questions),
        }
    }
}

/// Costs of fragments, each worked out once however often it is used.
struct Costs<'a> {
    document: &'a ExecutableDocument,
    /// `None` while a fragment is being worked out: to meet it then is a cycle.
    known: BTreeMap<&'a str, Option<Cost>>,
}

impl<'a> Costs<'a> {
    fn operation(&mut self, operation: &'a OperationDefinition) -> Result<(), QueryError> {
        let Cost { fields, questions } = self.set(&operation.selection_set.node)?;
        if fields > FIELDS_MAX {
            return Err(QueryError::Plan(format!(
                "the request has {fields} fields, aliases and fragments counted wherever they are used; the limit \
                 is {FIELDS_MAX}"
            )));
        }
        if questions > QUESTIONS_MAX {
            return Err(QueryError::Plan(format!(
                "the request needs {questions} questions (each query, channelInfo and activities, aliases counted); \
                 the limit is {QUESTIONS_MAX}"
            )));
        }
        Ok(())
    }

    fn set(&mut self, set: &'a SelectionSet) -> Result<Cost, QueryError> {
        let mut sum = Cost::default();
        for selection in &set.items {
            let cost = match &selection.node {
                Selection::Field(field) => {
                    let asks = kind::asks(&field.node.name.node);
                    let own = Cost { fields: 1, questions: u64::from(asks) };
                    own.plus(self.set(&field.node.selection_set.node)?)
                }
                Selection::InlineFragment(fragment) => {
                    self.set(&fragment.node.selection_set.node)?
                }
                Selection::FragmentSpread(spread) => {
                    self.fragment(spread.node.fragment_name.node.as_str())?
                }
            };
            sum = sum.plus(cost);
        }
        Ok(sum)
    }

    fn fragment(&mut self, name: &str) -> Result<Cost, QueryError> {
        // An unknown fragment costs nothing here and is refused by name later.
        let Some((name, fragment)) = self.document.fragments.get_key_value(name) else {
            return Ok(Cost::default());
        };
        match self.known.get(name.as_str()) {
            Some(Some(cost)) => return Ok(*cost),
            Some(None) => {
                return Err(QueryError::Plan(format!("fragment {name} contains itself")));
            }
            None => {}
        }
        self.known.insert(name.as_str(), None);
        let cost = self.set(&fragment.node.selection_set.node)?;
        self.known.insert(name.as_str(), Some(cost));
        Ok(cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(text: &str) -> Result<(), String> {
        check(&mut Request::new(text)).map_err(|error| error.to_string())
    }

    #[test]
    fn brackets_are_counted_outside_of_strings_and_comments() {
        let table = [
            ("{a}", 1),
            ("{a(b:[{c:1}]) {d}}", 4),
            ("# {{{{\n{a}", 1),
            (r#"{a(b:"{{{{")}"#, 2),
            // A string cannot hide brackets behind closing ones.
            (r#"{a(b:"))))" c:[[1]])}"#, 4),
            (r#"{a(b:"\"[[[[")}"#, 2),
            (r#"{a(b:"""{{ " {{ \""" {{""")}"#, 2),
            ("{a(b:\"{{\n{{", 4),
        ];
        for (text, expected) in table {
            assert_eq!(nesting(text), expected, "{text}");
        }
    }

    #[test]
    fn a_page_of_brackets_is_refused_before_it_is_parsed() {
        let text = format!("{{a(b:{}", "[".repeat(40_000));
        let error = checked(&text).expect_err("too deep");
        assert!(error.contains("nested 40002 deep"), "{error}");
    }

    #[test]
    fn fragments_cost_what_they_expand_to() {
        // 2^31 fields in 31 short fragments.
        let mut text = "{...f0}".to_owned();
        for at in 0..31 {
            text.push_str(&format!(" fragment f{at} on Query {{...f{} ...f{}}}", at + 1, at + 1));
        }
        text.push_str(" fragment f31 on Query {a}");
        let error = checked(&text).expect_err("bomb");
        assert!(error.contains("has 2147483648 fields"), "{error}");
        let error = checked("{...a} fragment a on Query {...b} fragment b on Query {...a}");
        assert!(error.expect_err("cycle").contains("contains itself"));
    }

    #[test]
    fn questions_are_counted_by_alias() {
        let ask = |count: usize| -> String {
            let asked: Vec<_> =
                (0..count).map(|at| format!("q{at}: taskDetails {{ tasks {{ id }} }}")).collect();
            format!("{{{}}}", asked.join(" "))
        };
        assert_eq!(checked(&ask(16)), Ok(()));
        let error = checked(&ask(17)).expect_err("too many");
        assert!(error.contains("needs 17 questions"), "{error}");
    }
}
