//! The schema, made from the columns of the views.

mod inputs;
mod outputs;
mod shared;

use std::sync::{Arc, OnceLock};

use async_graphql::Value;
use async_graphql::dynamic::{
    Field, FieldFuture, FieldValue, InputValue, Object, Schema, SchemaBuilder, TypeRef,
};

use super::arguments::Arguments;
use super::asking::{Asking, told};
use super::kind::{self, Activities, Kind};
use super::record::{Listed, Record};
use super::run;
use super::selection::{AGGREGATION, FIRST_MAX, INTERVAL_START, Selected, Slice};
use crate::error::QueryError;
use inputs::{aggregation, ext_filter, filters};
use outputs::{columns, list, object, plain};
use shared::shared;

const LONG: &str = "Long";

const NAME: &str = "Name";

const MOMENT: &str = "Moment";

/// The schema; it is the same for everybody, so it is made once.
///
/// # Errors
/// [`QueryError::Internal`] when the views do not make a schema.
pub(in crate::graphql) fn schema() -> Result<&'static Schema, QueryError> {
    static SCHEMA: OnceLock<Result<Schema, String>> = OnceLock::new();
    SCHEMA
        .get_or_init(|| build().map_err(|error| error.to_string()))
        .as_ref()
        .map_err(|error| QueryError::Internal(format!("the schema of the search: {error}")))
}

fn build() -> Result<Schema, async_graphql::dynamic::SchemaError> {
    let mut query = Object::new("Query").description("What can be searched.");
    let mut builder = shared(Schema::build("Query", None, None));
    for kind in kind::ALL {
        query = query.field(root(kind));
        builder = of_kind(builder, kind);
    }
    // Names are no secret here, but a refused one should not search the schema for like ones.
    builder.register(query).disable_suggestions().finish()
}

/// Types of one query.
fn of_kind(builder: SchemaBuilder, kind: &'static Kind) -> SchemaBuilder {
    let name = kind.type_name;
    let (record, mut builder) = columns(builder, kind.view, name, kind.doc);
    let mut record = record
        .field(
            object(
                AGGREGATION,
                TypeRef::named_nn_list(AGGREGATED),
                "The values of the argument aggregations, over the records that have the selected values.",
                |record: &Arc<Record>| {
                    FieldValue::list(record.aggregation.iter().cloned().map(FieldValue::owned_any))
                },
            ),
        )
        .field(plain(
            INTERVAL_START,
            TypeRef::named(LONG),
            "Begin of the interval of the argument aggregationInterval.",
            |record: &Arc<Record>| record.values.get(INTERVAL_START).cloned().unwrap_or_default(),
        ));
    let (filter, more) = filters(builder, kind.view, name, true);
    builder = more.register(filter);
    if let Some(activities) = kind.activities {
        builder = of_activities(builder, activities);
        builder = ext_filter(builder, kind, activities);
        record = record.field(listing(activities));
        if activities.channel.is_some() {
            let channel = format!("{name}Channel");
            builder = builder.register(channel_type(&channel, activities));
            record = record.field(object(
                kind::CHANNELS,
                TypeRef::named_nn_list(channel),
                "The channels it had to do with.",
                |record: &Arc<Record>| {
                    FieldValue::list(record.channels.iter().cloned().map(FieldValue::owned_any))
                },
            ));
        }
    }
    builder
        .register(aggregation(kind))
        .register(list(&format!("{name}List"), kind.list, name, "A page of records."))
        .register(record)
}

const AGGREGATED: &str = "AggregatedValue";

fn of_activities(builder: SchemaBuilder, activities: &'static Activities) -> SchemaBuilder {
    let name = activities.type_name;
    let doc = activities.view.def.doc;
    let (record, builder) = columns(builder, activities.view, name, doc);
    let (filter, builder) = filters(builder, activities.view, name, true);
    let connection = Object::new(format!("{name}Connection"))
        .description("Some of the activities of a record.")
        .field(plain(
            "totalCount",
            TypeRef::named_nn(LONG),
            "How many there are.",
            |listed: &Arc<Listed>| Value::from(listed.total),
        ))
        .field(object(
            "nodes",
            TypeRef::named_nn_list_nn(name),
            "The activities, in their order.",
            |listed: &Arc<Listed>| {
                FieldValue::list(listed.page.records.iter().cloned().map(FieldValue::owned_any))
            },
        ))
        .field(object(
            "pageInfo",
            TypeRef::named_nn("PageInfo"),
            "Where it ends.",
            |listed: &Arc<Listed>| FieldValue::owned_any(Arc::clone(&listed.page)),
        ));
    builder.register(record).register(filter).register(connection)
}

/// The field `activities` of a record or channel.
fn listing(activities: &'static Activities) -> Field {
    let of = TypeRef::named_nn(format!("{}Connection", activities.type_name));
    Field::new(kind::ACTIVITIES, of, |ctx| {
        FieldFuture::new(async move {
            let record = ctx.parent_value.try_downcast_ref::<Arc<Record>>()?;
            let org_id = ctx.data::<Arc<Asking>>()?.principal().org_id;
            let given = ctx.args.as_index_map();
            let (slice, _) = Slice::read(org_id, given.get("first"), given.get("after"))
                .map_err(|error| told(&error))?;
            let listed = record.activities.iter().find(|(it, _)| *it == slice);
            let listed = listed.map(|(_, listed)| Arc::clone(listed)).unwrap_or_default();
            Ok(Some(FieldValue::owned_any(listed)))
        })
    })
    .description("What happened in it, in the order in which it did.")
    .argument(
        InputValue::new("first", TypeRef::named(LONG)).description(format!(
            "How many of each record, 1 to {FIRST_MAX}; {FIRST_MAX} without."
        )),
    )
    .argument(InputValue::new("after", TypeRef::named(TypeRef::STRING)).description(
        "pageInfo: endCursor of activities; the request is then answered at the position of that.",
    ))
}

fn channel_type(name: &str, activities: &'static Activities) -> Object {
    let value = |field: &'static str, of: &str, doc: &str| {
        plain(field, TypeRef::named(of), doc, move |record: &Arc<Record>| {
            record.values.get(field).cloned().unwrap_or_default()
        })
    };
    Object::new(name)
        .description("A channel of an agent's session.")
        .field(value(
            "channelType",
            TypeRef::STRING,
            "The channel; null for what an agent is on all channels together: available, idle, not-responding.",
        ))
        .field(value("currentState", TypeRef::STRING, "State of the newest activity that lasts."))
        .field(value("totalDuration", LONG, "Durations of the activities that have ended, ms."))
        .field(value(
            "lastActivityTime",
            LONG,
            "Begin of the newest activity. Milliseconds since 1970-01-01T00:00:00Z.",
        ))
        .field(listing(activities))
}

/// A query.
fn root(kind: &'static Kind) -> Field {
    let name = kind.type_name;
    let of = TypeRef::named(format!("{name}List"));
    let mut field = Field::new(kind.query, of, move |ctx| {
        FieldFuture::new(async move {
            let asking = ctx.data::<Arc<Asking>>()?;
            let page = async {
                let org_id = asking.principal().org_id;
                let selected = Selected::read(kind, org_id, &ctx.ctx.field())?;
                let arguments = Arguments::read(kind, org_id, &ctx.args, &selected.columns)?;
                run::page(asking, kind, &arguments, &selected).await
            };
            let page = page.await.map_err(|error| told(&error))?;
            Ok(Some(FieldValue::owned_any(Arc::new(page))))
        })
    })
    .description(kind.doc);
    let argument = |name: &str, of: TypeRef, doc: &str| InputValue::new(name, of).description(doc);
    for value in [
        argument("from", TypeRef::named(LONG), "First time, in milliseconds; all without."),
        argument("to", TypeRef::named(LONG), "First time beyond, in milliseconds; all without."),
        argument(
            "timeComparator",
            TypeRef::named("TimeComparator"),
            "Which time; createdTime without.",
        ),
        argument("filter", TypeRef::named(format!("{name}Filter")), "Conditions on records."),
        argument(
            "aggregations",
            TypeRef::named_nn_list(format!("{name}Aggregation")),
            "Values over records instead of records: one row for each combination of the other fields selected.",
        ),
        argument(
            "aggregationInterval",
            TypeRef::named("AggregationInterval"),
            "The same per interval.",
        ),
        argument("pagination", TypeRef::named("Pagination"), "Which page."),
        argument(
            "asOf",
            TypeRef::named(MOMENT),
            "The records as they were; a cursor has a position of its own.",
        ),
    ] {
        field = field.argument(value);
    }
    if kind.activities.is_some() {
        let ext = TypeRef::named(format!("{name}ExtFilter"));
        field = field.argument(argument("extFilter", ext, "Conditions on activities."));
    }
    field
}
