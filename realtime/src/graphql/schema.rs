//! The schema: one subscription a dataset, from the tables.

use std::sync::LazyLock;

use async_graphql::dynamic::{
    Field, FieldFuture, FieldValue, InputValue, Object, ResolverContext, Scalar, Schema,
    SchemaBuilder, SchemaError, Subscription, SubscriptionField, SubscriptionFieldFuture, TypeRef,
};
use async_graphql::{Error, Value};
use ledgerline_projections::{ColumnDef, ColumnType, TableDef, tables};
use ledgerline_schemas::Position;
use serde_json::Value as Json;

use super::source::{Caller, changes};
use crate::events;
use crate::frame::RowObject;
use crate::publish::pascal;
use crate::request::Subscribe;

/// Deepest nesting of a request: those that explain the schema have a dozen.
const DEPTH_MAX: usize = 16;
/// Most fields of a request; a table has some thirty.
const COMPLEXITY_MAX: usize = 1_000;

const POSITION: &str = "Position";
const LONG: &str = "Long";
const TIME: &str = "DateTime";
const JSON: &str = "JSON";

static SCHEMA: LazyLock<Result<Schema, SchemaError>> = LazyLock::new(build);

/// The schema, made once.
pub(super) fn schema() -> Result<&'static Schema, &'static SchemaError> {
    SCHEMA.as_ref()
}

/// The schema as text.
pub(crate) fn sdl() -> String {
    schema().map(Schema::sdl).unwrap_or_default()
}

fn live() -> impl Iterator<Item = &'static TableDef> {
    tables::ALL.iter().filter(|table| table.live)
}

fn build() -> Result<Schema, SchemaError> {
    let mut builder = Schema::build("Query", None, Some("Subscription"))
        .limit_depth(DEPTH_MAX)
        .limit_complexity(COMPLEXITY_MAX)
        .register(Scalar::new(POSITION).description("Place of an event in the order of its organization: a whole number, 0 is before the first."))
        .register(Scalar::new(LONG).description("A whole number of 64 bits."))
        .register(Scalar::new(TIME).description("An instant, RFC 3339, microseconds, UTC."))
        .register(Scalar::new(JSON).description("Any JSON."));
    let mut subscription = Subscription::new("Subscription");
    for table in live() {
        builder = rows(builder, table);
        subscription = subscription.field(dataset(table));
    }
    let page = Object::new("EventPage")
        .description("Events in order; none when the position moved without any.")
        .field(scalar(
            "from",
            nullable(POSITION),
            "Where the page before ended; null with the first.",
        ))
        .field(scalar("position", required(POSITION), "Every event up to here was looked at."))
        .field(scalar(
            "events",
            TypeRef::named_nn_list_nn(JSON),
            "The events with their envelopes.",
        ));
    let from_position = argument(
        "after",
        POSITION,
        "Begin after this position; 0 is the beginning. Left out: with the next event.",
    );
    let filter = argument("filter", JSON, "Beginnings of types and streams: {type: [\"queue.\"]}.");
    let events = SubscriptionField::new(events::DATASET, required("EventPage"), |ctx| {
        SubscriptionFieldFuture::new(async move { changes(caller(&ctx)?, event_request(&ctx)?) })
    });
    let events = events.argument(from_position).argument(filter);
    let events = events.description("Every event of the organization, in order.");
    let datasets = Field::new("datasets", TypeRef::named_nn_list_nn(TypeRef::STRING), |_| {
        let names = live().map(|table| table.name).chain([events::DATASET]);
        FieldFuture::from_value(Some(Value::List(names.map(Value::from).collect())))
    });
    let datasets = datasets.description("What can be subscribed to.");
    builder
        .register(page)
        .register(Object::new("Query").field(datasets))
        .register(subscription.field(events))
        .finish()
}

/// The types of a table: its rows, its keys, its changes.
fn rows(builder: SchemaBuilder, table: &'static TableDef) -> SchemaBuilder {
    let name = pascal(table.name);
    let (key_name, change_name) = (format!("{name}Key"), format!("{name}Change"));
    let mut row = Object::new(&name).description(table.doc);
    let mut key =
        Object::new(&key_name).description(format!("The key of a row of {}.", table.name));
    for column in table.columns {
        row = row.field(cell(column));
        if table.key.contains(&column.name) {
            key = key.field(cell(column));
        }
    }
    let change = Object::new(&change_name)
        .description("What becomes of the rows.")
        .field(scalar("is_reset", required(TypeRef::BOOLEAN), "Whether the rows begin anew: drop those you have."))
        .field(scalar("is_whole", required(TypeRef::BOOLEAN), "Whether the rows are now those at the position; false while more of a beginning follow."))
        .field(scalar("from", nullable(POSITION), "Where the change before ended; null in a beginning."))
        .field(scalar("position", required(POSITION), "The rows are those at this position."))
        .field(scalar("token", nullable(TypeRef::STRING), "Resumes from here."))
        .field(list("upserts", &name, "Whole rows, new or changed."))
        .field(list("deletes", &key_name, "Keys of rows that are gone."));
    builder.register(row).register(key).register(change)
}

fn dataset(table: &'static TableDef) -> SubscriptionField {
    let change = format!("{}Change", pascal(table.name));
    SubscriptionField::new(table.name, required(&change), move |ctx| {
        SubscriptionFieldFuture::new(
            async move { changes(caller(&ctx)?, live_request(&ctx, table)?) },
        )
    })
    .description(table.doc)
    .argument(argument(
        "filter",
        JSON,
        "Which rows: conditions on columns, {in_queue_now: {gte: 1}}.",
    ))
    .argument(argument(
        "max_hz",
        TypeRef::FLOAT,
        "Most changes a second, 0.1 to 50; 10 when left out.",
    ))
    .argument(argument(
        "resume",
        TypeRef::STRING,
        "The last token received: go on from there.",
    ))
}

fn argument(name: &str, of: &str, doc: &str) -> InputValue {
    InputValue::new(name, nullable(of)).description(doc)
}

fn required(name: &str) -> TypeRef {
    TypeRef::named_nn(name)
}

fn nullable(name: &str) -> TypeRef {
    TypeRef::named(name)
}

fn cell(column: &'static ColumnDef) -> Field {
    let of = match column.column_type {
        ColumnType::Text => TypeRef::STRING,
        ColumnType::Int => LONG,
        ColumnType::Bool => TypeRef::BOOLEAN,
        ColumnType::Time => TIME,
        ColumnType::Json => JSON,
    };
    let of = if column.nullable { nullable(of) } else { required(of) };
    scalar(column.name, of, column.doc)
}

/// A value of the object above.
fn scalar(name: &'static str, of: TypeRef, doc: &str) -> Field {
    Field::new(name, of, move |ctx| {
        let value = parent(&ctx).and_then(|row| row.get(name)).filter(|value| !value.is_null());
        FieldFuture::from_value(value.and_then(|value| Value::from_json(value.clone()).ok()))
    })
    .description(doc)
}

/// Objects in the object above.
fn list(name: &'static str, of: &str, doc: &str) -> Field {
    Field::new(name, TypeRef::named_nn_list_nn(of), move |ctx| {
        let rows = parent(&ctx).and_then(|row| row.get(name)).and_then(Json::as_array);
        let rows = rows.into_iter().flatten().filter_map(Json::as_object);
        FieldFuture::Value(Some(FieldValue::list(rows.map(|row| FieldValue::borrowed_any(row)))))
    })
    .description(doc)
}

fn parent<'a>(ctx: &ResolverContext<'a>) -> Option<&'a RowObject> {
    ctx.parent_value.downcast_ref::<RowObject>()
}

fn caller(ctx: &ResolverContext<'_>) -> Result<Caller, Error> {
    ctx.data::<Caller>().cloned()
}

fn given<'a>(ctx: &'a ResolverContext<'_>, name: &str) -> Option<&'a Value> {
    ctx.args.get(name).map(|value| value.as_value()).filter(|value| **value != Value::Null)
}

fn filter(ctx: &ResolverContext<'_>) -> Result<Json, Error> {
    let Some(filter) = given(ctx, "filter") else { return Ok(Json::Null) };
    filter.clone().into_json().map_err(|error| Error::new(format!("argument 'filter': {error}")))
}

fn live_request(ctx: &ResolverContext<'_>, table: &TableDef) -> Result<Subscribe, Error> {
    let max_hz = given(ctx, "max_hz").map(|it| it.clone().into_json()).transpose()?;
    let resume = given(ctx, "resume").map(|it| it.clone().into_json()).transpose()?;
    Ok(Subscribe {
        dataset: table.name.to_owned(),
        filter: filter(ctx)?,
        max_hz: max_hz.as_ref().and_then(Json::as_f64),
        resume: resume.as_ref().and_then(Json::as_str).map(str::to_owned),
        ..Subscribe::default()
    })
}

fn event_request(ctx: &ResolverContext<'_>) -> Result<Subscribe, Error> {
    let after = given(ctx, "after").map(|it| {
        let number = it.clone().into_json().ok().as_ref().and_then(Json::as_u64);
        number.map(Position).ok_or_else(|| Error::new("argument 'after': must be a position"))
    });
    let after = after.transpose()?;
    let filter = filter(ctx)?;
    Ok(Subscribe { dataset: events::DATASET.to_owned(), filter, after, ..Subscribe::default() })
}
