//! A history as text for a terminal.

use std::fmt::Write as _;

use super::Step;

/// One paragraph a step: position, time and type; actor and sentence; the reason, indented.
#[must_use]
pub fn render(steps: &[Step]) -> String {
    let mut text = String::new();
    let width = steps.last().map_or(1, |step| step.position.to_string().len());
    for step in steps {
        let position = step.position;
        // Writing to a string cannot fail.
        let _ =
            writeln!(text, "{position:>width$}  {}  {}  [{}]", step.time, step.event_type, step.by);
        let _ = writeln!(text, "{:width$}  {}", "", step.what);
        for (index, line) in step.why.iter().flat_map(|why| why.lines()).enumerate() {
            let label = if index == 0 { "why:" } else { "" };
            let _ = writeln!(text, "{:width$}    {label:4} {line}", "");
        }
    }
    let plural = if steps.len() == 1 { "" } else { "s" };
    let _ = writeln!(text, "{} step{plural}", steps.len());
    text
}
