//! A query, from its arguments and fields to a page of records.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_graphql::Value;
use ledgerline_projections::Snapshot;

use super::arguments::Arguments;
use super::asking::Asking;
use super::compile::{self, Sql};
use super::cursor::{After, Cursor};
use super::kind::{Activities, Kind};
use super::record::{Listed, Page, Record, micros, rows};
use super::selection::{INTERVAL_START, Listing, Selected, Slice};
use crate::error::QueryError;
use crate::past::Moment;

/// Most activities of a page of records: records times `first`.
const ACTIVITIES_MAX: u64 = 25_000;

/// A record and, where activities are listed by channel, its channel.
type Owner = (String, Option<String>);

pub(super) async fn page(
    asking: &Asking,
    kind: &'static Kind,
    arguments: &Arguments,
    selected: &Selected,
) -> Result<Page, QueryError> {
    let channels = selected.channels.iter().flatten();
    for listing in selected.activities.iter().chain(channels) {
        if arguments.size.saturating_mul(listing.slice.first) > ACTIVITIES_MAX {
            return Err(QueryError::Value(format!(
                "pages of {} records with {} activities each; records times activities can be {ACTIVITIES_MAX}: ask \
                 for fewer with pagination: size or activities(first:)",
                arguments.size, listing.slice.first
            )));
        }
    }
    let moment = match (arguments.moment, selected.position) {
        (moment, None) => moment,
        (None, Some(position)) => Some(Moment::At(position)),
        (Some(moment), Some(position)) if moment == Moment::At(position) => Some(moment),
        (Some(_), Some(_)) => {
            return Err(QueryError::Value(
                "activities: after: the cursor is of another position than the query".to_owned(),
            ));
        }
    };
    // What is wrong with the arguments is said before anything is looked up.
    let names: Vec<&str> = selected.columns.iter().map(|column| column.name).collect();
    if arguments.aggregations.is_empty() {
        if selected.aggregated {
            return Err(QueryError::Value(
                "aggregation and intervalStartTime want the argument aggregations".to_owned(),
            ));
        }
        let sql = compile::records(kind, arguments, &names)?;
        let snapshot = asking.snapshot(moment).await?;
        return records(asking, &snapshot, kind, arguments, selected, sql).await;
    }
    if !selected.activities.is_empty() || selected.channels.is_some() {
        return Err(QueryError::Value(
            "activities and channelInfo cannot be selected beside aggregations".to_owned(),
        ));
    }
    let sql = compile::aggregated(kind, arguments, &names)?;
    let snapshot = asking.snapshot(moment).await?;
    aggregated(asking, &snapshot, arguments, selected, sql).await
}

async fn records(
    asking: &Asking,
    snapshot: &Arc<Snapshot>,
    kind: &Kind,
    arguments: &Arguments,
    selected: &Selected,
    sql: Sql,
) -> Result<Page, QueryError> {
    let batches = asking.ask(sql, snapshot).await?;
    let times = micros(&batches, "at")?;
    let mut rows = rows(&batches)?;
    let more = cut(&mut rows, arguments.size);
    let mut records = Vec::with_capacity(rows.len());
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        let mut row = row.into_iter();
        let values = selected.columns.iter().map(|column| column.name).zip(row.by_ref()).collect();
        // The id comes behind the columns.
        ids.push(row.next().as_ref().and_then(text).unwrap_or_default());
        records.push(Record { values, ..Record::default() });
    }
    if let Some(activities) = kind.activities
        && !ids.is_empty()
    {
        nest(asking, snapshot, activities, arguments, selected, &ids, &mut records).await?;
    }
    let end = ids.last().zip(times.get(ids.len().saturating_sub(1))).map(|(id, time)| {
        let after = After::Record(*time, id.clone());
        Cursor { position: snapshot.position, after }.encode(&arguments.question)
    });
    Ok(Page { records: records.into_iter().map(Arc::new).collect(), end, more })
}

async fn aggregated(
    asking: &Asking,
    snapshot: &Arc<Snapshot>,
    arguments: &Arguments,
    selected: &Selected,
    sql: Sql,
) -> Result<Page, QueryError> {
    let batches = asking.ask(sql, snapshot).await?;
    let mut rows = rows(&batches)?;
    let more = cut(&mut rows, arguments.size);
    let before = match arguments.after {
        Some(After::Rows(rows)) => rows,
        _ => 0,
    };
    let end = (!rows.is_empty()).then(|| {
        let after = After::Rows(before + rows.len() as u64);
        Cursor { position: snapshot.position, after }.encode(&arguments.question)
    });
    let records = rows.into_iter().map(|row| {
        let mut row = row.into_iter();
        let mut values = BTreeMap::new();
        if arguments.interval.is_some() {
            values.insert(INTERVAL_START, row.next().unwrap_or_default());
        }
        values.extend(selected.columns.iter().map(|column| column.name).zip(row.by_ref()));
        let names = arguments.aggregations.iter().map(|aggregation| aggregation.name.clone());
        Arc::new(Record { values, aggregation: names.zip(row).collect(), ..Record::default() })
    });
    Ok(Page { records: records.collect(), end, more })
}

/// Takes off the row that only says that there is more.
fn cut(rows: &mut Vec<Vec<Value>>, size: u64) -> bool {
    let more = rows.len() as u64 > size;
    if more {
        rows.pop();
    }
    more
}

/// Channels and activities of all records of a page: one question each, however many records there are.
async fn nest(
    asking: &Asking,
    snapshot: &Arc<Snapshot>,
    activities: &'static Activities,
    arguments: &Arguments,
    selected: &Selected,
    ids: &[String],
    records: &mut [Record],
) -> Result<(), QueryError> {
    let parents: Vec<&str> = ids.iter().map(String::as_str).collect();
    let ext_filter = arguments.ext_filter.as_ref();
    for listing in &selected.activities {
        let sql = compile::activities(activities, None, &parents, listing, ext_filter)?;
        let mut found = listed(asking, snapshot, listing, sql).await?;
        for (id, record) in ids.iter().zip(records.iter_mut()) {
            let listed = found.remove(&(id.clone(), None)).unwrap_or_default();
            record.activities.push((listing.slice, Arc::new(listed)));
        }
    }
    let (Some(listings), Some(channel)) = (&selected.channels, activities.channel) else {
        return Ok(());
    };
    let mut channels: BTreeMap<Owner, Record> = BTreeMap::new();
    let sql = compile::channels(activities, channel, &parents);
    for row in rows(&asking.ask(sql, snapshot).await?)? {
        let [parent, channel, duration, state, latest] = row.try_into().map_err(|_| {
            QueryError::Internal("a row of channels has another number of columns".to_owned())
        })?;
        let owner = (text(&parent).unwrap_or_default(), text(&channel));
        let values = [
            ("channelType", channel),
            ("totalDuration", duration),
            ("currentState", state),
            ("lastActivityTime", latest),
        ];
        channels.insert(owner, Record { values: values.into(), ..Record::default() });
    }
    for listing in listings {
        let sql = compile::activities(activities, Some(channel), &parents, listing, ext_filter)?;
        let mut found = listed(asking, snapshot, listing, sql).await?;
        for (owner, record) in &mut channels {
            let listed = found.remove(owner).unwrap_or_default();
            record.activities.push((listing.slice, Arc::new(listed)));
        }
    }
    let mut by_record: BTreeMap<String, Vec<Arc<Record>>> = BTreeMap::new();
    for ((parent, _), channel) in channels {
        by_record.entry(parent).or_default().push(Arc::new(channel));
    }
    for (id, record) in ids.iter().zip(records) {
        record.channels = by_record.remove(id).unwrap_or_default();
    }
    Ok(())
}

/// Activities by the record, and the channel, that they belong to.
async fn listed(
    asking: &Asking,
    snapshot: &Arc<Snapshot>,
    listing: &Listing,
    sql: Sql,
) -> Result<BTreeMap<Owner, Listed>, QueryError> {
    let mut all: BTreeMap<Owner, (u64, Page)> = BTreeMap::new();
    let question = Slice::question(asking.principal().org_id);
    for row in rows(&asking.ask(sql, snapshot).await?)? {
        let mut row = row.into_iter();
        let mut next = || row.next().unwrap_or_default();
        let (parent, channel, number, total) = (next(), next(), next(), next());
        let (number, total) = (count(&number), count(&total));
        let owner = (text(&parent).unwrap_or_default(), text(&channel));
        let (known, page) = all.entry(owner).or_default();
        *known = total;
        if number <= listing.slice.after {
            continue;
        }
        let columns = listing.columns.iter().map(|column| column.name);
        let record = Record { values: columns.zip(row).collect(), ..Record::default() };
        page.records.push(Arc::new(record));
        page.more = number < total;
        let after = After::Rows(number);
        page.end = Some(Cursor { position: snapshot.position, after }.encode(&question));
    }
    let listed = |(total, page)| Listed { total, page: Arc::new(page) };
    Ok(all.into_iter().map(|(owner, found)| (owner, listed(found))).collect())
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        _ => None,
    }
}

fn count(value: &Value) -> u64 {
    match value {
        Value::Number(number) => number.as_u64().unwrap_or(0),
        _ => 0,
    }
}
