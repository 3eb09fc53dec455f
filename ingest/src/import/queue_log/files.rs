//! Files of a queue log: unpacked, in order of time, each line once.

use std::borrow::Cow;
use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use ledgerline_schemas::Timestamp;
use sha2::{Digest as _, Sha256};

use super::line::Line;
use crate::import::error::ImportError;
use crate::import::run::{Source, hex};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const GZIP_MAGIC: &[u8] = b"\x1f\x8b";

/// Largest unpacked file, bytes: a small packed file must not fill the memory.
pub(super) const UNPACKED_BYTES_MAX: u64 = 4 << 30;

/// A file, unpacked.
pub(super) struct LogFile<'a> {
    pub(super) source: Source<'a>,
    text: Cow<'a, [u8]>,
    /// Of the unpacked content: a packed copy is the same file.
    pub(super) sha256: String,
    /// Times of the first and the last line that has one.
    span: Option<(Timestamp, Timestamp)>,
    /// Name of another file that begins with all that is in this one; that one is read.
    pub(super) contained_in: Option<String>,
}

/// One line of a file, without its end.
pub(super) struct RawLine<'f> {
    /// From 1.
    pub(super) number: u64,
    pub(super) bytes: &'f [u8],
    /// It ended with CR LF.
    pub(super) cr_lf: bool,
    /// It ended at all.
    pub(super) finished: bool,
}

impl<'a> LogFile<'a> {
    /// Unpacks a file.
    pub(super) fn read(source: Source<'a>, limit: u64) -> Result<Self, ImportError> {
        let text = if source.bytes.starts_with(GZIP_MAGIC) {
            Cow::Owned(unpack(source, limit)?)
        } else {
            Cow::Borrowed(source.bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(source.bytes))
        };
        let sha256 = hex(&Sha256::digest(&text));
        let mut file = Self { source, text, sha256, span: None, contained_in: None };
        let time = |line: RawLine<'_>| Line::parse(line.bytes).ok().map(|line| line.time);
        let first = file.lines().find_map(time);
        let last = file
            .text
            .rsplit(|byte| *byte == b'\n')
            .find_map(|bytes| Line::parse(without_end(bytes)).ok().map(|line| line.time));
        file.span = first.zip(last);
        Ok(file)
    }

    /// Time of the first line that has one.
    pub(super) fn first_time(&self) -> Option<Timestamp> {
        self.span.map(|(first, _)| first)
    }

    /// The lines that hold anything.
    pub(super) fn lines(&self) -> impl Iterator<Item = RawLine<'_>> {
        let pieces = self.text.split_inclusive(|byte| *byte == b'\n');
        (1_u64..).zip(pieces).filter_map(|(number, piece)| {
            let finished = piece.ends_with(b"\n");
            let cr_lf = piece.ends_with(b"\r\n");
            let bytes = without_end(piece);
            let blank = bytes.iter().all(|byte| byte.is_ascii_whitespace() || *byte == 0);
            (!blank).then_some(RawLine { number, bytes, cr_lf, finished })
        })
    }

    /// Lines that hold nothing.
    pub(super) fn blank_lines(&self) -> u64 {
        let all = self.text.split_inclusive(|byte| *byte == b'\n').count() as u64;
        all.saturating_sub(self.lines().count() as u64)
    }
}

fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn unpack(source: Source<'_>, limit: u64) -> Result<Vec<u8>, ImportError> {
    let unreadable = |reason: String| ImportError::Unreadable {
        file: source.name.to_owned(),
        reason: format!("it is no whole gzip file: {reason}"),
    };
    let mut text = Vec::new();
    MultiGzDecoder::new(source.bytes)
        .take(limit.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(|error| unreadable(error.to_string()))?;
    if text.len() as u64 > limit {
        return Err(ImportError::Unreadable {
            file: source.name.to_owned(),
            reason: format!("unpacked it has more than {limit} bytes"),
        });
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(text)
}

/// Puts files in order of time, whatever their names say, and marks those that another one begins with.
pub(super) fn in_order(mut files: Vec<LogFile<'_>>) -> Vec<LogFile<'_>> {
    files.sort_by(|one, other| {
        let key = |file: &LogFile<'_>| (file.span, file.text.len());
        key(one).cmp(&key(other)).then_with(|| one.source.name.cmp(other.source.name))
    });
    let contained: Vec<Option<String>> = files
        .iter()
        .enumerate()
        .map(|(index, file)| {
            let holder = files.iter().enumerate().find(|(other, longer)| {
                let longer_or_later = longer.text.len() > file.text.len()
                    || longer.text.len() == file.text.len() && *other > index;
                !file.text.is_empty() && longer_or_later && longer.text.starts_with(&file.text)
            });
            holder.map(|(_, file)| file.source.name.to_owned())
        })
        .collect();
    for (file, contained_in) in files.iter_mut().zip(contained) {
        file.contained_in = contained_in;
    }
    files
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn source<'a>(name: &'a str, bytes: &'a [u8]) -> Source<'a> {
        Source { name, bytes, imported_at: Timestamp::EPOCH }
    }

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).expect("packs");
        encoder.finish().expect("packs")
    }

    fn read<'a>(name: &'a str, bytes: &'a [u8]) -> LogFile<'a> {
        LogFile::read(source(name, bytes), UNPACKED_BYTES_MAX).expect("a file")
    }

    #[test]
    fn lines_are_found_whatever_ends_them() {
        let file = read("q", b"\xef\xbb\xbf1|a\r\n\r\n \0\n2|b\n3|c");
        let found: Vec<_> =
            file.lines().map(|it| (it.number, it.bytes, it.cr_lf, it.finished)).collect();
        assert_eq!(
            found,
            [
                (1, b"1|a".as_slice(), true, true),
                (4, b"2|b".as_slice(), false, true),
                (5, b"3|c".as_slice(), false, false)
            ]
        );
        assert_eq!(file.blank_lines(), 2);
        let empty = read("q", b"");
        assert_eq!((empty.lines().count(), empty.blank_lines(), empty.span), (0, 0, None));
    }

    #[test]
    fn a_packed_file_is_the_file_it_holds_and_has_a_limit() {
        let text = b"1|a|b|c|E\n".repeat(1_000);
        let half = text.len() / 2;
        let mut members = packed(&text[..half]);
        members.extend(packed(&text[half..]));
        let file = read("q.gz", &members);
        assert_eq!(file.sha256, read("q", &text).sha256);
        assert_eq!(file.lines().count(), 1_000);
        let limit = text.len() as u64;
        assert!(LogFile::read(source("q.gz", &members), limit).is_ok());
        assert!(LogFile::read(source("q.gz", &members), limit - 1).is_err());
        let cut = &members[..members.len() - 9];
        assert!(LogFile::read(source("q.gz", cut), limit).is_err());
    }

    #[test]
    fn files_are_in_order_of_time_and_copies_are_read_once() {
        let (old, new) = (b"5|a|b|c|E\n8|a|b|c|E\n", b"8|a|b|c|F\n9|a|b|c|E\n");
        let grown = [old.as_slice(), b"9|x|b|c|E\n"].concat();
        let files = in_order(vec![
            read("queue_log", new),
            read("empty", b""),
            read("queue_log.1", old),
            read("copy", new),
            read("grown", &grown),
        ]);
        let found: Vec<_> =
            files.iter().map(|it| (it.source.name, it.contained_in.as_deref())).collect();
        assert_eq!(
            found,
            [
                ("empty", None),
                ("queue_log.1", Some("grown")),
                ("grown", None),
                ("copy", Some("queue_log")),
                ("queue_log", None)
            ]
        );
    }
}
