//! Compatibility views: our tables under the field names that contact-center integrators know.
//!
//! A view is an ordinary query over the tables of the session that asks, so it shows what these show to its
//! principal, and nothing else. Names are camelCase and are written in double quotes in SQL; where the
//! original nests objects, the name is the path with dots.

pub(crate) mod aar;
pub(crate) mod asr;
pub(crate) mod car;
pub(crate) mod clr;
pub(crate) mod csr;

use std::fmt::Write as _;
use std::sync::Arc;

use datafusion::catalog::{MemorySchemaProvider, SchemaProvider as _};
use datafusion::common::TableReference;
use datafusion::datasource::ViewTable;
use datafusion::error::Result;
use datafusion::execution::session_state::SessionState;
use ledgerline_projections::{ColumnDef, TableDef, TableSnapshot, tables};

/// A view: its columns, and what each is in the table it stands on.
pub(crate) struct View {
    pub(crate) def: TableDef,
    pub(crate) from: &'static str,
    pub(crate) expressions: &'static [&'static str],
}

/// Declares a view over one table. A column's description is its expression.
macro_rules! view {
    (
        $(#[doc = $doc:literal])+
        $name:literal from $from:literal;
        $($column:literal: $type:ident = $sql:literal,)+
    ) => {
        $(#[doc = $doc])+
        pub(crate) static VIEW: $crate::views::View = $crate::views::View {
            def: ledgerline_projections::TableDef {
                name: $name,
                doc: concat!($($doc),+).trim_ascii(),
                columns: &[$(ledgerline_projections::ColumnDef {
                    name: $column,
                    column_type: ledgerline_projections::ColumnType::$type,
                    nullable: true,
                    doc: concat!($from, ": ", $sql),
                    dimension: ledgerline_projections::Dimension::None,
                },)+],
                key: &[],
                sort: &[],
                live: false,
            },
            from: $from,
            expressions: &[$($sql),+],
        };
    };
}

pub(crate) use view;

/// Every view, by name.
pub(crate) static ALL: [&View; 5] = [&aar::VIEW, &asr::VIEW, &car::VIEW, &clr::VIEW, &csr::VIEW];

impl View {
    /// The query behind it.
    pub(crate) fn sql(&self) -> String {
        self.sql_with(&[])
    }

    /// The same with columns of its table beside its own, as `o0`, `o1` …
    pub(crate) fn sql_with(&self, beside: &[&str]) -> String {
        let mut sql = String::from("SELECT");
        for (index, (column, expression)) in
            self.def.columns.iter().zip(self.expressions).enumerate()
        {
            let comma = if index == 0 { "" } else { "," };
            // Writing to a string cannot fail.
            let _ = write!(sql, "{comma} {expression} AS \"{}\"", column.name);
        }
        for (index, column) in beside.iter().enumerate() {
            let _ = write!(sql, ", {column} AS o{index}");
        }
        let _ = write!(sql, " FROM public.{}", self.from);
        sql
    }

    /// What one of its columns is in the table it stands on.
    pub(crate) fn expression(&self, column: &ColumnDef) -> Option<&'static str> {
        let at = self.def.columns.iter().position(|it| it.name == column.name)?;
        self.expressions.get(at).copied()
    }

    /// Whether the table it stands on is there in its full form.
    fn stands_on(&self, visible: &[TableSnapshot]) -> bool {
        let known = tables::ALL.iter().find(|table| table.name == self.from);
        visible.iter().any(|table| Some(table.def) == known)
    }
}

/// The views over these tables.
pub(crate) fn over(visible: &[TableSnapshot]) -> Vec<&'static View> {
    ALL.into_iter().filter(|view| view.stands_on(visible)).collect()
}

/// Makes the views known that a statement refers to. Most statements refer to none, and then nothing is
/// planned; the information schema lists all.
pub(crate) async fn register(
    views: &[&'static View],
    references: &[TableReference],
    state: &SessionState,
    public: &MemorySchemaProvider,
) -> Result<()> {
    let all = references.iter().any(|it| it.schema() == Some("information_schema"));
    for view in views {
        let name = view.def.name;
        let is_wanted = all || references.iter().any(|reference| reference.table() == name);
        if is_wanted && !public.table_exist(name) {
            let sql = view.sql();
            let plan = state.create_logical_plan(&sql).await?;
            public.register_table(name.to_owned(), Arc::new(ViewTable::new(plan, Some(sql))))?;
        }
    }
    Ok(())
}
