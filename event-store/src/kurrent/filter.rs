//! Server-side filters: by stream name or event type, by prefix or regular expression.

use fancy_regex::{Regex, RegexBuilder};
use ledgerline_schemas::Recorded;
use prost::Message as _;
use tonic::Status;

use super::event::{EXTERNAL_TYPE, shown_type};
use super::wire::streams::read_req::options::FilterOptions;
use super::wire::streams::read_req::options::filter_options::{Expression, Filter as On, Window};
use crate::log::Filter;

/// Steps back a match may take. Clients send look-around, which needs backtracking; this bounds its cost.
const BACKTRACK_LIMIT: usize = 20_000;
const REGEX_BYTES_MAX: usize = 8 << 10;
const PREFIXES_MAX: usize = 1_000;
/// Events looked at between checkpoints when the client names no window.
const DEFAULT_WINDOW: u64 = 32;

/// A filter of one read or subscription.
#[derive(Clone, Debug)]
pub(crate) struct Matcher {
    on_stream: bool,
    pattern: Pattern,
    /// Events considered between checkpoints.
    pub(crate) checkpoint_every: u64,
}

#[derive(Clone, Debug)]
enum Pattern {
    Prefixes(Vec<String>),
    Regex(Box<Regex>),
}

impl Matcher {
    pub(crate) fn new(options: &FilterOptions) -> Result<Self, Status> {
        let (on_stream, expression) = match &options.filter {
            Some(On::StreamIdentifier(expression)) => (true, expression),
            Some(On::EventType(expression)) => (false, expression),
            None => return Err(super::refusal::missing("filter")),
        };
        let window = match options.window {
            Some(Window::Max(max)) => u64::from(max),
            Some(Window::Count(_)) | None => DEFAULT_WINDOW,
        };
        let every = window.max(1) * u64::from(options.checkpoint_interval_multiplier).max(1);
        Ok(Self { on_stream, pattern: Pattern::new(expression)?, checkpoint_every: every })
    }

    /// A filter as it was stored: every message with this shape has the same bytes.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Status> {
        let options = FilterOptions::decode(bytes)
            .map_err(|error| Status::invalid_argument(format!("filter: {error}")))?;
        Self::new(&options)
    }

    /// What the log itself can leave out; never more than the filter does.
    pub(crate) fn narrowed(&self) -> Filter {
        let Pattern::Prefixes(prefixes) = &self.pattern else { return Filter::all() };
        if self.on_stream {
            return Filter { stream_prefixes: prefixes.clone(), ..Filter::all() };
        }
        // The type of a foreign event is inside its payload.
        let foreign = std::iter::once(EXTERNAL_TYPE.to_owned());
        Filter { type_prefixes: prefixes.iter().cloned().chain(foreign).collect(), ..Filter::all() }
    }

    pub(crate) fn passes(&self, recorded: &Recorded) -> Result<bool, Status> {
        if self.on_stream {
            return self.pattern.passes(recorded.header.stream.as_str());
        }
        self.pattern.passes(&shown_type(recorded))
    }
}

impl Pattern {
    fn new(expression: &Expression) -> Result<Self, Status> {
        if expression.regex.is_empty() {
            if expression.prefix.is_empty() {
                return Err(Status::invalid_argument("filter has neither regex nor prefix"));
            }
            if expression.prefix.len() > PREFIXES_MAX {
                let message = format!("filter has more than {PREFIXES_MAX} prefixes");
                return Err(Status::invalid_argument(message));
            }
            return Ok(Self::Prefixes(expression.prefix.clone()));
        }
        if expression.regex.len() > REGEX_BYTES_MAX {
            let message = format!("filter regex is longer than {REGEX_BYTES_MAX} bytes");
            return Err(Status::invalid_argument(message));
        }
        RegexBuilder::new(&expression.regex)
            .backtrack_limit(BACKTRACK_LIMIT)
            .build()
            .map(|regex| Self::Regex(Box::new(regex)))
            .map_err(|error| Status::invalid_argument(format!("filter regex: {error}")))
    }

    fn passes(&self, text: &str) -> Result<bool, Status> {
        match self {
            Self::Prefixes(prefixes) => Ok(prefixes.iter().any(|it| text.starts_with(it))),
            Self::Regex(regex) => regex.is_match(text).map_err(|error| {
                Status::invalid_argument(format!("filter regex is too costly: {error}"))
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn regex(text: &str) -> Result<Pattern, Status> {
        Pattern::new(&Expression { regex: text.to_owned(), prefix: Vec::new() })
    }

    #[test]
    fn look_around_works_and_costs_are_bounded() {
        let pattern = regex(r"^(?!(\$.+$|Other$))").expect("look-around");
        assert!(pattern.passes("OrderPlaced").expect("cheap"));
        assert!(!pattern.passes("$metadata").expect("cheap"));
        assert!(!pattern.passes("Other").expect("cheap"));
        let costly = regex(r"^(a+)+(?=b)$").expect("compiles");
        let error = costly.passes(&"a".repeat(60)).expect_err("stopped");
        assert!(error.message().contains("too costly"), "{error}");
        assert!(regex("(").is_err());
        assert!(regex(&"a".repeat(REGEX_BYTES_MAX + 1)).is_err());
        assert!(Pattern::new(&Expression::default()).is_err());
    }
}
