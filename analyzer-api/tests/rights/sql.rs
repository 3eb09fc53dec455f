//! Random questions that have one answer and cannot fail: no order among equals, no division, no cast.

use ledgerline_projections::{ColumnType, TableDef};

use crate::random::Random;
use crate::world::{agents, entry_points, interactions, queues, sites, teams};

/// A generator over the tables that are there.
pub(crate) struct Questions<'a> {
    pub(crate) random: &'a mut Random,
    pub(crate) tables: Vec<&'static TableDef>,
    aliases: usize,
}

/// A table in a question.
struct Source {
    sql: String,
    alias: String,
    def: &'static TableDef,
}

impl<'a> Questions<'a> {
    pub(crate) fn new(random: &'a mut Random, tables: Vec<&'static TableDef>) -> Self {
        Self { random, tables, aliases: 0 }
    }

    /// A question.
    pub(crate) fn question(&mut self) -> String {
        match self.random.below(9) {
            0 => self.rows(),
            1 => self.grouped(),
            2 => self.joined(),
            3 => self.window(),
            4 => self.set_operation(),
            5 => self.common(),
            6 => self.scalar(),
            7 => self.view(),
            _ => self.nested(),
        }
    }

    fn source(&mut self) -> Source {
        let def = *self.random.pick(&self.tables);
        self.aliases += 1;
        let alias = format!("t{}", self.aliases);
        Source { sql: format!("{} {alias}", def.name), alias, def }
    }

    fn columns(source: &Source, of: &[ColumnType]) -> Vec<&'static str> {
        let columns = source.def.columns.iter();
        columns.filter(|it| of.contains(&it.column_type)).map(|it| it.name).collect()
    }

    fn column(&mut self, source: &Source, of: &[ColumnType]) -> String {
        let columns = Self::columns(source, of);
        let name = self.random.pick(&columns);
        format!("{}.{name}", source.alias)
    }

    fn any(&mut self, source: &Source) -> String {
        use ColumnType::{Bool, Int, Json, Text, Time};
        self.column(source, &[Text, Int, Bool, Time, Json])
    }

    fn word(&mut self) -> String {
        let pool = match self.random.below(7) {
            0 => queues(),
            1 => teams(),
            2 => sites(),
            3 => entry_points(),
            4 => interactions(),
            5 => agents(),
            _ => ["amber", "blue", "***", "team", "queue"].map(str::to_owned).to_vec(),
        };
        format!("'{}'", self.random.pick(&pool))
    }

    fn condition(&mut self, source: &Source, depth: usize) -> String {
        match self.random.below(if depth == 0 { 7 } else { 11 }) {
            0 => {
                let (column, number) =
                    (self.column(source, &[ColumnType::Int]), self.random.below(50));
                format!("{column} {} {number}", self.random.pick(&["<", ">=", "<>", "="]))
            }
            1 => format!("{} = {}", self.column(source, &[ColumnType::Text]), self.word()),
            2 => {
                let words: Vec<String> = (0..3).map(|_| self.word()).collect();
                let column = self.column(source, &[ColumnType::Text]);
                let not = self.random.pick(&["", "not "]);
                format!("{column} {not}in ({})", words.join(", "))
            }
            3 => format!("{} is {}null", self.any(source), self.random.pick(&["", "not "])),
            4 => {
                let column = self.column(source, &[ColumnType::Text]);
                format!("{column} like '%{}%'", self.random.pick(&["a", "1", "**", "0002"]))
            }
            5 => {
                let (a, b) = (
                    self.column(source, &[ColumnType::Int]),
                    self.column(source, &[ColumnType::Int]),
                );
                format!("coalesce({a}, 0) + 1 > coalesce({b}, 0)")
            }
            // Counts of the present have no time.
            6 if Self::columns(source, &[ColumnType::Time]).is_empty() => {
                format!("{} between 3 and 30", self.column(source, &[ColumnType::Int]))
            }
            6 => {
                let column = self.column(source, &[ColumnType::Time]);
                format!("{column} between '2023-11-14T23:00:00Z' and '2023-11-15T01:00:00Z'")
            }
            7 => {
                let other = self.source();
                let (mine, its) = (
                    self.column(source, &[ColumnType::Text]),
                    self.column(&other, &[ColumnType::Text]),
                );
                let rest = self.condition(&other, 0);
                let not = self.random.pick(&["", "not "]);
                format!("{not}exists (select 1 from {} where {mine} = {its} and {rest})", other.sql)
            }
            8 => {
                let other = self.source();
                let (mine, its) = (
                    self.column(source, &[ColumnType::Text]),
                    self.column(&other, &[ColumnType::Text]),
                );
                format!("{mine} in (select {its} from {})", other.sql)
            }
            9 => {
                let (a, b) = (self.condition(source, depth - 1), self.condition(source, depth - 1));
                format!("({a} {} {b})", self.random.pick(&["and", "or"]))
            }
            _ => format!("not ({})", self.condition(source, depth - 1)),
        }
    }

    fn filter(&mut self, source: &Source) -> String {
        if self.random.chance(70) {
            format!(" where {}", self.condition(source, 2))
        } else {
            String::new()
        }
    }

    fn measure(&mut self, source: &Source) -> String {
        let number = self.column(source, &[ColumnType::Int]);
        let any = self.any(source);
        match self.random.below(7) {
            0 => "count(*)".to_owned(),
            1 => format!("count({any})"),
            2 => format!("count(distinct {any})"),
            3 => format!("sum({number})"),
            4 => format!("min({any})"),
            5 => format!("max({any})"),
            _ => format!("count(*) filter (where {number} > 10)"),
        }
    }

    fn rows(&mut self) -> String {
        let source = self.source();
        let filter = self.filter(&source);
        let mut columns: Vec<String> =
            (0..=self.random.below(4)).map(|_| self.any(&source)).collect();
        if self.random.chance(15) {
            columns = vec![format!("{}.*", source.alias)];
        }
        let distinct = self.random.pick(&["", "distinct "]);
        format!("select {distinct}{} from {}{filter}", columns.join(", "), source.sql)
    }

    fn grouped(&mut self) -> String {
        let source = self.source();
        let (key, filter) = (self.any(&source), self.filter(&source));
        let (one, two) = (self.measure(&source), self.measure(&source));
        let having = self.random.pick(&["", " having count(*) > 2"]);
        format!("select {key}, {one}, {two} from {}{filter} group by {key}{having}", source.sql)
    }

    fn joined(&mut self) -> String {
        let (left, right) = (self.source(), self.source());
        let join = *self.random.pick(&["join", "left join", "full join", "right join"]);
        let on = |questions: &mut Self| {
            let text = [ColumnType::Text];
            let (a, b) = (questions.column(&left, &text), questions.column(&right, &text));
            format!("{a} = {b}")
        };
        let (on, measure) = (on(self), self.measure(&left));
        let (key, filter) = (self.any(&right), self.filter(&left));
        format!(
            "select {key}, {measure}, count(*) from {} {join} {} on {on}{filter} group by {key}",
            left.sql, right.sql
        )
    }

    fn window(&mut self) -> String {
        let source = self.source();
        let (key, order) = (self.any(&source), self.column(&source, &[ColumnType::Int]));
        let filter = self.filter(&source);
        let function = match self.random.below(3) {
            0 => "rank()".to_owned(),
            1 => format!("sum({order})"),
            _ => "count(*)".to_owned(),
        };
        format!(
            "select {key}, {order}, {function} over (partition by {key} order by {order}) from {}{filter}",
            source.sql
        )
    }

    fn set_operation(&mut self) -> String {
        let (left, right) = (self.source(), self.source());
        let text = [ColumnType::Text];
        let (a, b) = (self.column(&left, &text), self.column(&right, &text));
        let (one, two) = (self.filter(&left), self.filter(&right));
        let operation = self.random.pick(&["union", "union all", "intersect", "except"]);
        format!("select {a} from {}{one} {operation} select {b} from {}{two}", left.sql, right.sql)
    }

    fn common(&mut self) -> String {
        let source = self.source();
        let filter = self.filter(&source);
        let (key, measure) = (self.column(&source, &[ColumnType::Text]), self.measure(&source));
        format!(
            "with c as (select {key} as k, {measure} as m from {}{filter} group by {key}) \
             select count(*), count(m), max(k) from c a where a.k in (select k from c where m is not null)",
            source.sql
        )
    }

    fn scalar(&mut self) -> String {
        let (outer, inner, third) = (self.source(), self.source(), self.source());
        let (filter, measure) = (self.filter(&inner), self.measure(&inner));
        let number = self.column(&outer, &[ColumnType::Int]);
        format!(
            "select count(*), (select {measure} from {}{filter}) as s from {} \
             where {number} > (select count(*) - 60 from {})",
            inner.sql, outer.sql, third.sql
        )
    }

    /// The compatibility views stand on the same tables.
    fn view(&mut self) -> String {
        let views = [
            ("csr", "customer_session"),
            ("clr", "queue_leg"),
            ("car", "customer_activity"),
            ("asr", "agent_session"),
            ("aar", "agent_activity"),
        ];
        let there = |table: &str| self.tables.iter().any(|def| def.name == table);
        let there: Vec<&str> =
            views.iter().filter(|(_, table)| there(table)).map(|(view, _)| *view).collect();
        match there.is_empty() {
            true => self.rows(),
            false => {
                let view = self.random.pick(&there);
                match self.random.below(2) {
                    0 => format!("select * from {view}"),
                    _ => format!("select count(*), count(distinct id) from {view}"),
                }
            }
        }
    }

    fn nested(&mut self) -> String {
        let source = self.source();
        let filter = self.filter(&source);
        let (a, b) = (self.any(&source), self.measure(&source));
        format!(
            "select count(*), max(q.m) from (select {a} as k, {b} as m from {}{filter} group by {a}) q \
             where q.k is not null",
            source.sql
        )
    }
}
