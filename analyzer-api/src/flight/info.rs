//! What the server can do, and what not (`CommandGetSqlInfo`). What is not said is not known.

use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{SqlInfoData, SqlInfoDataBuilder};
use arrow_flight::sql::{
    SqlInfo, SqlNullOrdering, SqlOuterJoinsSupportLevel, SqlSupportedCaseSensitivity,
    SqlSupportedGroupBy, SqlSupportedSubqueries, SqlSupportedTransaction, SqlSupportedUnions,
    SqlTransactionIsolationLevel,
};

use crate::limits::Limits;

/// Version of the Arrow columnar format (<https://arrow.apache.org/docs/format/Versioning.html>).
const ARROW_FORMAT: &str = "1.5";

/// All of it.
pub(super) fn all(limits: &Limits) -> Result<SqlInfoData, FlightError> {
    use SqlInfo as I;
    let mut info = SqlInfoDataBuilder::new();
    info.append(I::FlightSqlServerName, "Ledgerline");
    info.append(I::FlightSqlServerVersion, env!("CARGO_PKG_VERSION"));
    info.append(I::FlightSqlServerArrowVersion, ARROW_FORMAT);
    info.append(I::FlightSqlServerSql, true);
    info.append(I::FlightSqlServerCancel, true);
    info.append(I::FlightSqlServerTransaction, SqlSupportedTransaction::None as i32);
    let deadline_ms = i32::try_from(limits.deadline.as_millis()).unwrap_or(i32::MAX);
    info.append(I::FlightSqlServerStatementTimeout, deadline_ms);
    for never in [
        I::FlightSqlServerSubstrait,
        I::FlightSqlServerBulkIngestion,
        I::FlightSqlServerIngestTransactionsSupported,
        I::SqlDdlCatalog,
        I::SqlDdlSchema,
        I::SqlDdlTable,
        I::SqlSupportsDifferentTableCorrelationNames,
        I::SqlSupportsIntegrityEnhancementFacility,
        I::SqlSelectForUpdateSupported,
        I::SqlStoredProceduresSupported,
        I::SqlTransactionsSupported,
        I::SqlDataDefinitionCausesTransactionCommit,
        I::SqlDataDefinitionsInTransactionsIgnored,
        I::SqlBatchUpdatesSupported,
        I::SqlSavepointsSupported,
        I::SqlNamedParametersSupported,
        I::SqlLocatorsUpdateCopy,
        I::SqlStoredFunctionsUsingCallSyntaxSupported,
    ] {
        info.append(never, false);
    }
    for always in [
        I::FlightSqlServerReadOnly,
        I::SqlAllTablesAreSelectable,
        I::SqlSupportsColumnAliasing,
        I::SqlNullPlusNullIsNull,
        I::SqlSupportsTableCorrelationNames,
        I::SqlSupportsExpressionsInOrderBy,
        I::SqlSupportsOrderByUnrelated,
        I::SqlSupportsNonNullableColumns,
        I::SqlCatalogAtStart,
        I::SqlCorrelatedSubqueriesSupported,
    ] {
        info.append(always, true);
    }
    let lower = SqlSupportedCaseSensitivity::SqlCaseSensitivityLowercase;
    info.append(I::SqlIdentifierCase, lower as i32);
    info.append(I::SqlIdentifierQuoteChar, "\"");
    info.append(I::SqlSearchStringEscape, "\\");
    info.append(I::SqlExtraNameCharacters, "");
    info.append(I::SqlSchemaTerm, "schema");
    info.append(I::SqlCatalogTerm, "database");
    info.append(I::SqlNullOrdering, SqlNullOrdering::SqlNullsSortedHigh as i32);
    let none = SqlTransactionIsolationLevel::SqlTransactionNone;
    info.append(I::SqlDefaultTransactionIsolation, none as i32);
    let bits = |list: &[i32]| list.iter().fold(0_i32, |sum, bit| sum | 1 << bit);
    info.append(
        I::SqlSupportedGroupBy,
        bits(&[
            SqlSupportedGroupBy::SqlGroupByUnrelated as i32,
            SqlSupportedGroupBy::SqlGroupByBeyondSelect as i32,
        ]),
    );
    info.append(
        I::SqlOuterJoinsSupportLevel,
        bits(&[
            SqlOuterJoinsSupportLevel::SqlLimitedOuterJoins as i32,
            SqlOuterJoinsSupportLevel::SqlFullOuterJoins as i32,
        ]),
    );
    info.append(
        I::SqlSupportedSubqueries,
        bits(&[
            SqlSupportedSubqueries::SqlSubqueriesInComparisons as i32,
            SqlSupportedSubqueries::SqlSubqueriesInExists as i32,
            SqlSupportedSubqueries::SqlSubqueriesInIns as i32,
        ]),
    );
    info.append(
        I::SqlSupportedUnions,
        bits(&[SqlSupportedUnions::SqlUnion as i32, SqlSupportedUnions::SqlUnionAll as i32]),
    );
    info.append(I::SqlMaxStatementLength, i64::try_from(limits.sql_bytes_max).unwrap_or(i64::MAX));
    info.build()
}
