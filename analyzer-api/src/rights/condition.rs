//! Conditions of rows as expressions. Null is granted to nobody: a comparison with it does not hold.

use std::collections::BTreeMap;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::datasource::provider_as_source;
use datafusion::error::Result;
use datafusion::logical_expr::{
    Expr, LogicalPlan, LogicalPlanBuilder, ident, in_subquery, lit, when,
};
use ledgerline_projections::Limited;
use ledgerline_projections::rights::{Ids, Test, rule};

use super::missing;

type Tables = BTreeMap<&'static str, Arc<dyn TableProvider>>;

/// What the source of a row has to be for the row to be granted.
pub(super) fn of(test: Test, limited: &Limited, beside: &Tables) -> Result<Expr> {
    Ok(match test {
        Test::Queue { column, or_none } => {
            or_none_if(column, one_of(column, &limited.queues), or_none)
        }
        Test::EntryPoint { column } => one_of(column, &limited.entry_points),
        Test::QueueOrEntryPoint { queue, entry_point } => {
            let without = ident(queue).is_null().and(one_of(entry_point, &limited.entry_points));
            ident(queue).is_not_null().and(one_of(queue, &limited.queues)).or(without)
        }
        Test::WholeSite { column } if limited.teams.is_all() => one_of(column, &limited.sites),
        Test::WholeSite { .. } => lit(false),
        Test::Staff { team, site, nobody_yet } => staff(limited, team, site, nobody_yet),
        Test::Interaction { column, or_none: false } => {
            in_subquery(ident(column), Arc::new(interactions(limited, beside)?))
        }
        Test::Interaction { column, or_none: true } => {
            // No id is empty, so the empty text can stand for none: one semi-join, and no alternative to it.
            let none =
                LogicalPlanBuilder::empty(true).project([lit("").alias("interaction_id")])?;
            let shown = LogicalPlanBuilder::from(interactions(limited, beside)?);
            let shown = shown.union(none.build()?)?.build()?;
            let id = when(ident(column).is_null(), lit("")).otherwise(ident(column))?;
            in_subquery(id, Arc::new(shown))
        }
        Test::Session => {
            in_subquery(ident("interaction_id"), Arc::new(interactions(limited, beside)?))
        }
        Test::Entity => entity(limited),
        Test::Alert => alert(limited, beside)?,
        Test::WholeOnly => lit(limited.sees_all_rows()),
    })
}

fn or_none_if(column: &str, condition: Expr, or_none: bool) -> Expr {
    if or_none { condition.or(ident(column).is_null()) } else { condition }
}

fn one_of(column: &str, ids: &Ids) -> Expr {
    match ids {
        Ids::All => lit(true),
        Ids::Only(ids) if ids.is_empty() => lit(false),
        Ids::Only(ids) => ident(column).in_list(ids.iter().map(|id| lit(&**id)).collect(), false),
    }
}

/// As [`Test::Staff`] says.
fn staff(limited: &Limited, team: &str, site: Option<&str>, nobody_yet: Option<&str>) -> Expr {
    if limited.sees_all_staff() {
        return lit(true);
    }
    let by_team = one_of(team, &limited.teams_of_sites);
    let of_site = match site {
        Some(site) => {
            let unknown = ident(site).is_null().and(by_team);
            one_of(site, &limited.sites).and(ident(site).is_not_null()).or(unknown)
        }
        None => by_team,
    };
    let granted = of_site.and(one_of(team, &limited.teams));
    match nobody_yet {
        Some(agent) => {
            let columns = [Some(agent), Some(team), site].into_iter().flatten();
            let nobody = columns.map(|column| ident(column).is_null()).reduce(Expr::and);
            nobody.map_or_else(|| granted.clone(), |nobody| granted.clone().or(nobody))
        }
        None => granted,
    }
}

/// Of an alert: the row that it is about would be shown, with what the alert tells of it.
fn alert(limited: &Limited, beside: &Tables) -> Result<Expr> {
    let mut granted = lit(false);
    for dataset in limited.alert_datasets() {
        let mut here = ident("dataset").eq(lit(dataset));
        if !limited.sees_all_rows() {
            for test in rule(dataset).map_or(&[Test::WholeOnly][..], |rule| rule.tests) {
                here = here.and(of(*test, limited, beside)?);
            }
        }
        granted = granted.or(here);
    }
    Ok(granted)
}

/// Of an interaction that never entered a queue.
fn without_queue(limited: &Limited) -> Expr {
    ident("first_queue_id")
        .is_null()
        .and(one_of("entry_point_id", &limited.entry_points))
        .and(staff(limited, "last_team_id", Some("last_site_id"), Some("last_agent_id")))
}

fn entity(limited: &Limited) -> Expr {
    let of = |kind: &str, granted: Expr| ident("kind").eq(lit(kind)).and(granted);
    let id = |ids: &Ids| one_of("entity_id", ids);
    let naming = Limited::naming_kinds().into_iter().map(lit).collect();
    of("site", id(&limited.sites))
        .or(of("team", id(&limited.teams).and(id(&limited.teams_of_sites))))
        .or(of("queue", id(&limited.queues)))
        .or(of("entry_point", id(&limited.entry_points)))
        .or(ident("kind").in_list(naming, false))
}

/// The interactions of the legs that are granted.
fn legs(limited: &Limited, beside: &Tables) -> Result<LogicalPlan> {
    let mut plan = scan("queue_leg", beside)?;
    for test in rule("queue_leg").map_or(&[Test::WholeOnly][..], |rule| rule.tests) {
        plan = plan.filter(of(*test, limited, beside)?)?;
    }
    plan.project([ident("interaction_id")])?.build()
}

/// The interactions that are shown.
fn interactions(limited: &Limited, beside: &Tables) -> Result<LogicalPlan> {
    let rest = scan("customer_session", beside)?
        .filter(without_queue(limited))?
        .project([ident("interaction_id")])?
        .build()?;
    LogicalPlanBuilder::from(legs(limited, beside)?).union(rest)?.build()
}

fn scan(name: &'static str, beside: &Tables) -> Result<LogicalPlanBuilder> {
    let table = beside.get(name).ok_or_else(|| missing(name))?;
    LogicalPlanBuilder::scan(name, provider_as_source(Arc::clone(table)), None)
}
