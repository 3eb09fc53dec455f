//! The order of an answer's queries: the one in which they were asked, whichever was done first. So the same request
//! has the same bytes.

use async_graphql::indexmap::IndexMap;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};
use async_graphql::{Name, Request, Value};

/// The names of the queries in the answer, in the order of the request. What they cost is checked before, so the
/// fragments have an end.
pub(super) fn keys(request: &mut Request) -> Vec<Name> {
    let wanted = request.operation_name.clone();
    let Ok(document) = request.parsed_query() else { return Vec::new() };
    let mut found = Vec::new();
    for (name, operation) in document.operations.iter() {
        if wanted.is_none() || wanted.as_deref() == name.map(Name::as_str) {
            add(document, &operation.node.selection_set.node, &mut found);
        }
    }
    found
}

fn add(document: &ExecutableDocument, set: &SelectionSet, found: &mut Vec<Name>) {
    for selection in &set.items {
        match &selection.node {
            Selection::Field(field) => found.push(field.node.response_key().node.clone()),
            Selection::InlineFragment(fragment) => {
                add(document, &fragment.node.selection_set.node, found);
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragments.get(&spread.node.fragment_name.node) {
                    add(document, &fragment.node.selection_set.node, found);
                }
            }
        }
    }
}

/// The data with its queries in this order.
pub(super) fn arranged(data: Value, keys: &[Name]) -> Value {
    let Value::Object(mut answers) = data else { return data };
    let mut arranged = IndexMap::with_capacity(answers.len());
    for key in keys {
        if let Some((key, answer)) = answers.shift_remove_entry(key) {
            arranged.insert(key, answer);
        }
    }
    arranged.extend(answers);
    Value::Object(arranged)
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn queries_stand_as_they_were_asked() {
        let text = "query Q { z: a ...F c } fragment F on Query { ... { b } y: d }";
        let keys = keys(&mut Request::new(text));
        let done = value!({ "c": 1, "y": 2, "b": 3, "z": 4 });
        let arranged = serde_json::to_string(&arranged(done, &keys)).unwrap();
        assert_eq!(arranged, r#"{"z":4,"b":3,"y":2,"c":1}"#);
    }
}
