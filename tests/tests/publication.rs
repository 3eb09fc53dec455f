//! Tables published for other engines: the files named together hold each row once, at one position.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arrow::array::AsArray as _;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type};
use datafusion::prelude::SessionContext;
use ledgerline_tests::{Server, csv, run, succeed};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

/// So many calls that some of their rows are in files: a commit comes every 50,000 events, with what was over 50,000
/// events before; a call is six events or eight.
const CALLS: u32 = 16_000;

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("folder"))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).to_string_lossy().into_owned()
    }

    /// Imports calls of these numbers: every third gives up, the others are answered at once.
    fn import(&self, data: &str, numbers: std::ops::Range<u32>) {
        let mut text = String::from("id;queued;left;answered;ended;how;agent;queue\n");
        for number in numbers.clone() {
            let at = 1_700_000_000 + u64::from(number) * 7;
            let (left, how) =
                (at + u64::from(number % 40), if number % 3 == 0 { "no" } else { "yes" });
            let (answered, ended) = match how {
                "yes" => (left.to_string(), (left + 60).to_string()),
                _ => (String::new(), String::new()),
            };
            let _ = writeln!(text, "{number};{at};{left};{answered};{ended};{how};ann;sales");
        }
        let file = self.text(&format!("calls-{}.csv", numbers.start));
        fs::write(&file, text).expect("written");
        let mapping = self.text("mapping.toml");
        fs::write(&mapping, MAPPING).expect("written");
        let _ = succeed(&["import", "call-records", "--mapping", &mapping, "--data", data, &file]);
    }

    fn publish(&self, data: &str, more: &[&str]) -> String {
        let to = self.text("lake");
        let list = ["tables", "publish", "--data", data, "--to", &to];
        succeed(&[&list[..], more].concat())
    }

    /// The newest publication.
    fn current(&self) -> Value {
        let found = files(&self.path("lake")).into_iter().find(|it| it.ends_with("current.json"));
        serde_json::from_slice(&fs::read(found.expect("a publication")).expect("read"))
            .expect("json")
    }

    /// What DataFusion counts by the published statements.
    fn count(&self, questions: &[String]) -> Vec<i64> {
        let found = files(&self.path("lake"));
        let statements = found.iter().find(|it| it.ends_with("current.datafusion.sql"));
        let statements = fs::read_to_string(statements.expect("statements")).expect("read");
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(async {
            let lake = SessionContext::new();
            for statement in statements.split(";\n").filter(|it| !it.trim().is_empty()) {
                lake.sql(statement).await.unwrap_or_else(|error| panic!("{statement}: {error}"));
            }
            let mut counts = Vec::new();
            for question in questions {
                let rows = lake.sql(question).await.expect(question).collect().await;
                let rows = rows.expect(question);
                counts.push(rows[0].column(0).as_primitive::<Int64Type>().value(0));
            }
            counts
        })
    }

    /// Values of a text column of a table, as the files of a publication have them.
    fn column(&self, publication: &Value, table: &str, column: &str) -> Vec<String> {
        let mut values = Vec::new();
        for file in publication["tables"][table]["files"].as_array().expect("files") {
            let object = file["object"].as_str().expect("a name");
            let bytes = fs::read(self.path("lake").join(object)).expect("an object");
            assert_eq!(file["bytes"], bytes.len());
            let reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes));
            let mut rows = 0;
            for batch in reader.expect("Parquet").build().expect("a reader") {
                let batch = batch.expect("rows");
                rows += batch.num_rows();
                let found = batch.column_by_name(column).expect("the column");
                let found = cast(found, &DataType::Utf8).expect("text");
                values
                    .extend(found.as_string::<i32>().iter().map(|it| it.unwrap_or("").to_owned()));
            }
            assert_eq!(file["rows"], rows);
        }
        values.sort_unstable();
        values
    }
}

const MAPPING: &str = r#"
name = "calls"
[file]
delimiter = ";"
key = ["id"]
[time]
format = "%s"
[wait]
start = "queued"
end = "left"
[service]
start = "answered"
end = "ended"
[outcome]
column = "how"
answered = ["yes"]
hung_up = ["no"]
[agent]
column = "agent"
[queues]
column = "queue"
unknown = "create"
"#;

/// Settings of a server that publishes.
const TABLES: &str = r#"
organizations = ["calls"]
[tables]
publish = "TO"
publish_every_s = 1
"#;

/// Every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn sql(data: &str, question: &str) -> Vec<Vec<String>> {
    csv(&succeed(&["sql", "--data", data, "--format", "csv", question])).split_off(1)
}

/// Each published table has the rows that SQL has, and those of one of them are the same ones.
fn check(place: &Place, data: &str) {
    let publication = place.current();
    let tables = publication["tables"].as_object().expect("tables");
    assert!(tables.len() > 20, "{}", tables.len());
    let counts: Vec<String> = tables
        .keys()
        .map(|name| format!("select '{name}' as name, count(*) as n from {name}"))
        .collect();
    let asked: BTreeMap<String, u64> = sql(data, &counts.join(" union all "))
        .into_iter()
        .map(|row| (row[0].clone(), row[1].parse().expect("a number")))
        .collect();
    for (name, table) in tables {
        let files = table["files"].as_array().expect("files");
        let rows: u64 = files.iter().filter_map(|file| file["rows"].as_u64()).sum();
        assert_eq!(Some(&rows), asked.get(name), "{name}");
    }
    let legs: Vec<String> =
        sql(data, "select leg_id from queue_leg order by 1").into_iter().flatten().collect();
    assert_eq!(place.column(&publication, "queue_leg", "leg_id"), legs);
    let waits = sql(data, "select sum(queue_duration_ms) from queue_leg").remove(0).remove(0);
    let published = place.column(&publication, "queue_leg", "queue_duration_ms");
    let sum: u64 = published.iter().map(|it| it.parse::<u64>().expect("a number")).sum();
    assert_eq!(sum.to_string(), waits);
    // Another engine finds the same by what is published for it.
    let mut questions: Vec<String> =
        asked.keys().map(|name| format!("select count(*) from {name}")).collect();
    questions.push("select sum(queue_duration_ms) from queue_leg".to_owned());
    let mut expected: Vec<i64> =
        asked.values().map(|rows| i64::try_from(*rows).expect("few")).collect();
    expected.push(waits.parse().expect("a number"));
    assert_eq!(place.count(&questions), expected, "{questions:?}");
}

#[test]
fn a_publication_holds_each_row_once_and_stores_only_what_is_new() {
    let place = Place::new();
    let data = place.text("data");
    place.import(&data, 0..CALLS);
    let said = place.publish(&data, &[]);
    assert!(said.contains("not among them: access_log, event_log"), "{said}");
    check(&place, &data);
    let first = place.current();
    let final_files = |publication: &Value| -> BTreeSet<String> {
        let tables = publication["tables"].as_object().expect("tables");
        let all = tables.values().flat_map(|table| table["files"].as_array().expect("files"));
        all.filter_map(|file| file["object"].as_str())
            .filter(|object| object.contains("/files/"))
            .map(str::to_owned)
            .collect()
    };
    assert!(!final_files(&first).is_empty(), "no file of final rows: the test shows nothing");

    // Questions were asked since, and nothing else: only open rows are stored again.
    let said = place.publish(&data, &[]);
    assert_eq!(final_files(&place.current()), final_files(&first), "{said}");

    // More history: files that are there stay, new ones come, and what no kept publication names goes.
    place.import(&data, CALLS..2 * CALLS);
    place.publish(&data, &[]);
    check(&place, &data);
    assert!(final_files(&place.current()).is_superset(&final_files(&first)));
    place.publish(&data, &[]);
    let there = files(&place.path("lake"));
    let positions = there.iter().filter(|it| it.to_string_lossy().contains("/positions/")).count();
    assert_eq!(positions, 2, "{there:?}");
    let mut named = BTreeSet::new();
    for path in there.iter().filter(|it| it.to_string_lossy().contains("/positions/")) {
        let publication: Value =
            serde_json::from_slice(&fs::read(path).expect("read")).expect("json");
        let tables = publication["tables"].as_object().expect("tables").clone();
        for file in tables.values().flat_map(|table| table["files"].as_array().expect("files")) {
            named.insert(place.path("lake").join(file["object"].as_str().expect("a name")));
        }
    }
    let parquet = |path: &&PathBuf| path.extension().is_some_and(|it| it == "parquet");
    assert_eq!(there.iter().filter(parquet).cloned().collect::<BTreeSet<_>>(), named);

    // Rows that a retention policy dropped are in no publication after that, those of a hold are.
    let policy = place.path("policy.toml");
    let text = "[[retention_policy]]\nname = \"Legs\"\ntable = \"queue_leg\"\nkeep_days = 30\n";
    fs::write(&policy, text).expect("written");
    let _ = succeed(&["config", "apply", &policy.to_string_lossy(), "--data", &data]);
    let hold =
        ["retention", "hold", "Case", "--reason", "a case", "--from", "2023-11-16T00:00:00Z"];
    let _ = succeed(&[&hold[..], &["--data", &data]].concat());
    let before = place.column(&place.current(), "queue_leg", "leg_id").len();
    let said = succeed(&["retention", "run", "--data", &data]);
    place.publish(&data, &[]);
    check(&place, &data);
    let after = place.column(&place.current(), "queue_leg", "leg_id").len();
    assert!(0 < after && after < before, "{after} of {before}: {said}");
    let without = final_files(&place.current());
    assert!(without.iter().any(|object| object.contains("-without-")), "{without:?}");

    // A history that is not as far is another one, or an old copy: it takes nobody's place.
    let other = place.text("other");
    place.import(&other, 0..3);
    let to = place.text("lake");
    let refused = run(&["tables", "publish", "--data", &other, "--to", &to]);
    assert_eq!(refused.code, 65, "{refused:?}");
    assert!(refused.err.contains("another history"), "{refused:?}");
    check(&place, &data);

    let refused = run(&["tables", "publish", "--data", &data, "--to", &to, "--table", "nothing"]);
    assert_eq!(refused.code, 65, "{refused:?}");
    assert!(refused.err.contains("there is no table nothing"), "{refused:?}");
}

#[test]
fn what_is_encrypted_is_published_in_clear_only_on_demand() {
    let place = Place::new();
    let data = place.text("data");
    let settings = place.path("ledgerline.toml");
    fs::write(&settings, "organizations = [\"calls\"]\n[encryption]\nat_rest = true\n")
        .expect("written");
    assert_eq!(Server::start(Path::new(&data), Some(&settings)).stop(), 0);
    let to = place.text("lake");
    // First with rows in memory only, then with files.
    for calls in [0..3, 3..CALLS] {
        place.import(&data, calls);
        let refused = run(&["tables", "publish", "--data", &data, "--to", &to]);
        assert_eq!(refused.code, 65, "{refused:?}");
        assert!(refused.err.contains("--in-clear"), "{refused:?}");
        assert!(!files(&place.path("lake")).iter().any(|it| it.ends_with("current.json")));
    }
    place.publish(&data, &["--in-clear"]);
    check(&place, &data);
}

#[test]
fn a_server_publishes_by_itself() {
    let place = Place::new();
    let data = place.text("data");
    place.import(&data, 0..30);
    let settings = place.path("ledgerline.toml");
    let to = place.text("lake");
    fs::write(&settings, TABLES.replace("TO", &to)).expect("written");
    let server = Server::start(Path::new(&data), Some(&settings));
    let began = Instant::now();
    let is_there = || files(&place.path("lake")).iter().any(|it| it.ends_with("current.json"));
    // The first one may be of tables that are still being built.
    while !is_there() || place.column(&place.current(), "queue_leg", "leg_id").len() < 30 {
        assert!(began.elapsed() < Duration::from_secs(60), "nothing was published");
        std::thread::yield_now();
    }
    assert_eq!(server.stop(), 0);
    assert_eq!(place.column(&place.current(), "queue_leg", "leg_id").len(), 30);
    assert_eq!(sql(&data, "select count(*) from queue_leg"), [["30"]]);
}
