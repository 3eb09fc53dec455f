//! Occupancy in percent, both ways it is published.
//!
//! For each agent, within the window: **busy** is the time with at least one interaction connected, on
//! hold, in consultation or in wrap-up; **free** is the time available with nothing in hand, ringing
//! included. Several interactions at once are one busy time.
//!
//! * `occupancy_wall` is Σ busy / Σ (busy + free): Amazon Connect's definition, by the clock on the wall.
//! * `occupancy_weighted` is Σ time of interactions / Σ slots · (busy + free): slots used over slots
//!   offered, so that three chats in three slots are 100 and one is 33.

use std::collections::BTreeMap;

use datafusion::arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use datafusion::error::Result;
use datafusion::scalar::ScalarValue;

use super::columns::{At, ints, texts, times};
use super::span::{Span, clip, covered, interval, window};
use crate::functions::fold::{Call, Fold};
use crate::functions::spec::{Argument, Spec, Type, argument};
use crate::functions::wire::{Reader, Writer, damaged};

static ARGUMENTS: [Argument; 7] = [
    argument("agent", Type::Text),
    argument("state", Type::Text),
    argument("start", Type::Time),
    argument("end", Type::Time),
    argument("from", Type::Time),
    argument("to", Type::Time),
    argument("slots", Type::Int),
];

pub(super) static WALL: Spec = Spec {
    name: "occupancy_wall",
    arguments: ARGUMENTS.split_at(6).0,
    optional: 0,
    result: Type::Number,
    doc: "percent of the time available or busy that agents were busy with at least one interaction",
};

pub(super) static WEIGHTED: Spec = Spec {
    name: "occupancy_weighted",
    arguments: &ARGUMENTS,
    optional: 0,
    result: Type::Number,
    doc: "percent of the offered slots, over the time available or busy, that interactions used",
};

/// How the time of an interval counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Busy,
    Ringing,
    Available,
}

impl Kind {
    /// By the states of `agent_activity`.
    fn of(state: &str) -> Option<Self> {
        Some(match state {
            "connected" | "hold" | "consulting" | "wrapup" => Self::Busy,
            "ringing" => Self::Ringing,
            "available" => Self::Available,
            _ => return None,
        })
    }
}

/// Intervals of an agent, clipped to the window.
#[derive(Debug, Default)]
struct Agent {
    busy: Vec<Span>,
    ringing: Vec<Span>,
    available: Vec<Span>,
    slots: Option<i64>,
}

impl Agent {
    fn of(&mut self, kind: Kind) -> &mut Vec<Span> {
        match kind {
            Kind::Busy => &mut self.busy,
            Kind::Ringing => &mut self.ringing,
            Kind::Available => &mut self.available,
        }
    }

    /// Microseconds busy, and free.
    fn times(&self) -> (i64, i64) {
        let in_hand = || self.busy.iter().chain(&self.ringing);
        let free = covered(in_hand().chain(&self.available)) - covered(in_hand());
        (covered(self.busy.iter()), free)
    }

    /// Microseconds of interactions, each counted.
    fn used(&self) -> i64 {
        self.busy.iter().map(|(start, end)| end - start).sum()
    }
}

/// Both ways; `W` says which.
#[derive(Debug, Default)]
pub(super) struct Occupancy<const W: bool> {
    agents: BTreeMap<Box<str>, Agent>,
    heap_bytes: usize,
}

impl<const W: bool> Occupancy<W> {
    fn agent(&mut self, name: &str) -> &mut Agent {
        if !self.agents.contains_key(name) {
            self.heap_bytes += name.len() + size_of::<Agent>() + 48;
        }
        self.agents.entry(name.into()).or_default()
    }

    fn set_slots(&mut self, agent: &str, slots: i64) -> Result<()> {
        if slots < 1 {
            return Err(Self::SPEC.wrong("slots", format!("must be at least 1, got {slots}")));
        }
        let known = self.agent(agent).slots.replace(slots);
        if known.is_some_and(|known| known != slots) {
            return Err(
                Self::SPEC.wrong("slots", format!("must be one number for agent '{agent}'"))
            );
        }
        Ok(())
    }

    fn take(&mut self, agent: &str, kind: Kind, span: Span) {
        // An element may have grown the vector to twice its size.
        self.heap_bytes += 2 * size_of::<Span>();
        self.agent(agent).of(kind).push(span);
    }
}

/// What a batch has: `agent`, `state`; `start`, `end`, `from`, `to`; `slots`.
pub(super) struct Columns<'a> {
    texts: [&'a StringArray; 2],
    times: [&'a TimestampMicrosecondArray; 4],
    slots: Option<&'a Int64Array>,
}

const KINDS: [Kind; 3] = [Kind::Busy, Kind::Ringing, Kind::Available];

impl<const W: bool> Fold for Occupancy<W> {
    const SPEC: &'static Spec = if W { &WEIGHTED } else { &WALL };
    type Columns<'a> = Columns<'a>;

    fn start(_: &Call) -> Self {
        Self::default()
    }

    fn columns(values: &[ArrayRef]) -> Result<Columns<'_>> {
        Ok(Columns {
            texts: [texts(values, 0)?, texts(values, 1)?],
            times: [times(values, 2)?, times(values, 3)?, times(values, 4)?, times(values, 5)?],
            slots: if W { Some(ints(values, 6)?) } else { None },
        })
    }

    fn add(&mut self, columns: &Columns<'_>, row: usize) -> Result<()> {
        let Columns { texts: [agent, state], times: [start, end, from, to], slots } = columns;
        let window = window(Self::SPEC, from.at(row), to.at(row))?;
        let (Some(agent), Some(state), Some(start)) = (agent.at(row), state.at(row), start.at(row))
        else {
            return Ok(());
        };
        let span = interval(Self::SPEC, start, end.at(row))?;
        let (Some(kind), Some(span)) = (Kind::of(state), clip(span, window)) else {
            return Ok(());
        };
        if let Some(slots) = slots {
            let Some(slots) = slots.at(row) else {
                return Err(Self::SPEC.wrong("slots", "must not be null"));
            };
            self.set_slots(agent, slots)?;
        }
        self.take(agent, kind, span);
        Ok(())
    }

    fn state(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        for (name, agent) in &self.agents {
            writer.bytes(name.as_bytes());
            writer.option(agent.slots);
            for spans in [&agent.busy, &agent.ringing, &agent.available] {
                writer.varint(spans.len() as u64);
                for (start, end) in spans {
                    writer.i64(*start);
                    writer.i64(*end);
                }
            }
        }
        writer.0
    }

    fn merge(&mut self, state: &[u8]) -> Result<()> {
        let mut reader = Reader(state);
        while !reader.is_empty() {
            self.merge_agent(&mut reader)?.ok_or_else(|| damaged(Self::SPEC.name))?;
        }
        Ok(())
    }

    fn result(&mut self) -> Result<ScalarValue> {
        let (mut part, mut whole) = (0_i128, 0_i128);
        for agent in self.agents.values() {
            let (busy, free) = agent.times();
            let (used, slots) = if W { (agent.used(), agent.slots) } else { (busy, None) };
            part += i128::from(used);
            whole += i128::from(busy + free) * i128::from(slots.unwrap_or(1));
        }
        Ok(ScalarValue::Float64((whole > 0).then(|| part as f64 * 100.0 / whole as f64)))
    }

    fn heap_bytes(&self) -> usize {
        self.heap_bytes
    }
}

impl<const W: bool> Occupancy<W> {
    /// `None` when the bytes are not what [`Fold::state`] wrote.
    fn merge_agent(&mut self, reader: &mut Reader<'_>) -> Result<Option<()>> {
        let name = reader.bytes().and_then(|name| std::str::from_utf8(name).ok());
        let (Some(name), Some(slots)) = (name, reader.option()) else { return Ok(None) };
        if let Some(slots) = slots {
            self.set_slots(name, slots)?;
        }
        for kind in KINDS {
            let Some(spans) = reader.varint() else { return Ok(None) };
            for _ in 0..spans {
                let (Some(start), Some(end)) = (reader.i64(), reader.i64()) else {
                    return Ok(None);
                };
                self.take(name, kind, (start, end));
            }
        }
        Ok(Some(()))
    }
}
