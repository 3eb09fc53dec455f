//! Filters and aggregations, from the columns of views.

use async_graphql::dynamic::{InputObject, InputValue, SchemaBuilder, TypeRef};
use ledgerline_projections::{ColumnDef, ColumnType};

use super::NAME;
use super::outputs::{grouped, nested_name};
use crate::graphql::kind::{self, Activities, Kind};
use crate::views::View;

/// The filter of a view's columns; nested ones are registered. `logic` adds `and`, `or` and `not`.
pub(super) fn filters(
    mut builder: SchemaBuilder,
    view: &'static View,
    name: &str,
    logic: bool,
) -> (InputObject, SchemaBuilder) {
    let type_name = format!("{name}Filter");
    let mut input =
        InputObject::new(&type_name).description("Conditions on fields; all of them have to hold.");
    if logic {
        input = with_logic(input, &type_name);
    }
    let comparisons = |column: &ColumnDef| {
        let of = match column.column_type {
            ColumnType::Text | ColumnType::Json => "TextFilter",
            ColumnType::Int | ColumnType::Time => "LongFilter",
            ColumnType::Bool => "BooleanFilter",
        };
        InputValue::new(kind::parts(column.name).1, TypeRef::named(of))
    };
    for (object_name, members) in grouped(view) {
        let Some(nested) = object_name else {
            for column in members {
                input = input.field(comparisons(column));
            }
            continue;
        };
        let nested_type = format!("{}Filter", nested_name(name, nested));
        let mut inner = InputObject::new(&nested_type).description(format!("{nested} of {name}."));
        for column in members {
            inner = inner.field(comparisons(column));
        }
        builder = builder.register(inner);
        input = input.field(InputValue::new(nested, TypeRef::named(nested_type)));
    }
    (input, builder)
}

fn with_logic(input: InputObject, of: &str) -> InputObject {
    input
        .field(InputValue::new("and", TypeRef::named_nn_list(of)).description("All of these hold."))
        .field(InputValue::new("or", TypeRef::named_nn_list(of)).description("One of these holds."))
        .field(InputValue::new("not", TypeRef::named(of)).description("This does not hold."))
}

/// The filter on activities, under the path at which they are in the answer.
pub(super) fn ext_filter(
    mut builder: SchemaBuilder,
    kind: &Kind,
    activities: &'static Activities,
) -> SchemaBuilder {
    let ext = format!("{}ExtFilter", kind.type_name);
    let nodes = format!("{}Filter", activities.type_name);
    let listed = format!("{}ActivitiesFilter", kind.type_name);
    let mut input = with_logic(
        InputObject::new(&ext).description(
            "Conditions on activities: records that have an activity of which all of this holds, and of their \
             activities those of which it does.",
        ),
        &ext,
    )
    .field(InputValue::new(kind::ACTIVITIES, TypeRef::named(&listed)));
    if activities.channel.is_some() {
        let channel = format!("{}ChannelFilter", kind.type_name);
        input = input.field(InputValue::new(kind::CHANNELS, TypeRef::named(&channel)));
        builder = builder.register(
            InputObject::new(channel)
                .description("The activities of channels.")
                .field(InputValue::new(kind::ACTIVITIES, TypeRef::named(&listed))),
        );
    }
    builder.register(input).register(
        InputObject::new(listed)
            .description("The activities.")
            .field(InputValue::new("nodes", TypeRef::named(nodes))),
    )
}

/// An aggregation; its conditions are those of the query.
pub(super) fn aggregation(kind: &Kind) -> InputObject {
    let filter = format!("{}Filter", kind.type_name);
    InputObject::new(format!("{}Aggregation", kind.type_name))
        .description("A value taken over records.")
        .field(
            InputValue::new("field", TypeRef::named_nn(NAME))
                .description("Of what; nested fields as lastQueue.id."),
        )
        .field(InputValue::new("type", TypeRef::named_nn("AggregationType")).description("How."))
        .field(
            InputValue::new("name", TypeRef::named_nn(TypeRef::STRING))
                .description("Its name in the answer."),
        )
        .field(
            InputValue::new("predicate", TypeRef::named(&filter))
                .description("Only records of which this holds too."),
        )
        .field(InputValue::new("filter", TypeRef::named(&filter)).description("As predicate."))
}
