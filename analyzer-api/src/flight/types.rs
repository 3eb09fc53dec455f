//! The types of columns as ODBC and JDBC number them (`CommandGetXdbcTypeInfo`).

use arrow_flight::error::FlightError;
use arrow_flight::sql::metadata::{XdbcTypeInfo, XdbcTypeInfoData, XdbcTypeInfoDataBuilder};
use arrow_flight::sql::{Nullable, Searchable, XdbcDataType, XdbcDatetimeSubcode};

/// All types that columns of our tables have.
pub(super) fn all() -> Result<XdbcTypeInfoData, FlightError> {
    let quote = || Some("'".to_owned());
    let plain = |name: &str, data_type: XdbcDataType| XdbcTypeInfo {
        type_name: name.to_owned(),
        data_type,
        sql_data_type: data_type,
        nullable: Nullable::NullabilityNullable,
        searchable: Searchable::Basic,
        local_type_name: Some(name.to_owned()),
        ..XdbcTypeInfo::default()
    };
    let mut builder = XdbcTypeInfoDataBuilder::new();
    builder
        .append(XdbcTypeInfo { column_size: Some(1), ..plain("boolean", XdbcDataType::XdbcBit) });
    builder.append(XdbcTypeInfo {
        column_size: Some(19),
        unsigned_attribute: Some(false),
        fixed_prec_scale: true,
        auto_increment: Some(false),
        minimum_scale: Some(0),
        maximum_scale: Some(0),
        num_prec_radix: Some(10),
        ..plain("bigint", XdbcDataType::XdbcBigint)
    });
    builder.append(XdbcTypeInfo {
        column_size: Some(53),
        unsigned_attribute: Some(false),
        auto_increment: Some(false),
        num_prec_radix: Some(2),
        ..plain("double precision", XdbcDataType::XdbcDouble)
    });
    builder.append(XdbcTypeInfo {
        literal_prefix: quote(),
        literal_suffix: quote(),
        case_sensitive: true,
        searchable: Searchable::Full,
        ..plain("text", XdbcDataType::XdbcVarchar)
    });
    builder.append(XdbcTypeInfo {
        // 2026-11-29 21:00:00.123456+00
        column_size: Some(29),
        literal_prefix: quote(),
        literal_suffix: quote(),
        minimum_scale: Some(6),
        maximum_scale: Some(6),
        sql_data_type: XdbcDataType::XdbcDatetime,
        datetime_subcode: Some(XdbcDatetimeSubcode::XdbcSubcodeTimestampWithTimezone),
        ..plain("timestamp with time zone", XdbcDataType::XdbcTimestamp)
    });
    builder.build()
}
