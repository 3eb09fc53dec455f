//! Objects of answers, from the columns of views.

use std::sync::Arc;

use async_graphql::Value;
use async_graphql::dynamic::{Field, FieldFuture, FieldValue, Object, SchemaBuilder, TypeRef};
use ledgerline_projections::{ColumnDef, ColumnType};

use super::LONG;
use crate::graphql::kind;
use crate::graphql::record::{Page, Record};
use crate::views::View;

/// A field that is read from its parent at once.
pub(super) fn plain<T: Send + Sync + 'static>(
    name: &str,
    of: TypeRef,
    doc: &str,
    read: impl Fn(&T) -> Value + Send + Sync + 'static,
) -> Field {
    Field::new(name, of, move |ctx| {
        // A null that is a value would have to be one of its scalar.
        let value = ctx.parent_value.downcast_ref::<T>().map(&read);
        FieldFuture::from_value(value.filter(|value| *value != Value::Null))
    })
    .description(doc)
}

/// A field whose value is read from its parent and has fields itself.
pub(super) fn object<T: Send + Sync + 'static>(
    name: &str,
    of: TypeRef,
    doc: &str,
    read: impl Fn(&T) -> FieldValue<'static> + Send + Sync + 'static,
) -> Field {
    Field::new(name, of, move |ctx| {
        FieldFuture::Value(ctx.parent_value.downcast_ref::<T>().map(&read))
    })
    .description(doc)
}

/// The object type of a view's columns; nested ones are registered.
pub(super) fn columns(
    mut builder: SchemaBuilder,
    view: &'static View,
    name: &str,
    doc: &str,
) -> (Object, SchemaBuilder) {
    let mut record = Object::new(name).description(doc);
    for (object_name, members) in grouped(view) {
        let Some(nested) = object_name else {
            for column in members {
                record = record.field(field(view, column));
            }
            continue;
        };
        let type_name = nested_name(name, nested);
        let mut inner = Object::new(&type_name).description(format!("{nested} of {name}."));
        for column in members {
            inner = inner.field(field(view, column));
        }
        builder = builder.register(inner);
        record = record.field(object(
            nested,
            TypeRef::named(type_name),
            &format!("Its {nested}."),
            |record: &Arc<Record>| FieldValue::owned_any(Arc::clone(record)),
        ));
    }
    (record, builder)
}

/// Columns by the object they are nested in, each object where its first column stands.
pub(super) fn grouped(view: &'static View) -> Vec<(Option<&'static str>, Vec<&'static ColumnDef>)> {
    let mut groups: Vec<(Option<&str>, Vec<&ColumnDef>)> = Vec::new();
    for column in view.def.columns {
        let (object, _) = kind::parts(column.name);
        match groups.iter_mut().find(|(name, _)| object.is_some() && *name == object) {
            Some((_, members)) => members.push(column),
            None => groups.push((object, vec![column])),
        }
    }
    groups
}

pub(super) fn nested_name(name: &str, object: &str) -> String {
    let mut letters = object.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    format!("{name}{}{}", first.map(String::from).unwrap_or_default(), letters.as_str())
}

fn field(view: &View, column: &'static ColumnDef) -> Field {
    let (_, name) = kind::parts(column.name);
    let of = match column.column_type {
        ColumnType::Text | ColumnType::Json => TypeRef::STRING,
        ColumnType::Int | ColumnType::Time => LONG,
        ColumnType::Bool => TypeRef::BOOLEAN,
    };
    plain(name, TypeRef::named(of), &kind::described(view, column), |record: &Arc<Record>| {
        record.values.get(column.name).cloned().unwrap_or_default()
    })
}

/// A page: its records under a name, and where it ends.
pub(super) fn list(name: &str, records: &str, of: &str, doc: &str) -> Object {
    Object::new(name)
        .description(doc)
        .field(object(
            records,
            TypeRef::named_nn_list_nn(of),
            "The records, by time.",
            |page: &Arc<Page>| {
                FieldValue::list(page.records.iter().cloned().map(FieldValue::owned_any))
            },
        ))
        .field(object(
            "pageInfo",
            TypeRef::named_nn("PageInfo"),
            "Where it ends.",
            |page: &Arc<Page>| FieldValue::owned_any(Arc::clone(page)),
        ))
}
