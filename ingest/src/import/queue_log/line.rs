//! One line taken apart: `time|call|queue|agent|event|data…`.

use ledgerline_schemas::Timestamp;
use ledgerline_schemas::limits::NAME_CHARS_MAX;

/// Longest line, bytes. Asterisk writes at most 8 KiB.
pub(super) const LINE_BYTES_MAX: usize = 64 << 10;
/// Longest id of a call, bytes (Asterisk: 150).
const CALL_ID_BYTES_MAX: usize = 200;
/// Fields before the data.
const HEAD_FIELDS: usize = 5;
/// First second of the year 10000.
const SECONDS_END: i64 = 253_402_300_800;

/// Why a line was refused; never with the line's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum LineError {
    #[error("has no line end: it is not complete")]
    Unfinished,
    #[error("has {actual} bytes, the limit is {LINE_BYTES_MAX}")]
    TooLong { actual: usize },
    #[error("has {actual} fields, expected at least {HEAD_FIELDS}")]
    FieldCount { actual: usize },
    #[error("begins with no time in seconds since 1970")]
    Time,
    #[error("has an event that is not known; the mapping's events.information may list it")]
    Event,
    #[error("{event} names no {field}")]
    Missing { event: &'static str, field: &'static str },
    #[error("{event} names a {field} of more than {limit} {unit}")]
    NameTooLong { event: &'static str, field: &'static str, limit: usize, unit: &'static str },
    #[error("{event} has a {field} that is not a whole number")]
    Number { event: &'static str, field: &'static str },
    #[error("{event} is of a call whose ENTERQUEUE is not in the log")]
    UnknownCall { event: &'static str },
    #[error("{event} is of a call that is over")]
    CallOver { event: &'static str },
    #[error("{event} is of a call that is not waiting in a queue")]
    NotWaiting { event: &'static str },
    #[error("{event} is of a call that is not connected to an agent")]
    NotConnected { event: &'static str },
    #[error("{event} names another queue than the one the call is in")]
    OtherQueue { event: &'static str },
    #[error("{event} names a queue that no [[queue]] of the mapping lists")]
    UnknownQueue { event: &'static str },
}

/// A line as fields.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) time: Timestamp,
    fields: Vec<String>,
    /// Bytes that are no UTF-8 were read as Latin-1.
    pub(super) latin1: bool,
}

impl Line {
    /// Takes a line without its end apart.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, LineError> {
        if bytes.len() > LINE_BYTES_MAX {
            return Err(LineError::TooLong { actual: bytes.len() });
        }
        let (text, latin1) = match std::str::from_utf8(bytes) {
            Ok(text) => (text.to_owned(), false),
            // Every byte is a character of Latin-1, so nothing is lost.
            Err(_) => (bytes.iter().copied().map(char::from).collect(), true),
        };
        let mut fields = split(&text);
        if fields.len() < HEAD_FIELDS {
            return Err(LineError::FieldCount { actual: fields.len() });
        }
        let time = fields.first().and_then(|text| time(text)).ok_or(LineError::Time)?;
        // Databases of queue logs have five columns of data, empty or not.
        while fields.len() > HEAD_FIELDS && fields.last().is_some_and(String::is_empty) {
            fields.pop();
        }
        Ok(Self { time, fields, latin1 })
    }

    fn field(&self, index: usize) -> &str {
        self.fields.get(index).map_or("", String::as_str)
    }

    /// Name of the event as written.
    pub(super) fn event(&self) -> &str {
        self.field(4)
    }

    /// A field of data, from 0; empty where there is none.
    pub(super) fn data(&self, index: usize) -> &str {
        self.field(HEAD_FIELDS + index)
    }

    /// Fields of data without empty ones at the end.
    pub(super) fn data_len(&self) -> usize {
        self.fields.len().saturating_sub(HEAD_FIELDS)
    }

    /// The call; `event` is for the message.
    pub(super) fn call(&self, event: &'static str) -> Result<&str, LineError> {
        let call = named(self.field(1)).ok_or(LineError::Missing { event, field: "call" })?;
        if call.len() > CALL_ID_BYTES_MAX {
            let (field, limit) = ("call", CALL_ID_BYTES_MAX);
            return Err(LineError::NameTooLong { event, field, limit, unit: "bytes" });
        }
        Ok(call)
    }

    /// The queue.
    pub(super) fn queue(&self, event: &'static str) -> Result<&str, LineError> {
        let queue = named(self.field(2)).ok_or(LineError::Missing { event, field: "queue" })?;
        short(event, "queue", queue)
    }

    /// The agent, without the suffix that tells channels of one device apart.
    pub(super) fn agent(&self, event: &'static str) -> Result<&str, LineError> {
        named(self.field(3)).map(device).ok_or(LineError::Missing { event, field: "agent" })
    }

    /// Whether a suffix of a channel was cut off from the agent.
    pub(super) fn names_channel(&self) -> bool {
        device(self.field(3)) != self.field(3)
    }

    /// A whole number; `None` where the field is empty. Negative ones are for the caller to judge.
    pub(super) fn number(
        &self,
        event: &'static str,
        field: &'static str,
        index: usize,
    ) -> Result<Option<i64>, LineError> {
        match self.data(index) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| LineError::Number { event, field }),
        }
    }
}

/// A text that names something: Asterisk writes `NONE` for nothing.
pub(super) fn named(text: &str) -> Option<&str> {
    (!text.is_empty() && text != "NONE").then_some(text)
}

/// A text that is short enough for a name.
pub(super) fn short<'t>(
    event: &'static str,
    field: &'static str,
    text: &'t str,
) -> Result<&'t str, LineError> {
    if text.chars().count() > NAME_CHARS_MAX {
        let limit = NAME_CHARS_MAX;
        return Err(LineError::NameTooLong { event, field, limit, unit: "characters" });
    }
    Ok(text)
}

/// Fields between bars. A bar after a backslash belongs to the field.
fn split(text: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        match character {
            '|' => fields.push(String::new()),
            '\\' if characters.peek() == Some(&'|') => {
                characters.next();
                push(&mut fields, '|');
            }
            // Files that went through other programs have them at their end.
            '\0' => {}
            other => push(&mut fields, other),
        }
    }
    fields.into_iter().map(|field| field.trim().to_owned()).collect()
}

fn push(fields: &mut [String], character: char) {
    if let Some(field) = fields.last_mut() {
        field.push(character);
    }
}

/// Seconds since 1970, with up to six decimals.
fn time(text: &str) -> Option<Timestamp> {
    let (seconds, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(seconds) || !digits(decimals) {
        return None;
    }
    let seconds: i64 = seconds.parse().ok().filter(|seconds| *seconds < SECONDS_END)?;
    let micros: String = decimals.chars().chain("000000".chars()).take(6).collect();
    Some(Timestamp::from_micros(seconds * 1_000_000 + micros.parse::<i64>().ok()?))
}

/// `SIP/101` of the channel `SIP/101-0000002a`, `Local/7@agents` of `Local/7@agents-1f2e;1`. Old versions
/// write channels where later ones write members.
fn device(name: &str) -> &str {
    if !name.contains('/') {
        return name;
    }
    let half = name.strip_suffix(";1").or_else(|| name.strip_suffix(";2"));
    let whole = half.unwrap_or(name);
    match whole.rsplit_once('-') {
        Some((device, suffix))
            if (suffix.len() == 8 || half.is_some() && suffix.len() >= 4)
                && suffix.bytes().all(|byte| byte.is_ascii_hexdigit()) =>
        {
            device
        }
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> Line {
        Line::parse(text.as_bytes()).expect("a line")
    }

    #[test]
    fn fields_are_taken_apart_whatever_wrote_them() {
        for (given, event, data) in [
            ("1|2|q|a|E|x|y", "E", vec!["x", "y"]),
            ("1|2|q|a|E|x|y|||", "E", vec!["x", "y"]),
            ("1|2|q|a|E|||y", "E", vec!["", "", "y"]),
            ("1|2|q|a|E|", "E", vec![]),
            ("1|2|q|a|E", "E", vec![]),
            (r"1|2|q|a|E|x\|y|z\", "E", vec!["x|y", r"z\"]),
            ("1|2|q|a| E |\0x \0", "E", vec!["x"]),
        ] {
            let line = line(given);
            let found: Vec<&str> = (0..line.data_len()).map(|index| line.data(index)).collect();
            assert_eq!((line.event(), found), (event, data), "{given}");
        }
    }

    #[test]
    fn times_are_seconds_with_decimals_or_nothing() {
        for (given, micros) in [
            ("1366720340", Some(1_366_720_340_000_000)),
            ("1366720340.303267", Some(1_366_720_340_303_267)),
            ("1366720340.5", Some(1_366_720_340_500_000)),
            ("1366720340.1234567", Some(1_366_720_340_123_456)),
            ("0", Some(0)),
            ("253402300799", Some(253_402_300_799_000_000)),
            ("253402300800", None),
            ("1366720340123", None),
            ("", None),
            ("-1", None),
            ("1.", None),
            (".5", None),
            ("+5", None),
            ("2013-04-23 12:32:20", None),
            ("99999999999999999999", None),
        ] {
            let parsed = Line::parse(format!("{given}|2|q|a|E").as_bytes());
            let found = parsed.map(|line| line.time.micros());
            assert_eq!(found, micros.ok_or(LineError::Time), "{given:?}");
        }
    }

    #[test]
    fn channels_of_a_device_are_the_device() {
        for (given, device) in [
            ("SIP/101", "SIP/101"),
            ("SIP/101-0000002a", "SIP/101"),
            ("PJSIP/a-b", "PJSIP/a-b"),
            ("PJSIP/night-shift", "PJSIP/night-shift"),
            ("Local/7@agents/n", "Local/7@agents/n"),
            ("Local/7@agents-1f2e;1", "Local/7@agents"),
            ("Local/7@agents-0000002a;2", "Local/7@agents"),
            ("Local/7@agents-1f2e", "Local/7@agents-1f2e"),
            ("Meyer-deadbeef", "Meyer-deadbeef"),
        ] {
            let line = line(&format!("1|2|q|{given}|CONNECT"));
            assert_eq!(line.agent("CONNECT"), Ok(device), "{given}");
            assert_eq!(line.names_channel(), given != device, "{given}");
        }
    }

    #[test]
    fn limits_hold_at_their_edges() {
        let of = |bytes: usize| {
            let head = "1|2|q|a|E|";
            Line::parse(format!("{head}{}", "x".repeat(bytes - head.len())).as_bytes()).map(|_| ())
        };
        assert_eq!(of(LINE_BYTES_MAX - 1), Ok(()));
        assert_eq!(of(LINE_BYTES_MAX), Ok(()));
        let actual = LINE_BYTES_MAX + 1;
        assert_eq!(of(actual), Err(LineError::TooLong { actual }));
        let call =
            |bytes: usize| line(&format!("1|{}|q|a|E", "9".repeat(bytes))).call("E").map(str::len);
        assert_eq!(call(CALL_ID_BYTES_MAX), Ok(CALL_ID_BYTES_MAX));
        assert!(call(CALL_ID_BYTES_MAX + 1).is_err());
        assert_eq!(Line::parse(b"1|2|q|a").map(|_| ()), Err(LineError::FieldCount { actual: 4 }));
    }

    #[test]
    fn bytes_that_are_no_utf8_are_latin1() {
        let line = Line::parse(b"1|2|B\xfcro|a|E").expect("a line");
        assert!(line.latin1);
        assert_eq!(line.queue("E"), Ok("Büro"));
        assert!(!Line::parse("1|2|Büro|a|E".as_bytes()).expect("a line").latin1);
    }
}
