//! Reports over a morning whose figures are worked out by hand (the table is in `metrics.rs`).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

mod morning;
mod support;

use std::io::Cursor;

use axum::body::Body;
use axum::http::{Request as HttpRequest, StatusCode};
use calamine::{Data, Reader as _, Xlsx};
use http_body_util::BodyExt as _;
use ledgerline_analyzer_api::report::metric::METRICS;
use ledgerline_analyzer_api::report::output::Output;
use ledgerline_analyzer_api::report::sheet::Cell;
use ledgerline_analyzer_api::report::{
    Period, ReportDefinition, ReportError, Request, Sheet, plot, run, stock, xlsx,
};
use ledgerline_analyzer_api::{Door, Limits, router};
use morning::Morning;
use serde_json::{Value, json};
use support::{World, world_over};
use tower::ServiceExt as _;

async fn world() -> (World, Morning) {
    let morning = Morning::new().await;
    let dir = tempfile::tempdir().unwrap();
    (world_over(Limits::default(), dir, morning.snapshot()), morning)
}

fn morning_of(from: &str, to: &str, zone: &str) -> Period {
    Period::between(from, to, zone.parse().unwrap()).unwrap()
}

fn day() -> Period {
    morning_of("2024-03-01", "2024-03-02", "UTC")
}

async fn sheet_of(world: &World, definition: ReportDefinition, period: Period) -> Sheet {
    let name = definition.name.clone();
    sheet(world, definition, Some(period)).await.unwrap_or_else(|error| panic!("{name}: {error}"))
}

async fn sheet(
    world: &World,
    definition: ReportDefinition,
    period: Option<Period>,
) -> Result<Sheet, ReportError> {
    let request = Request {
        principal: support::principal("acme-auditor").unwrap(),
        door: Door::Http,
        definition,
        period,
        as_of: None,
        deadline: None,
    };
    run(&world.state, request).await
}

fn stock(name: &str) -> ReportDefinition {
    stock::all().iter().find(|it| it.name == name).unwrap_or_else(|| panic!("{name}")).clone()
}

fn report(document: Value) -> ReportDefinition {
    serde_json::from_value(document).unwrap()
}

fn shown(cell: &Cell) -> String {
    match cell {
        Cell::Empty => "-".to_owned(),
        Cell::Number(number) => format!("{}", (number * 100.0).round() / 100.0),
        Cell::Time(micros) => {
            let time = chrono::DateTime::from_timestamp_micros(*micros).unwrap();
            time.format("%d %H:%M").to_string()
        }
        Cell::Text(text) => text.clone(),
    }
}

/// The rows, a line each, the totals last.
fn lines(sheet: &Sheet) -> Vec<String> {
    let columns: Vec<Vec<Cell>> =
        (0..sheet.columns.len()).map(|at| sheet.column(at).unwrap()).collect();
    let mut lines: Vec<String> = (0..sheet.rows())
        .map(|row| columns.iter().map(|it| shown(&it[row])).collect::<Vec<_>>().join(" "))
        .collect();
    if let Some(totals) = sheet.total_cells().unwrap() {
        lines.push(totals.iter().map(shown).collect::<Vec<_>>().join(" "));
    }
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_overview_and_its_totals() {
    let (world, _morning) = world().await;
    let sheet = sheet_of(&world, stock("Contact center overview"), day()).await;
    let names: Vec<&str> = sheet.columns.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "queue",
            "offered",
            "answered",
            "abandoned",
            "other",
            "service_level",
            "abandon_rate",
            "asa",
            "aht",
            "longest_wait"
        ]
    );
    // Sales: legs 1 to 7. Answered 1, 2, 3 with waits of 0, 15 and 100 s; conversations of 100, 60 and 3 s and
    // wrap-ups of 20, 10 and 10 s. Care: leg 8, which waits.
    assert_eq!(
        lines(&sheet),
        [
            "care 1 0 0 0 - - - - -",
            "sales 7 3 2 2 40 28.57 38333.33 67666.67 120000",
            "8 3 2 2 40 28.57 38333.33 67666.67 120000",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn intervals_without_rows_are_there_and_follow_the_clocks_of_the_zone() {
    let (world, _morning) = world().await;
    let period = morning_of("2024-03-01T13:30", "2024-03-01T15:30", "Asia/Kolkata");
    // India is five and a half hours ahead: nine o'clock is half past two there.
    let sheet = sheet_of(&world, stock("Queue volume by half-hour"), period).await;
    assert_eq!(
        lines(&sheet),
        [
            "01 08:00 01 13:30 0 0 0 0",
            "01 08:30 01 14:00 0 0 0 0",
            "01 09:00 01 14:30 8 3 2 2",
            "01 09:30 01 15:00 0 0 0 0",
            "8 3 2 2",
        ]
    );
    let by_queue = report(json!({
        "name": "x", "record_type": "queue_leg", "time_field": "entered_time", "interval": "1 hour",
        "fill_gaps": true, "segments": [{"field": "queue_name", "name": "queue"}],
        "measures": [{"name": "n", "aggregation": "count"}, {"name": "asa", "metric": "asa"}],
    }));
    let sheet =
        sheet_of(&world, by_queue, morning_of("2024-03-01T08:00", "2024-03-01T10:00", "UTC")).await;
    assert_eq!(
        lines(&sheet),
        [
            "01 08:00 01 08:00 care 0 -",
            "01 08:00 01 08:00 sales 0 -",
            "01 09:00 01 09:00 care 1 -",
            "01 09:00 01 09:00 sales 7 38333.33",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn metrics_by_name_give_what_was_worked_out_by_hand() {
    let (world, _morning) = world().await;
    for metric in METRICS {
        let definition = report(json!({
            "name": metric.name, "record_type": metric.record_type,
            "measures": [{"name": "x", "metric": metric.name}],
            "where": if metric.record_type == "agent_interval" {
                json!([{"field": "channel_type", "op": "is_null"}])
            } else {
                json!([])
            },
        }));
        let sheet = sheet(&world, definition, None).await.unwrap();
        let expected = match metric.name {
            "sl.of_answered" => "66.67",
            "sl.negative" | "sl.genesys" => "40",
            "sl.ignore" | "sl.aws" => "50",
            "sl.positive" => "60",
            "abandon_rate" => "28.57",
            "asa" => "38333.33",
            "asa_queued" => "57500",
            // 8 s and 100 s.
            "average_abandon_time" => "54000",
            "longest_wait" => "120000",
            "aht" => "67666.67",
            // 100 s less 10 on hold, 60, 3.
            "talk_time" => "153000",
            "sudden_disconnect" | "requeued_after_rona" | "rona" => "1",
            "rona_incl_abandon" => "2",
            "handled_contacts" => "3",
            other => {
                // The others are in metrics.rs, by the same formula: here that they are computed at all.
                assert_eq!(sheet.rows(), 1, "{other}");
                continue;
            }
        };
        assert_eq!(lines(&sheet), [expected], "{}", metric.name);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_stock_report_runs_and_goes_out_in_every_form() {
    let (world, _morning) = world().await;
    let mut drawn = 0;
    for definition in stock::all() {
        let sheet = sheet_of(&world, definition.clone(), day()).await;
        for name in ["json", "ndjson", "csv", "arrow", "parquet", "xlsx"] {
            let bytes = Output::from_name(name).unwrap().of(&sheet).unwrap();
            assert!(!bytes.is_empty() || sheet.rows() == 0, "{} {name}", definition.name);
        }
        if definition.plot.is_some() && sheet.rows() > 0 {
            drawn += 1;
            let svg =
                plot::svg(&sheet).unwrap_or_else(|error| panic!("{}: {error}", definition.name));
            assert!(svg.contains(&definition.name), "{svg}");
        }
    }
    assert!(drawn >= 12, "{drawn}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spreadsheet_holds_the_figures_as_numbers() {
    let (world, _morning) = world().await;
    let sheet = sheet_of(&world, stock("Contact center overview"), day()).await;
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(xlsx::file(&sheet).unwrap())).unwrap();
    assert_eq!(book.sheet_names(), ["Report", "About"]);
    let page = book.worksheet_range("Report").unwrap();
    let cell = |row, column| page.get_value((row, column)).unwrap().clone();
    assert_eq!(page.get_size(), (4, 10));
    assert_eq!(cell(0, 5), Data::String("service_level (%)".to_owned()));
    assert_eq!(cell(2, 0), Data::String("sales".to_owned()));
    assert_eq!(cell(2, 1), Data::Float(7.0));
    // A wait of 120 s is a part of a day.
    let Data::DateTime(wait) = cell(2, 9) else { panic!("{:?}", cell(2, 9)) };
    assert!((wait.as_f64() * 86_400.0 - 120.0).abs() < 1e-6);
    assert_eq!(cell(3, 0), Data::String("Total".to_owned()));
    assert_eq!(cell(3, 1), Data::Float(8.0));
    let about = book.worksheet_range("About").unwrap();
    assert_eq!(about.get_value((2, 1)).unwrap(), &Data::String("2024-03-01T00:00:00Z".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn drawings_show_what_the_rows_say() {
    let (world, _morning) = world().await;
    let sheet = sheet_of(&world, stock("Contact center overview"), day()).await;
    let plot = plot::Plot::of(&sheet).unwrap();
    assert_eq!(plot.categories, ["care", "sales"]);
    let series: Vec<_> =
        plot.series.iter().map(|it| (it.name.as_str(), it.values.clone())).collect();
    assert_eq!(
        series,
        [
            ("answered", vec![Some(0.0), Some(3.0)]),
            ("abandoned", vec![Some(0.0), Some(2.0)]),
            ("other", vec![Some(0.0), Some(2.0)]),
        ]
    );
    let png = plot::png(&sheet).unwrap();
    let mut reader = png::Decoder::new(Cursor::new(&png)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height), (plot::WIDTH, plot::HEIGHT));
    // The first colour is that of the answered legs: three of seven parts of a bar.
    let blue = pixels.chunks(3).filter(|it| **it == [0, 114, 178]).count();
    let orange = pixels.chunks(3).filter(|it| **it == [230, 159, 0]).count();
    assert!(
        blue > 10_000 && (1.3..1.7).contains(&(blue as f64 / orange as f64)),
        "{blue} {orange}"
    );

    let empty = sheet_of(
        &world,
        stock("Contact center overview"),
        morning_of("2020-01-01", "2020-01-02", "UTC"),
    )
    .await;
    let error = plot::svg(&empty).unwrap_err().to_string();
    assert_eq!(error, "there is nothing to draw: the report has no rows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mistake_in_a_definition_is_named() {
    let (world, _morning) = world().await;
    let base = json!({"name": "x", "record_type": "queue_leg", "measures": [{"name": "n", "aggregation": "count"}]});
    let with = |changes: Value| {
        let mut document = base.clone();
        document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        report(document)
    };
    for (changes, expected) in [
        (json!({"name": " "}), "name: must have 1 to 120 characters"),
        (json!({"sql": "select 1"}), "sql: must be left out beside record_type"),
        (json!({"measures": []}), "measures: a report needs a segment or a measure"),
        (json!({"interval": "1 day"}), "time_field: is missing"),
        (
            json!({"interval": "1 fortnight", "time_field": "entered_time"}),
            "interval: is '1 fortnight'",
        ),
        (json!({"fill_gaps": true}), "fill_gaps: needs an interval"),
        (json!({"limit": 0}), "limit: must be 1 to 1000000"),
        (
            json!({"segments": [{"field": "queue_name", "name": "n"}]}),
            "measures[0].name: 'n' is there already",
        ),
        (
            json!({"measures": [{"name": "n"}]}),
            "measures[0]: needs one of aggregation, metric and sql",
        ),
        (
            json!({"measures": [{"name": "n", "aggregation": "sum"}]}),
            "measures[0].field: is missing",
        ),
        (
            json!({"measures": [{"name": "n", "metric": "sl"}]}),
            "measures[0].metric: there is no metric 'sl'",
        ),
        (
            json!({"measures": [{"name": "n", "metric": "rona"}]}),
            "measures[0].metric: rona is over offer",
        ),
        (
            json!({"measures": [{"name": "n", "aggregation": "percentile", "field": "x", "percentile": 100}]}),
            "measures[0].percentile: must be between 0 and 100",
        ),
        (
            json!({"measures": [{"name": "n", "sql": "count(*) from queue_leg --"}]}),
            "measures[0].sql: is an expression and then 'from'",
        ),
        (
            json!({"measures": [{"name": "n", "sql": "count(*); select 1"}]}),
            "measures[0].sql: is an expression and then ';'",
        ),
        (json!({"order_by": [{"column": "m"}]}), "order_by[0].column: 'm' is no column"),
        (json!({"plot": {"measures": ["m"]}}), "plot.measures[0]: there is no measure 'm'"),
        (
            json!({"where": [{"field": "outcome", "op": "in", "value": "a"}]}),
            "where[0].value: must be a list",
        ),
    ] {
        let error = sheet(&world, with(changes), Some(day())).await.unwrap_err();
        assert!(matches!(error, ReportError::Definition { .. }), "{error:?}");
        assert!(error.to_string().starts_with(expected), "{error}, not {expected}");
    }
    // What only the planner can know comes from it.
    let unknown = with(json!({"segments": [{"field": "colour"}]}));
    let error = sheet(&world, unknown, Some(day())).await.unwrap_err().to_string();
    assert!(error.contains("colour"), "{error}");
    let missing = with(json!({"time_field": "entered_time"}));
    let error = sheet(&world, missing, None).await.unwrap_err();
    assert_eq!(error.to_string(), "the report needs a period");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_values_cannot_become_sql() {
    let (world, _morning) = world().await;
    let hostile = "sales' or 1 = 1 --";
    let definition = report(json!({
        "name": "x", "record_type": "queue_leg",
        "segments": [{"field": "queue_name", "name": "q\" from queue_leg; --"}],
        "measures": [{"name": "n\"", "aggregation": "count"}],
        "where": [{"field": "queue_name", "op": "eq", "value": hostile}],
    }));
    assert_eq!(sheet_of(&world, definition.clone(), day()).await.rows(), 0);
    let mut all = definition;
    all.conditions.clear();
    assert_eq!(lines(&sheet_of(&world, all, day()).await), ["care 1", "sales 7"]);
    for table in
        ["queue_leg\" union select 1 --", "pg_catalog.pg_class", "queue_leg, customer_session"]
    {
        let definition = report(json!({
            "name": "x", "record_type": table, "measures": [{"name": "n", "aggregation": "count"}],
        }));
        assert!(sheet(&world, definition, None).await.is_err(), "{table}");
    }
}

async fn call(
    world: &World,
    token: &str,
    method: &str,
    path: &str,
    body: Value,
) -> (StatusCode, Vec<u8>, String) {
    let request = HttpRequest::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let response = router(world.state.clone()).oneshot(request).await.unwrap();
    let named =
        response.headers().get("content-disposition").map(|it| it.to_str().unwrap().to_owned());
    let status = response.status();
    let bytes = response.into_body().collect().await.unwrap().to_bytes().to_vec();
    (status, bytes, named.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http() {
    let (world, _morning) = world().await;
    let (status, bytes, _) = call(&world, "acme-analyst", "GET", "/v1/reports", Value::Null).await;
    let list: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(
        (status, list["reports"].as_array().unwrap().len()),
        (StatusCode::OK, stock::all().len())
    );
    let path = "/v1/reports/queue-service-level";
    let (_, bytes, _) = call(&world, "acme-analyst", "GET", path, Value::Null).await;
    assert_eq!(
        serde_json::from_slice::<ReportDefinition>(&bytes).unwrap(),
        stock("Queue service level")
    );

    let wanted = json!({"report": "contact-center-overview", "from": "2024-03-01", "to": "2024-03-02", "timezone": "Europe/Brussels"});
    let (status, bytes, named) =
        call(&world, "acme-analyst", "POST", "/v1/reports/run", wanted.clone()).await;
    let answer: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(status, StatusCode::OK);
    assert_eq!(named, "attachment; filename=\"contact-center-overview-2024-03-01.json\"");
    assert_eq!(answer["rows"][1]["offered"], 7);
    assert_eq!(answer["totals"][0]["offered"], 8);
    assert_eq!(
        answer["columns"][5],
        json!({"name": "service_level", "role": "measure", "unit": "percent"})
    );
    assert_eq!(answer["from"], "2024-03-01T00:00:00+01:00");
    let mut csv = wanted.clone();
    csv["format"] = json!("csv");
    let (_, bytes, _) = call(&world, "acme-analyst", "POST", "/v1/reports/run", csv).await;
    assert!(String::from_utf8(bytes).unwrap().starts_with("queue,offered,answered"));

    for (token, body, expected) in [
        ("acme-analyst", json!({"report": "none"}), (404, "unknown_report")),
        ("acme-analyst", json!({"report": "channels"}), (400, "invalid_period")),
        (
            "acme-analyst",
            json!({"report": "channels", "from": "2024-03-01"}),
            (400, "invalid_period"),
        ),
        ("acme-analyst", json!({"report": "channels", "period": "never"}), (400, "invalid_period")),
        (
            "acme-analyst",
            json!({"report": "channels", "timezone": "Mars"}),
            (400, "invalid_period"),
        ),
        ("acme-analyst", json!({"report": "channels", "format": "pdf"}), (400, "unknown_format")),
        ("acme-analyst", json!({"definition": {"name": "x"}}), (422, "invalid_report")),
        ("acme-analyst", json!({}), (400, "invalid_report")),
        ("acme-agent", json!({"report": "channels"}), (403, "not_allowed")),
        // For those who may read it only.
        ("acme-analyst", json!({"report": "who-asked", "period": "today"}), (400, "unknown_table")),
    ] {
        let (status, bytes, _) = call(&world, token, "POST", "/v1/reports/run", body.clone()).await;
        let problem: Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!((status.as_u16(), problem["code"].as_str().unwrap()), expected, "{body}");
    }
}
