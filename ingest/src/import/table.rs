//! The file as rows of fields, and where the mapping's columns are in them.

use csv::{ByteRecord, ReaderBuilder, Terminator};

use super::error::{ImportError, RowError};
use super::mapping::Mapping;
use super::spec::StageSpec;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A file taken apart.
pub(super) struct Table {
    pub(super) columns: Columns,
    pub(super) records: Vec<ByteRecord>,
}

/// Columns of one stage, where the mapping names them.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StageColumns {
    pub(super) start: Option<usize>,
    pub(super) end: Option<usize>,
    pub(super) duration: Option<usize>,
}

/// Where each column of the mapping is.
#[derive(Clone, Debug, Default)]
pub(super) struct Columns {
    names: Vec<String>,
    pub(super) key: Vec<usize>,
    pub(super) date: Option<usize>,
    pub(super) flow: StageColumns,
    pub(super) wait: StageColumns,
    pub(super) service: StageColumns,
    pub(super) outcome: usize,
    pub(super) queue: usize,
    pub(super) agent: Option<usize>,
    pub(super) customer: Option<usize>,
    pub(super) priority: Option<usize>,
}

impl Table {
    pub(super) fn read(mapping: &Mapping, file: &str, bytes: &[u8]) -> Result<Self, ImportError> {
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        let mut reader = ReaderBuilder::new()
            .delimiter(mapping.delimiter)
            .quoting(mapping.quote.is_some())
            .quote(mapping.quote.unwrap_or(b'"'))
            .has_headers(false)
            .flexible(true)
            .terminator(Terminator::CRLF)
            .from_reader(bytes);
        let unreadable = |error: csv::Error| ImportError::Unreadable {
            file: file.to_owned(),
            reason: error.to_string(),
        };
        let names = if mapping.spec.file.header {
            let mut header = ByteRecord::new();
            if !reader.read_byte_record(&mut header).map_err(unreadable)? {
                return Err(ImportError::NoHeader { file: file.to_owned() });
            }
            header.iter().map(|name| String::from_utf8_lossy(name).trim().to_owned()).collect()
        } else {
            mapping.spec.file.columns.clone()
        };
        let columns = Columns::resolve(mapping, file, names)?;
        let records = reader.byte_records().collect::<Result<_, _>>().map_err(unreadable)?;
        Ok(Self { columns, records })
    }
}

impl Columns {
    fn resolve(mapping: &Mapping, file: &str, names: Vec<String>) -> Result<Self, ImportError> {
        let find = |key: &'static str, column: &str| {
            names.iter().position(|name| name == column).ok_or_else(|| ImportError::NoColumn {
                file: file.to_owned(),
                key,
                column: column.to_owned(),
            })
        };
        let maybe = |key: &'static str, column: Option<&String>| {
            column.map(|column| find(key, column)).transpose()
        };
        let stage = |keys: [&'static str; 3], spec: &StageSpec| {
            let [start, end, duration] = keys;
            Ok::<_, ImportError>(StageColumns {
                start: maybe(start, spec.start.as_ref())?,
                end: maybe(end, spec.end.as_ref())?,
                duration: maybe(duration, spec.duration.as_ref())?,
            })
        };
        let spec = &mapping.spec;
        let flow = match &spec.flow {
            Some(flow) => StageColumns {
                start: Some(find("flow.start", &flow.start)?),
                end: maybe("flow.end", flow.end.as_ref())?,
                duration: maybe("flow.duration", flow.duration.as_ref())?,
            },
            None => StageColumns::default(),
        };
        Ok(Self {
            key: spec
                .file
                .key
                .iter()
                .map(|column| find("file.key", column))
                .collect::<Result<_, _>>()?,
            date: maybe("time.date_column", spec.time.date_column.as_ref())?,
            flow,
            wait: stage(["wait.start", "wait.end", "wait.duration"], &spec.wait)?,
            service: stage(["service.start", "service.end", "service.duration"], &spec.service)?,
            outcome: find("outcome.column", &spec.outcome.column)?,
            queue: find("queues.column", &spec.queues.column)?,
            agent: maybe("agent.column", spec.agent.as_ref().map(|it| &it.column))?,
            customer: maybe("customer.column", spec.customer.as_ref().map(|it| &it.column))?,
            priority: maybe("priority.column", spec.priority.as_ref().map(|it| &it.column))?,
            names,
        })
    }

    pub(super) fn name(&self, column: usize) -> String {
        self.names.get(column).cloned().unwrap_or_default()
    }

    /// The fields of a record as text without surrounding blanks, and whether blanks had to be read as
    /// delimiters to find all of them.
    pub(super) fn fields<'r>(
        &self,
        record: &'r ByteRecord,
        repair_blanks: bool,
    ) -> Result<(Vec<&'r str>, bool), RowError> {
        let fields: Vec<&str> = record
            .iter()
            .map(|field| std::str::from_utf8(field).map(str::trim))
            .collect::<Result<_, _>>()
            .map_err(|_| RowError::NotUtf8)?;
        let expected = self.names.len();
        if fields.len() == expected {
            return Ok((fields, false));
        }
        if repair_blanks && fields.len() < expected {
            let split: Vec<&str> =
                fields.iter().flat_map(|field| field.split_ascii_whitespace()).collect();
            if split.len() == expected {
                return Ok((split, true));
            }
        }
        Err(RowError::FieldCount { actual: fields.len(), expected })
    }
}
