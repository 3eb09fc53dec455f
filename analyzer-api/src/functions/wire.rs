//! Partial states as bytes: little-endian numbers, varints, texts with their length in front.

use datafusion::error::{DataFusionError, Result};

/// Writes a state.
#[derive(Debug, Default)]
pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn f64(&mut self, value: f64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// Many numbers, one behind the other.
    pub(crate) fn f64s(&mut self, values: &[f64]) {
        let at = self.0.len();
        self.0.resize(at + size_of_val(values), 0);
        let (places, _) = self.0.get_mut(at..).unwrap_or_default().as_chunks_mut::<8>();
        for (place, value) in places.iter_mut().zip(values) {
            *place = value.to_le_bytes();
        }
    }

    /// A number that is there or not.
    pub(crate) fn option(&mut self, value: Option<i64>) {
        self.0.push(u8::from(value.is_some()));
        self.i64(value.unwrap_or(0));
    }

    /// Seven bits a byte, the lowest first (LEB128).
    pub(crate) fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }
}

/// Reads a state; `None` when the bytes are not what was written.
#[derive(Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn eight(&mut self) -> Option<[u8; 8]> {
        let (eight, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*eight)
    }

    pub(crate) fn i64(&mut self) -> Option<i64> {
        self.eight().map(i64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Option<f64> {
        self.eight().map(f64::from_le_bytes)
    }

    pub(crate) fn option(&mut self) -> Option<Option<i64>> {
        let (there, value) = (self.u8()?, self.i64()?);
        Some((there == 1).then_some(value))
    }

    /// In the shortest form only: one value has one form.
    pub(crate) fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return (byte != 0 || shift == 0).then_some(value);
            }
        }
        None
    }

    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.varint()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }
}

/// A state that no fold wrote.
pub(crate) fn damaged(function: &str) -> DataFusionError {
    DataFusionError::Internal(format!("a partial state of {function} is damaged"))
}

/// What was read, or [`damaged`].
pub(crate) fn intact<T>(function: &str, read: Option<T>) -> Result<T> {
    read.ok_or_else(|| damaged(function))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_longer_form_of_a_varint_is_refused() {
        assert_eq!(Reader(&[0x80, 0x00]).varint(), None);
        assert_eq!(Reader(&[0xff; 10]).varint(), None);
        assert_eq!(Reader(&[0x80]).varint(), None);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(a in any::<u64>(), b in any::<i64>(), c: Option<i64>, d: Vec<u8>) {
            let mut writer = Writer::default();
            writer.varint(a);
            writer.i64(b);
            writer.option(c);
            writer.bytes(&d);
            let mut reader = Reader(&writer.0);
            prop_assert_eq!(reader.varint(), Some(a));
            prop_assert_eq!(reader.i64(), Some(b));
            prop_assert_eq!(reader.option(), Some(c));
            prop_assert_eq!(reader.bytes(), Some(d.as_slice()));
            prop_assert!(reader.is_empty());
        }
    }
}
