//! Aggregates of ours. Each is a [`Fold`]: it takes rows one by one, its partial state is bytes, and
//! merging states in any grouping and order gives what all rows at once would have given.

use std::fmt::Debug;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, LargeBinaryArray, new_empty_array,
};
use datafusion::arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, Documentation, EmitTo, GroupsAccumulator,
    Signature, Volatility,
};
use datafusion::scalar::ScalarValue;

use super::spec::Spec;

/// How a fold is called in this query.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// Arrow type of the result.
    pub(crate) result: DataType,
    /// `WITHIN GROUP (ORDER BY … DESC)`.
    pub(crate) descending: bool,
}

/// An aggregate over the rows of one group.
pub(crate) trait Fold: Debug + Send + Sync + Sized + 'static {
    /// Name, arguments, result.
    const SPEC: &'static Spec;
    /// Whether `f() WITHIN GROUP (ORDER BY x)` is another way to write `f(x)`.
    const WITHIN_GROUP: bool = false;
    /// The argument columns of a batch in their Arrow types.
    type Columns<'a>;

    /// Without rows.
    fn start(call: &Call) -> Self;
    /// Finds the columns of a batch. Types are those of [`Spec::coerce`].
    fn columns(values: &[ArrayRef]) -> Result<Self::Columns<'_>>;
    /// Takes a row.
    fn add(&mut self, columns: &Self::Columns<'_>, row: usize) -> Result<()>;
    /// What [`Self::merge`] needs of it.
    fn state(&self) -> Vec<u8>;
    /// Takes the rows of another fold.
    fn merge(&mut self, state: &[u8]) -> Result<()>;
    /// The result of the rows so far. It can be asked again and more rows can follow.
    fn result(&mut self) -> Result<ScalarValue>;
    /// Bytes it holds beside itself.
    fn heap_bytes(&self) -> usize;
}

/// The aggregate of a fold.
pub(crate) fn aggregate<F: Fold>() -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::from(Aggregate::<F> {
        signature: Signature::user_defined(Volatility::Immutable),
        documentation: F::SPEC.documentation(),
        fold: PhantomData,
    }))
}

#[derive(Debug)]
struct Aggregate<F> {
    signature: Signature,
    documentation: Documentation,
    fold: PhantomData<fn() -> F>,
}

// The type says which function it is.
impl<F> PartialEq for Aggregate<F> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<F> Eq for Aggregate<F> {}

impl<F: Fold> Hash for Aggregate<F> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        F::SPEC.name.hash(state);
    }
}

fn call<F: Fold>(args: &AccumulatorArgs) -> Result<Call> {
    if args.is_distinct {
        // Whoever computes this would otherwise count rows twice without a word.
        return Err(DataFusionError::Plan(format!(
            "function {}: DISTINCT is not supported",
            F::SPEC.name
        )));
    }
    let descending = args.order_bys.first().is_some_and(|sort| sort.options.descending);
    Ok(Call { result: args.return_type().clone(), descending })
}

impl<F: Fold> AggregateUDFImpl for Aggregate<F> {
    fn name(&self) -> &str {
        F::SPEC.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, given: &[DataType]) -> Result<Vec<DataType>> {
        F::SPEC.coerce(given)
    }

    fn return_type(&self, given: &[DataType]) -> Result<DataType> {
        Ok(F::SPEC.result_type(given))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(One(F::start(&call::<F>(&args)?))))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format!("{}[state]", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::LargeBinary, false))])
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        let call = call::<F>(&args)?;
        Ok(Box::new(Groups::<F> { call, folds: Vec::new(), heap_bytes: 0 }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn supports_within_group_clause(&self) -> bool {
        F::WITHIN_GROUP
    }

    fn documentation(&self) -> Option<&Documentation> {
        Some(&self.documentation)
    }
}

/// One group.
#[derive(Debug)]
struct One<F>(F);

impl<F: Fold> Accumulator for One<F> {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let rows = values.first().map_or(0, |column| column.len());
        let columns = F::columns(values)?;
        (0..rows).try_for_each(|row| self.0.add(&columns, row))
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        self.0.result()
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.0.heap_bytes()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::LargeBinary(Some(self.0.state()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        states_of(states)?.iter().flatten().try_for_each(|state| self.0.merge(state))
    }
}

fn states_of(states: &[ArrayRef]) -> Result<&LargeBinaryArray> {
    let [states] = states else {
        return Err(DataFusionError::Internal("an aggregate has one state column".to_owned()));
    };
    states.as_binary_opt::<i64>().ok_or_else(|| super::scalar::unexpected(states))
}

/// All groups of a partition.
struct Groups<F> {
    call: Call,
    folds: Vec<F>,
    /// Sum of what the folds hold beside themselves, kept up to date: the engine asks after each batch.
    heap_bytes: usize,
}

impl<F: Fold> Groups<F> {
    fn reach(&mut self, total: usize) {
        let call = &self.call;
        self.folds.resize_with(total.max(self.folds.len()), || F::start(call));
    }

    fn change(&mut self, group: usize, by: impl FnOnce(&mut F) -> Result<()>) -> Result<()> {
        let fold = self
            .folds
            .get_mut(group)
            .ok_or_else(|| DataFusionError::Internal(format!("there is no group {group}")))?;
        let before = fold.heap_bytes();
        let changed = by(fold);
        self.heap_bytes = (self.heap_bytes + fold.heap_bytes()).saturating_sub(before);
        changed
    }

    fn emit(&mut self, emit_to: EmitTo) -> Vec<F> {
        let folds = emit_to.take_needed(&mut self.folds);
        let gone = folds.iter().map(F::heap_bytes).sum();
        self.heap_bytes = self.heap_bytes.saturating_sub(gone);
        folds
    }
}

fn passes(filter: Option<&BooleanArray>, row: usize) -> bool {
    filter.is_none_or(|filter| filter.is_valid(row) && filter.value(row))
}

impl<F: Fold> GroupsAccumulator for Groups<F> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.reach(total_num_groups);
        let columns = F::columns(values)?;
        for (row, group) in group_indices.iter().enumerate() {
            if passes(opt_filter, row) {
                self.change(*group, |fold| fold.add(&columns, row))?;
            }
        }
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let mut folds = self.emit(emit_to);
        if folds.is_empty() {
            return Ok(new_empty_array(&self.call.result));
        }
        let results = folds.iter_mut().map(F::result).collect::<Result<Vec<_>>>()?;
        ScalarValue::iter_to_array(results)
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let states = self.emit(emit_to).into_iter().map(|fold| fold.state());
        Ok(vec![Arc::new(LargeBinaryArray::from_iter_values(states))])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.reach(total_num_groups);
        let states = states_of(values)?;
        for (row, group) in group_indices.iter().enumerate() {
            if states.is_valid(row) {
                self.change(*group, |fold| fold.merge(states.value(row)))?;
            }
        }
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let columns = F::columns(values)?;
        let rows = values.first().map_or(0, |column| column.len());
        let states = (0..rows).map(|row| {
            let mut fold = F::start(&self.call);
            if passes(opt_filter, row) {
                fold.add(&columns, row)?;
            }
            Ok(fold.state())
        });
        let states = states.collect::<Result<Vec<_>>>()?;
        Ok(vec![Arc::new(LargeBinaryArray::from_iter_values(states))])
    }

    fn size(&self) -> usize {
        size_of_val(self) + self.folds.capacity() * size_of::<F>() + self.heap_bytes
    }
}
