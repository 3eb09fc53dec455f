//! Mappings of one's own, and what is said about bad ones.

use ledgerline_ingest::import::{ImportError, Mapping};
use ledgerline_schemas::event::Event;

use crate::support::Bench;

const OWN: &str = r#"
name = "bakery"
timezone = "Europe/Berlin"

[file]
delimiter = ";"
quote = "\""
key = ["id"]

[time]
format = "%d.%m.%Y %H:%M:%S"
absent = ["-"]
unit = "ms"

[wait]
start = "queued"
end = "dequeued"

[service]
duration = "talk"

[outcome]
column = "result"
answered = ["ok", "ok late"]
hung_up = ["gone"]

[agent]
column = "who"
unnamed = ["-"]

[queues]
column = "line"
unknown = "create"

[[queue]]
value = "1"
name = "Orders"
"#;

fn own(change: &str, to: &str) -> String {
    assert!(OWN.contains(change), "{change}");
    OWN.replacen(change, to, 1)
}

#[tokio::test]
async fn a_mapping_without_flow_dates_and_recorded_waits() {
    let bench = Bench::new(Mapping::from_toml(OWN).expect("valid"));
    let text = "id;queued;dequeued;talk;result;who;line;note\n\
        a;01.07.2024 12:00:00;01.07.2024 12:00:07;61500;ok late;Zebulon;1;\"quoted; and\nbroken\"\n\
        b;01.07.2024 12:00:01;01.07.2024 12:01:01;;gone;-;7;\n\
        c;never;-;;gone;;7;\n";
    let report = bench.import(text).await;
    assert_eq!(report.interactions, 2);
    let refused: Vec<(u64, &str)> =
        report.rejected.iter().map(|row| (row.line, &*row.reason)).collect();
    assert_eq!(refused, [(5, "column queued is not a time of the form %d.%m.%Y %H:%M:%S")]);
    assert_eq!(
        bench.story(),
        [
            // The story adds two hours to UTC: Berlin's summer time.
            "01 12:00:00 interaction.created",
            "01 12:00:00 queue.entered credit 0 ms",
            "01 12:00:07 queue.left assigned after 7000 ms",
            "01 12:00:07 leg.connected",
            "01 12:01:08 leg.disconnected after 61500 ms",
            "01 12:01:08 interaction.ended connected unknown",
            "01 12:00:01 interaction.created",
            "01 12:00:01 interaction.attributes_set unlisted_queue",
            "01 12:00:01 queue.entered credit 0 ms",
            "01 12:01:01 queue.left abandoned after 60000 ms",
            "01 12:01:01 interaction.ended queue customer_left",
        ]
    );
    assert_eq!(queue_names(&bench), ["Orders", "7"]);
}

fn queue_names(bench: &Bench) -> Vec<String> {
    bench
        .recorded()
        .iter()
        .filter(|it| &*it.header.event_type == "config.queue.created")
        .filter_map(|it| match it.decode() {
            Ok(Event::Config(change)) => change.after,
            _ => None,
        })
        .map(|it| it.parse::<ledgerline_schemas::config::Queue>().expect("a queue").name)
        .collect()
}

#[tokio::test]
async fn a_file_without_header_has_its_columns_in_the_mapping() {
    let toml = own(
        "key = [\"id\"]",
        "key = [\"id\"]\nheader = false\ncolumns = [\"id\", \"queued\", \"dequeued\", \"talk\", \
         \"result\", \"who\", \"line\"]",
    );
    let bench = Bench::new(Mapping::from_toml(&toml).expect("valid"));
    let report = bench.import("a;01.07.2024 12:00:00;01.07.2024 12:00:07;5;ok;Zebulon;1\n").await;
    assert_eq!((report.rows, report.interactions), (1, 1));
}

#[tokio::test]
async fn a_missing_column_is_named_with_the_key_that_wants_it() {
    let bench = Bench::new(Mapping::from_toml(OWN).expect("valid"));
    let error = bench.try_import("id;queued;dequeued;talk;result;who\n").await;
    let message = error.expect_err("no column line").to_string();
    assert_eq!(
        message,
        "calls.txt has no column \"line\", which queues.column of the mapping names"
    );
    let error = bench.try_import("").await;
    assert!(matches!(error, Err(ImportError::NoHeader { .. })), "{error:?}");
    assert!(bench.recorded().is_empty(), "nothing is appended for a file that cannot be read");
}

#[test]
fn a_bad_mapping_is_refused_with_the_key_that_is_bad() {
    for (change, to, named) in [
        ("delimiter =", "delimeter =", "delimeter"),
        ("delimiter = \";\"", "delimiter = \";;\"", "file.delimiter"),
        ("quote = \"\\\"\"", "quote = \";\"", "file.quote"),
        ("key = [\"id\"]", "key = []", "file.key"),
        ("key = [\"id\"]", "", "key"),
        ("key = [\"id\"]", "key = [\"id\"]\nheader = false", "file.columns"),
        ("name = \"bakery\"", "name = \"Bakery 1\"", "name"),
        ("Europe/Berlin", "Europe/Berlino", "timezone"),
        ("%d.%m.%Y %H:%M:%S", "%d.%m.%Y %Q", "time.format"),
        ("%d.%m.%Y %H:%M:%S", "today", "time.format"),
        ("unit = \"ms\"", "unit = \"min\"", "unit"),
        ("unit = \"ms\"", "date_column = \"day\"", "time.date_format"),
        ("unit = \"ms\"", "date_format = \"%Y\"", "time.date_column"),
        ("start = \"queued\"\nend = \"dequeued\"", "start = \"queued\"", "wait.duration"),
        ("start = \"queued\"", "", "wait.start"),
        ("duration = \"talk\"", "", "service.duration"),
        ("hung_up = [\"gone\"]", "hung_up = [\"ok\"]", "outcome.answered"),
        ("unknown = \"create\"", "unknown = \"guess\"", "unknown"),
        ("name = \"Orders\"", "name = \" \"", "queue.name"),
        (
            "name = \"Orders\"",
            "wait_credits = [{ priority = 11, credit_ms = 1 }]",
            "queue.wait_credits",
        ),
        ("name = \"Orders\"", "[[queue]]\nvalue = \"1\"", "queue.value"),
        ("[queues]", "[priority]\ncolumn = \"p\"\nvalues = { a = 0 }\n[queues]", "priority.values"),
    ] {
        let error = Mapping::from_toml(&own(change, to)).expect_err(to).to_string();
        assert!(error.contains(named), "{to:?}: {error}");
    }
    let error = Mapping::named("anonymous").expect_err("not built in").to_string();
    assert!(error.contains("\"anonymous\"") && error.contains("anonymous-bank"), "{error}");
}

#[test]
fn every_built_in_mapping_is_valid_and_has_its_own_name() {
    let names: Vec<&str> = Mapping::built_in().collect();
    assert!(names.contains(&"anonymous-bank"));
    for name in names {
        assert_eq!(Mapping::named(name).expect("valid").name(), name);
    }
}

#[test]
fn the_mapping_in_the_guide_is_valid() {
    let guide = include_str!("../../../docs/importing.md");
    let (_, rest) = guide.split_once("```toml\n").expect("a mapping");
    let (toml, _) = rest.split_once("```").expect("its end");
    assert_eq!(Mapping::from_toml(toml).expect("valid").name(), "bakery");
}
