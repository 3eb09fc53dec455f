//! `percentile_exact(x, 0.5), percentile_exact(x, 0.9), …` gathers the values of x once.
//!
//! An aggregate keeps its values to itself, so each of them would gather, hand on and order them again. The rule makes
//! one of those over the same x with the same filter; what the question sees keeps its names and types.

use std::sync::Arc;

use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, Result};
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate, Expr, LogicalPlan, Projection, lit};
use datafusion::optimizer::AnalyzerRule;
use datafusion::scalar::ScalarValue;

use crate::functions::distribution::percentiles;

/// The rule, for a session.
pub(crate) fn rule() -> Arc<dyn AnalyzerRule + Send + Sync> {
    Arc::new(SharedPercentiles)
}

#[derive(Debug)]
struct SharedPercentiles;

impl AnalyzerRule for SharedPercentiles {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        Ok(plan.transform_up_with_subqueries(in_node)?.data)
    }

    fn name(&self) -> &'static str {
        "shared_percentiles"
    }
}

/// Percentiles of the same values.
struct Shared {
    x: Expr,
    filter: Option<Box<Expr>>,
    /// With the number of the aggregate that asks for it.
    asked: Vec<(usize, f64)>,
}

/// The values and the fraction of an exact percentile by a constant.
fn percentile(expr: &Expr) -> Option<(&Expr, f64, &AggregateFunctionParams)> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else { return None };
    let [x, Expr::Literal(ScalarValue::Float64(Some(q)), _)] = params.args.as_slice() else {
        return None;
    };
    let plain = !params.distinct && params.order_by.is_empty() && params.null_treatment.is_none();
    // A fraction that is none is the plain function's to refuse.
    let shared = plain && func.name() == "percentile_exact" && (0.0..=1.0).contains(q);
    shared.then_some((x, *q, params))
}

fn in_node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    let LogicalPlan::Aggregate(aggregate) = plan else { return Ok(Transformed::no(plan)) };
    let mut all: Vec<Shared> = Vec::new();
    for (number, expr) in aggregate.aggr_expr.iter().enumerate() {
        let Some((x, q, params)) = percentile(expr) else { continue };
        match all.iter_mut().find(|it| it.x == *x && it.filter == params.filter) {
            Some(shared) => shared.asked.push((number, q)),
            None => all.push(Shared {
                x: x.clone(),
                filter: params.filter.clone(),
                asked: vec![(number, q)],
            }),
        }
    }
    all.retain(|shared| shared.asked.len() > 1);
    if all.is_empty() {
        return Ok(Transformed::no(LogicalPlan::Aggregate(aggregate)));
    }
    rewritten(aggregate, &all).map(Transformed::yes)
}

fn rewritten(aggregate: Aggregate, all: &[Shared]) -> Result<LogicalPlan> {
    let Aggregate { input, group_expr, aggr_expr, schema, .. } = aggregate;
    let groups = schema.fields().len() - aggr_expr.len();
    let of = |number| {
        let place = |shared: &Shared| shared.asked.iter().position(|it| it.0 == number);
        all.iter().enumerate().find_map(|(index, shared)| Some((index, place(shared)?)))
    };
    let mut kept: Vec<Expr> = Vec::new();
    // Where the value of each aggregate is: a column of its own, or one of several in a column.
    let mut places = Vec::new();
    for (number, expr) in aggr_expr.iter().enumerate() {
        places.push(match of(number) {
            Some((shared, nth)) => Err((shared, nth)),
            None => {
                kept.push(expr.clone());
                Ok(kept.len() - 1)
            }
        });
    }
    let own = kept.len();
    kept.extend(all.iter().map(|shared| {
        let fractions: Vec<f64> = shared.asked.iter().map(|it| it.1).collect();
        Expr::AggregateFunction(AggregateFunction::new_udf(
            percentiles::all(),
            vec![shared.x.clone(), lit(percentiles::argument_of(&fractions))],
            false,
            shared.filter.clone(),
            Vec::new(),
            None,
        ))
    }));
    let gathered = Aggregate::try_new(input, group_expr, kept)?;
    let column = |index| Expr::Column(Column::from(gathered.schema.qualified_field(index)));
    let mut shown: Vec<Expr> = (0..groups).map(column).collect();
    for (place, field) in places.into_iter().zip(schema.fields().iter().skip(groups)) {
        shown.push(match place {
            Ok(index) => column(groups + index),
            Err((shared, nth)) => {
                let all = column(groups + own + shared);
                let nth = i64::try_from(nth).unwrap_or(i64::MAX);
                percentiles::nth().call(vec![all, lit(nth)]).alias(field.name())
            }
        });
    }
    let gathered = Arc::new(LogicalPlan::Aggregate(gathered));
    Ok(LogicalPlan::Projection(Projection::try_new(shown, gathered)?))
}
