//! The report that people read.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use super::results::{Median, Replayed, Results, What};
use super::targets::verdicts;
use crate::load::{Load, Streams};
use crate::measure::append::Appended;
use crate::stores::Kind;

/// The whole report. Fills in the verdicts.
pub(crate) fn report(results: &mut Results) -> String {
    results.verdicts = verdicts(results);
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = write_report(&mut out, results);
    out
}

fn write_report(out: &mut String, results: &Results) -> std::fmt::Result {
    let facts = &results.facts;
    writeln!(
        out,
        "# Durable appends beside peers\n\n{}, {:.0} s. {} × {}{}, {} MiB ({} MiB of it used once before{}), {}, kernel {}, {}. Load \
         average {} at the start, {} at the end.\n",
        results.began,
        results.seconds,
        facts.processors,
        facts.processor_model,
        if facts.virtual_machine { " (virtual machine)" } else { "" },
        facts.memory_mib,
        facts.touched_mib,
        if facts.free_pages_kept { ", free pages not reported to the host" } else { "" },
        facts.file_system,
        facts.kernel,
        facts.system,
        facts.load_at_start,
        facts.load_at_end
    )?;
    writeln!(out, "## Targets\n\n| target | figure | |\n|---|---|---|")?;
    for verdict in &results.verdicts {
        let word = match verdict.reached {
            Some(true) => "reached",
            Some(false) => "**falls short**",
            None => "",
        };
        writeln!(out, "| {} | {} | {word} |", verdict.target, verdict.figure)?;
    }
    appends(out, results)?;
    subscriptions(out, results)?;
    replays(out, results)?;
    restarts(out, results)?;
    list(out, "Not measured", &results.left_out)?;
    list(out, "Failed", &results.failures)?;
    writeln!(out, "\n## Versions\n")?;
    for (name, version) in &facts.versions {
        writeln!(out, "* {name}: {version}")?;
    }
    Ok(())
}

fn list(out: &mut String, title: &str, lines: &[String]) -> std::fmt::Result {
    if !lines.is_empty() {
        writeln!(out, "\n## {title}\n")?;
    }
    lines.iter().try_for_each(|line| writeln!(out, "* {line}"))
}

fn appends(out: &mut String, results: &Results) -> std::fmt::Result {
    let rows: BTreeSet<(Load, bool)> =
        results.cells.iter().map(|cell| (cell.load, cell.awake)).collect();
    if !rows.is_empty() {
        writeln!(
            out,
            "\n## Durable appends\n\nMedians of the rounds, with the smallest and largest of the \
             events a second. *× sync* is appends a second as a share of the sync rate measured \
             right before. Processor time is that of all processes, writers included; memory is the \
             store's process. *written* is bytes the store's processes wrote for each byte of payload."
        )?;
    }
    for (load, awake) in rows {
        row(out, results, &load, awake)?;
    }
    Ok(())
}

fn row(out: &mut String, results: &Results, load: &Load, awake: bool) -> std::fmt::Result {
    let of_row = || {
        let of = move |cell: &&super::results::Cell| cell.load == *load && cell.awake == awake;
        results.cells.iter().filter(of)
    };
    let syncs = Median::of(of_row().map(|cell| cell.raw.syncs_per_s)).unwrap_or_default();
    let bandwidth = Median::of(of_row().map(|cell| cell.raw.write_bytes_per_s)).unwrap_or_default();
    writeln!(
        out,
        "\n### {} writer{} × {} event{} × {} B, {}{}\n\nLimit beside it: {:.0} syncs/s ({:.0} to \
         {:.0}), 1 MiB appends with sync {:.0} MB/s ({:.0} to {:.0}).\n\n\
         | store | events/s | least to most | × sync | p50 µs | p99 µs | p99.9 µs | CPU s per M events \
         | memory MiB | written |\n|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
        load.writers,
        if load.writers == 1 { "" } else { "s" },
        load.batch,
        if load.batch == 1 { "" } else { "s" },
        load.payload_bytes,
        match load.streams {
            Streams::Hot => "one stream",
            Streams::Spread => "10,000 streams",
        },
        if awake { ", processor kept awake" } else { "" },
        syncs.middle,
        syncs.least,
        syncs.most,
        bandwidth.middle / 1e6,
        bandwidth.least / 1e6,
        bandwidth.most / 1e6,
    )?;
    for kind in Kind::ALL {
        store(out, results, kind, load, awake)?;
    }
    Ok(())
}

fn store(
    out: &mut String,
    results: &Results,
    kind: Kind,
    load: &Load,
    awake: bool,
) -> std::fmt::Result {
    let label = label(kind);
    let rounds = results.rounds(kind, load, awake);
    let Some(rate) = results.median(kind, load, awake, |_, it| it.events_per_s()) else {
        let reason = rounds.iter().find_map(|cell| cell.failed.clone());
        return match reason {
            Some(reason) => writeln!(out, "| {label} | failed: {reason} | | | | | | | | |"),
            None => Ok(()),
        };
    };
    let of = |figure: fn(&Appended) -> f64| {
        let found = results.median(kind, load, awake, |_, it| figure(it));
        found.unwrap_or_default().middle
    };
    let share = results
        .median(kind, load, awake, |cell, it| {
            it.events_per_s() / load.batch as f64 / cell.raw.syncs_per_s
        })
        .unwrap_or_default();
    writeln!(
        out,
        "| {label} | {:.0} | {:.0} to {:.0} | {:.2} | {:.0} | {:.0} | {:.0} | {:.1} | {:.0} | {:.1} |",
        rate.middle,
        rate.least,
        rate.most,
        share.middle,
        of(|it| it.latency.p50_us as f64),
        of(|it| it.latency.p99_us as f64),
        of(|it| it.latency.p999_us as f64),
        of(Appended::cpu_s_per_million),
        of(|it| it.memory_bytes as f64 / 1_048_576.0),
        of(|it| it.written_bytes as f64 / it.payload_bytes as f64),
    )
}

fn label(kind: Kind) -> String {
    if kind.durable() {
        kind.label().to_owned()
    } else {
        format!("*{} (not durable)*", kind.label())
    }
}

fn subscriptions(out: &mut String, results: &Results) -> std::fmt::Result {
    if results.subscriptions.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## From an append to a subscriber\n\n64 writers × 1 event × 256 B at half of the rate above; \
         from when the append was due, µs. PostgreSQL and SQLite have no subscriptions.\n\n\
         | store | events/s | acknowledged p50 | p99 | p99.9 | delivered p50 | p99 | p99.9 |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|"
    )?;
    for it in &results.subscriptions {
        let (append, delivery) = (it.subscribed.append, it.subscribed.delivery);
        writeln!(
            out,
            "| {} | {:.0} | {} | {} | {} | {} | {} | {} |",
            label(it.kind),
            it.subscribed.events_per_s,
            append.p50_us,
            append.p99_us,
            append.p999_us,
            delivery.p50_us,
            delivery.p99_us,
            delivery.p999_us
        )?;
    }
    Ok(())
}

fn replays(out: &mut String, results: &Results) -> std::fmt::Result {
    if results.replays.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Replay\n\n256 B payloads. Cold: with an empty page cache. Filtered: one event of a hundred, by \
         type; the rate counts what was looked at. Best of the rounds.\n\n\
         | store | events an append | what | events/s | frames/s | MB/s |\n|---|---:|---|---:|---:|---:|"
    )?;
    let mut keys: Vec<(Kind, u64, What, bool)> = Vec::new();
    for it in &results.replays {
        let key = (it.kind, it.batch, it.what, it.cold);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    for (kind, batch, what, cold) in keys {
        let runs = results
            .replays
            .iter()
            .filter(|it| (it.kind, it.batch, it.what, it.cold) == (kind, batch, what, cold));
        let best = runs.min_by(|one, other| one.read.seconds.total_cmp(&other.read.seconds));
        if let Some(best) = best {
            replay(out, best)?;
        }
    }
    Ok(())
}

fn replay(out: &mut String, it: &Replayed) -> std::fmt::Result {
    let what = match it.what {
        What::Fill => "filled, many appends at a time",
        What::Verify => "every frame verified",
        What::All => "every event read",
        What::Rare => "filtered",
    };
    let heat = match (it.what, it.cold) {
        (What::Fill, _) => "",
        (_, true) => ", cold",
        (_, false) => ", warm",
    };
    let looked_at = if it.what == What::Rare { crate::load::RARE_EVERY } else { 1 };
    let rate = |count: u64| match count {
        0 => String::new(),
        count => format!("{:.0}", count as f64 / it.read.seconds),
    };
    writeln!(
        out,
        "| {} | {} | {what}{heat} | {} | {} | {} |",
        it.kind.label(),
        it.batch,
        rate(it.read.events * looked_at),
        rate(it.read.frames),
        rate(it.read.bytes / 1_000_000),
    )
}

fn restarts(out: &mut String, results: &Results) -> std::fmt::Result {
    if results.restarts.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n## Restart after `kill -9`\n\nOurs: 64 B payloads, 100 events an append; open, then the last event read \
         and one more appended durably. Peers: until the server takes connections, with an empty page cache.\n\n\
         | store | events | page cache | open s | first use s | memory MiB | most memory MiB | bytes an event on disk |\n\
         |---|---:|---|---:|---:|---:|---:|---:|"
    )?;
    for it in &results.restarts {
        let opened = &it.opened;
        let ours = it.kind == Kind::Ledgerline;
        let or_nothing = |figure: String| if ours { figure } else { String::new() };
        writeln!(
            out,
            "| {} | {} | {} | {:.3} | {} | {} | {} | {} |",
            it.kind.label(),
            opened.events,
            if it.cold { "cold" } else { "warm" },
            opened.open_s,
            or_nothing(format!("{:.3}", opened.first_use_s)),
            or_nothing(format!("{:.0}", opened.memory_bytes as f64 / 1_048_576.0)),
            or_nothing(format!("{:.0}", opened.peak_bytes as f64 / 1_048_576.0)),
            or_nothing(format!("{:.0}", opened.disk_bytes as f64 / opened.events as f64)),
        )?;
    }
    Ok(())
}
