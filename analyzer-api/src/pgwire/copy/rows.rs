//! Rows of a copy, value by value.

use arrow_pg::encoder::{Encoder, encode_value};
use bytes::{BufMut as _, BytesMut};
use datafusion::arrow::record_batch::RecordBatch;
use pgwire::api::results::FieldInfo;
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::copy::CopyData;
use pgwire::types::ToSqlText;
use pgwire::types::format::FormatOptions;
use postgres_types::{IsNull, ToSql};

use super::super::times;
use super::{Copy, Form};

/// What the binary form begins with: signature, flags, length of an extension.
const BINARY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// Writes rows in the form of a copy.
pub(super) struct Writer {
    copy: Copy,
    fields: Vec<FieldInfo>,
    /// Which columns are in quotes whatever their value is.
    quoted: Vec<bool>,
    line: BytesMut,
    /// Place in the row.
    column: usize,
    /// What comes before the rows. It goes out with the first of them: the client is told how many pieces
    /// there were, and takes that for rows.
    head: Option<BytesMut>,
}

impl Writer {
    pub(super) fn new(copy: Copy, fields: Vec<FieldInfo>) -> Self {
        let all = copy.force_quote.iter().any(|name| name.value == "*");
        let quoted = fields
            .iter()
            .map(|field| all || copy.force_quote.iter().any(|name| name.value == field.name()))
            .collect();
        let mut writer =
            Self { copy, fields, quoted, line: BytesMut::new(), column: 0, head: None };
        writer.head = writer.first();
        writer
    }

    fn first(&mut self) -> Option<BytesMut> {
        if self.copy.form == Form::Binary {
            return Some(BytesMut::from(BINARY_HEAD));
        }
        if !self.copy.header {
            return None;
        }
        let names: Vec<String> = self.fields.iter().map(|field| field.name().to_owned()).collect();
        for name in names {
            self.put_text(Some(name.as_bytes()), false);
        }
        self.line.put_u8(b'\n');
        self.column = 0;
        Some(self.line.split())
    }

    /// The rows of a batch; nothing follows an error.
    pub(super) fn rows(&mut self, batch: &RecordBatch) -> Vec<PgWireResult<CopyData>> {
        let mut rows = Vec::with_capacity(batch.num_rows());
        for row in 0..batch.num_rows() {
            let outcome = self.row(batch, row);
            let failed = outcome.is_err();
            rows.push(outcome);
            if failed {
                break;
            }
        }
        rows
    }

    /// What comes after the rows, with what should have come before them if there were none.
    pub(super) fn rest(&mut self) -> Option<CopyData> {
        let mut rest = self.head.take().unwrap_or_default();
        if self.copy.form == Form::Binary {
            rest.put_i16(-1);
        }
        (!rest.is_empty()).then(|| CopyData::new(rest.freeze()))
    }

    fn row(&mut self, batch: &RecordBatch, row: usize) -> PgWireResult<CopyData> {
        if let Some(head) = self.head.take() {
            self.line.unsplit(head);
        }
        if self.copy.form == Form::Binary {
            self.line.put_i16(i16::try_from(self.fields.len()).unwrap_or(i16::MAX));
        }
        let schema = batch.schema();
        let fields = std::mem::take(&mut self.fields);
        let encoded =
            batch.columns().iter().zip(schema.fields()).zip(&fields).try_for_each(
                |((column, field), shown)| encode_value(self, column, row, field, shown),
            );
        self.fields = fields;
        encoded?;
        Ok(self.take_row())
    }

    /// Text, or NULL, in the form of the file.
    fn put_text(&mut self, value: Option<&[u8]>, quoted: bool) {
        if self.column > 0 {
            self.line.put_u8(self.copy.delimiter);
        }
        self.column += 1;
        let Some(value) = value else {
            self.line.put_slice(self.copy.null.as_bytes());
            return;
        };
        if self.copy.form == Form::Csv {
            self.put_csv(value, quoted);
        } else {
            self.put_escaped(value);
        }
    }

    fn put_escaped(&mut self, value: &[u8]) {
        for byte in value {
            let escaped = match byte {
                b'\\' => b'\\',
                0x08 => b'b',
                0x0c => b'f',
                b'\n' => b'n',
                b'\r' => b'r',
                b'\t' => b't',
                0x0b => b'v',
                other if *other == self.copy.delimiter => *other,
                plain => {
                    self.line.put_u8(*plain);
                    continue;
                }
            };
            self.line.put_u8(b'\\');
            self.line.put_u8(escaped);
        }
    }

    fn put_csv(&mut self, value: &[u8], quoted: bool) {
        let Copy { delimiter, quote, escape, ref null, .. } = self.copy;
        let special =
            |byte: &u8| matches!(byte, b'\r' | b'\n') || [delimiter, quote].contains(byte);
        // What reads like NULL is told from it by its quotes, and a line that reads like the end of data too.
        let needed = quoted
            || value == null.as_bytes()
            || value.iter().any(special)
            || (value == b"\\." && self.fields.len() == 1);
        if !needed {
            self.line.put_slice(value);
            return;
        }
        self.line.put_u8(quote);
        for byte in value {
            if *byte == quote || *byte == escape {
                self.line.put_u8(escape);
            }
            self.line.put_u8(*byte);
        }
        self.line.put_u8(quote);
    }
}

impl Encoder for Writer {
    type Item = CopyData;

    fn encode_field<T>(&mut self, value: &T, field: &FieldInfo) -> PgWireResult<()>
    where
        T: ToSql + ToSqlText + Sized,
    {
        let failed = |error: Box<dyn std::error::Error + Sync + Send>| PgWireError::ApiError(error);
        if self.copy.form == Form::Binary {
            let mut bytes = BytesMut::new();
            match value.to_sql(field.datatype(), &mut bytes).map_err(failed)? {
                IsNull::Yes => self.line.put_i32(-1),
                IsNull::No => {
                    self.line.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
                    self.line.put_slice(&bytes);
                }
            }
            return Ok(());
        }
        let mut bytes = BytesMut::new();
        let is_null = value
            .to_sql_text(field.datatype(), &mut bytes, &FormatOptions::default())
            .map_err(failed)?;
        let quoted = self.quoted.get(self.column).copied().unwrap_or_default();
        if times::is_time(field.datatype()) {
            let text = times::plain(&bytes);
            self.put_text(matches!(is_null, IsNull::No).then_some(text.as_bytes()), quoted);
            return Ok(());
        }
        self.put_text(matches!(is_null, IsNull::No).then_some(&bytes[..]), quoted);
        Ok(())
    }

    fn take_row(&mut self) -> CopyData {
        if self.copy.form != Form::Binary {
            self.line.put_u8(b'\n');
        }
        self.column = 0;
        CopyData::new(self.line.split().freeze())
    }
}
