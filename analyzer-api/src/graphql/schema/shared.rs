//! Types that all queries share: scalars, comparisons, enumerations, pages.

use std::sync::Arc;

use async_graphql::Value;
use async_graphql::dynamic::{
    Enum, EnumItem, InputObject, InputValue, Object, Scalar, SchemaBuilder, TypeRef,
};

use super::outputs::plain;
use super::{AGGREGATED, LONG, MOMENT, NAME};
use crate::graphql::arguments::{FUNCTIONS, LENGTHS, PAGE, PAGE_MAX};
use crate::graphql::record::Page;

/// Types that all queries share.
pub(super) fn shared(builder: SchemaBuilder) -> SchemaBuilder {
    let whole = |value: &Value| match value {
        Value::Number(number) => number.is_i64() || number.is_u64(),
        _ => false,
    };
    let named = |value: &Value| matches!(value, Value::String(_) | Value::Enum(_));
    let long = Scalar::new(LONG)
        .description(
            "A whole number of 64 bits. Times are milliseconds since 1970-01-01T00:00:00Z.",
        )
        .validator(whole);
    let name = Scalar::new(NAME)
        .description("Text; what looks like a name can be written without quotes.")
        .validator(named);
    let moment = Scalar::new(MOMENT)
        .description("A position of the log, or an instant as 2026-11-29T10:00:00Z.")
        .validator(move |value| whole(value) || named(value));
    let comparisons = |name: &str, of: &str, operators: &[(&str, &str)], lists: bool| {
        let mut input =
            InputObject::new(name).description("Comparisons; all of them have to hold.");
        for (operator, doc) in operators {
            input = input.field(InputValue::new(*operator, TypeRef::named(of)).description(*doc));
        }
        for (operator, doc) in
            [("in", "It is one of these."), ("notin", "It is none of these, or there is none.")]
        {
            if lists {
                input = input
                    .field(InputValue::new(operator, TypeRef::named_nn_list(of)).description(doc));
            }
        }
        input
    };
    let equals = ("equals", "It is this; null: there is none.");
    let not_equals = ("notequals", "It is not this, or there is none; null: there is one.");
    let text = [
        equals,
        not_equals,
        ("contains", "It contains this, upper and lower case told apart."),
        ("startsWith", "It begins with this, upper and lower case told apart."),
    ];
    let ordered = [
        equals,
        not_equals,
        ("gt", "It is greater."),
        ("gte", "It is greater or the same."),
        ("lt", "It is less."),
        ("lte", "It is less or the same."),
    ];
    let items = |name: &str, doc: &str, names: Vec<(&str, &str)>| {
        names.into_iter().fold(Enum::new(name).description(doc), |it, (name, doc)| {
            it.item(EnumItem::new(name).description(doc))
        })
    };
    let functions = FUNCTIONS.iter().map(|(name, _)| (*name, function_doc(name))).collect();
    builder
        .register(long)
        .register(name)
        .register(moment)
        .register(comparisons("TextFilter", NAME, &text, true))
        .register(comparisons("LongFilter", LONG, &ordered, true))
        .register(comparisons("BooleanFilter", TypeRef::BOOLEAN, &[equals, not_equals], false))
        .register(items(
            "TimeComparator",
            "Which time from and to bound, and pages are ordered by.",
            vec![
                ("createdTime", "When it began."),
                ("endedTime", "When it ended; what has not is left out."),
            ],
        ))
        .register(items("AggregationType", "How values are taken together.", functions))
        .register(items(
            "IntervalLength",
            "Length of an interval on the clock.",
            LENGTHS.iter().map(|(name, length)| (*name, *length)).collect(),
        ))
        .register(
            InputObject::new("AggregationInterval")
                .description("Aggregated values per interval, on the clocks of a time zone.")
                .field(
                    InputValue::new("interval", TypeRef::named_nn("IntervalLength"))
                        .description("How long; days and months are those of the calendar there."),
                )
                .field(
                    InputValue::new("timezone", TypeRef::named(TypeRef::STRING))
                        .description("Name as Europe/Brussels; UTC without."),
                ),
        )
        .register(
            InputObject::new("Pagination")
                .description("Which page.")
                .field(InputValue::new("cursor", TypeRef::named(TypeRef::STRING)).description(
                    "pageInfo: endCursor of the page before; every page is read at the position of the first one. \
                     Nothing, empty or 0 is the first page.",
                ))
                .field(InputValue::new("size", TypeRef::named(LONG)).description(format!(
                    "Records of a page, 1 to {PAGE_MAX}; {PAGE} without."
                ))),
        )
        .register(page_info())
        .register(aggregated_value())
}

fn page_info() -> Object {
    let more = |page: &Arc<Page>| Value::from(page.more);
    let end = |page: &Arc<Page>| page.end.as_deref().map_or(Value::Null, Value::from);
    let flag = TypeRef::named_nn(TypeRef::BOOLEAN);
    let cursor = TypeRef::named(TypeRef::STRING);
    Object::new("PageInfo")
        .description("Where a page ends.")
        .field(plain("hasNextPage", flag, "Whether there is more.", more))
        .field(plain("endCursor", cursor, "What gives the next page.", end))
}

fn aggregated_value() -> Object {
    let name = |it: &(String, Value)| Value::from(it.0.as_str());
    let value = |it: &(String, Value)| it.1.clone();
    let text = TypeRef::named_nn(TypeRef::STRING);
    let number = TypeRef::named(TypeRef::FLOAT);
    Object::new(AGGREGATED)
        .description("One aggregated value.")
        .field(plain("name", text, "The name that the request gave it.", name))
        .field(plain("value", number, "The value; null when there was none to take.", value))
}

fn function_doc(name: &str) -> &'static str {
    match name {
        "count" => "Records that have a value.",
        "min" => "The least.",
        "max" => "The greatest.",
        "sum" => "All added.",
        "average" => "The mean of those there are.",
        _ => "Different values, counted exactly.",
    }
}
