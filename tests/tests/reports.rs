//! Reports that are due, through a serving process: delivered as a file, to a webhook and by mail, each from the same
//! position; with the rights of a user; again after failures and kill -9; and by the clock.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on should stop where it is"
)]

mod center;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use center::{Center, leave};
use ledgerline_tests::{Server, run, succeed};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

const PERSON: &str = "somebody.private@example.org";
/// Longest wait for something that has to come, a full minute of the clock among them.
const PATIENCE: Duration = Duration::from_secs(150);

const ENTITIES: &str = r#"
[[user_profile]]
name = "Chats only"
sites = "all"
teams = "all"
queues = ["Chats"]
entry_points = "all"
[[user_profile]]
name = "Configuration only"
sites = "all"
teams = "all"
queues = "all"
entry_points = "all"
modules = ["configuration"]
[[user]]
name = "olga"
user_profile = "Chats only"
[[report_definition]]
name = "Legs by queue"
record_type = "queue_leg"
segments = [{ field = "queue_name" }]
measures = [{ name = "legs", aggregation = "count" }]
"#;

/// Takes webhooks and mails.
#[derive(Clone, Default)]
struct Receivers {
    /// What webhooks are answered with.
    status: Arc<AtomicU16>,
    webhooks: Arc<Mutex<Vec<(String, Bytes)>>>,
    mails: Arc<Mutex<Vec<String>>>,
}

async fn take(State(to): State<Receivers>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let id = headers["webhook-id"].to_str().expect("text").to_owned();
    assert!(headers["webhook-signature"].to_str().expect("text").starts_with("v1,"));
    to.webhooks.lock().expect("lock").push((id, body));
    StatusCode::from_u16(to.status.load(Ordering::SeqCst)).expect("a status")
}

/// Speaks enough SMTP to take a mail.
async fn relay(stream: TcpStream, mails: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut wire = BufReader::new(stream);
    wire.write_all(b"220 here\r\n").await.ok()?;
    loop {
        let mut line = String::new();
        if wire.read_line(&mut line).await.ok()? == 0 {
            return None;
        }
        if line.trim_end() == "DATA" {
            wire.write_all(b"354 go\r\n").await.ok()?;
            let mut mail = String::new();
            while !mail.ends_with("\r\n.\r\n") {
                if wire.read_line(&mut mail).await.ok()? == 0 {
                    return None;
                }
            }
            mails.lock().expect("lock").push(mail);
        }
        wire.write_all(b"250 yes\r\n").await.ok()?;
    }
}

impl Receivers {
    /// Ports of webhook and relay.
    async fn start(&self) -> (u16, u16) {
        self.status.store(200, Ordering::SeqCst);
        let http = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let smtp = TcpListener::bind("127.0.0.1:0").await.expect("port");
        let ports = [&http, &smtp].map(|it| it.local_addr().expect("bound").port());
        let router = Router::new().route("/hook", post(take)).with_state(self.clone());
        tokio::spawn(async move { axum::serve(http, router).await });
        let mails = Arc::clone(&self.mails);
        tokio::spawn(async move {
            while let Ok((stream, _)) = smtp.accept().await {
                tokio::spawn(relay(stream, Arc::clone(&mails)));
            }
        });
        (ports[0], ports[1])
    }

    fn webhooks(&self) -> Vec<(String, Bytes)> {
        self.webhooks.lock().expect("lock").clone()
    }
}

struct Setting {
    center: Center,
    receivers: Receivers,
    config: PathBuf,
    files: PathBuf,
    hook: u16,
}

impl Setting {
    async fn start(folder: &Path) -> Self {
        let receivers = Receivers::default();
        let (hook, relay) = receivers.start().await;
        let files = folder.join("reports");
        std::fs::create_dir(&files).expect("folder");
        let secret = folder.join("secret");
        let key = STANDARD.encode([7; 32]);
        std::fs::write(&secret, format!("whsec_{key}\n")).expect("written");
        let config = folder.join("ledgerline.toml");
        let text = format!(
            "[reports]\nfolder = '{}'\nretry_first_s = 1\n\
             [reports.secrets.hook]\nfile = '{}'\n\
             [reports.webhooks]\nprivate_hosts = ['127.0.0.1:{hook}']\n\
             [reports.mail]\nhost = 'localhost'\nport = {relay}\nsecurity = 'none'\n\
             from = 'reports@example.net'\nrecipients = {{ ops = '{PERSON}' }}\n",
            files.display(),
            secret.display()
        );
        std::fs::write(&config, text).expect("written");
        let center = Center::start(folder, Some(&config)).await;
        let setting = Self { center, receivers, config, files, hook };
        setting.apply(ENTITIES);
        setting
    }

    fn apply(&self, entities: &str) {
        let file = self.files.with_file_name("more.toml");
        std::fs::write(&file, entities).expect("written");
        let said = self.cli(&["config", "apply", &file.to_string_lossy()]);
        assert!(said.contains("0 failed"), "{said}");
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let url = self.center.server.url();
        let more = ["--server", &url, "--token", &self.center.token];
        succeed(&[arguments, &more].concat())
    }

    /// Rows of an organization's log, by SQL.
    async fn sql(&self, sql: &str) -> Vec<Value> {
        let (status, answer) =
            self.center.post(&self.center.token, "/v1/sql", json!({"sql": sql})).await;
        assert_eq!(status, 200, "{sql}: {answer}");
        answer["rows"].as_array().expect("rows").clone()
    }

    /// Payloads of events of a type, in order.
    async fn told(&self, event_type: &str) -> Vec<Value> {
        let sql = format!(
            "select data from event_log where event_type = '{event_type}' order by position"
        );
        let data = |row: &Value| match &row["data"] {
            Value::String(text) => serde_json::from_str(text).expect("json"),
            data => data.clone(),
        };
        self.sql(&sql).await.iter().map(data).collect()
    }

    async fn outcomes(&self, channel: &str) -> Vec<String> {
        let told = self.told("access.report_delivered").await;
        let ours = told.iter().filter(|it| it["channel"] == channel);
        ours.map(|it| it["outcome"].as_str().unwrap_or_default().to_owned()).collect()
    }

    fn files(&self, folder: &str) -> Vec<(String, Vec<u8>)> {
        let Ok(entries) = std::fs::read_dir(self.files.join(folder)) else { return Vec::new() };
        let mut files: Vec<_> = entries
            .map(|entry| {
                let path = entry.expect("entry").path();
                let name = path.file_name().expect("a name").to_string_lossy().into_owned();
                (name, std::fs::read(&path).expect("content"))
            })
            .collect();
        files.sort();
        files
    }

    fn schedule(&self, name: &str, more: &str) -> String {
        format!(
            "[[report_schedule]]\nname = '{name}'\nreport = 'Legs by queue'\nformat = 'csv'\n\
             when.monthly = {{ day = 1, at = '00:00' }}\n{more}\n"
        )
    }

    fn everywhere(&self) -> String {
        format!(
            "deliver = [{{ file = {{ folder = 'all' }} }}, {{ mail = {{ to = ['ops'] }} }}, \
             {{ webhook = {{ url = 'http://127.0.0.1:{}/hook', secret = 'hook' }} }}]",
            self.hook
        )
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_goes_to_every_place_from_one_position_and_as_the_user_may_see() {
    let folder = tempfile::tempdir().expect("folder");
    let setting = Setting::start(folder.path()).await;
    setting.center.call_until("4711", "call-1", 1).await;
    let (_, socket) = setting.center.chat("Anna", &["hello".to_owned()]).await;
    leave(socket).await;
    setting.center.until("queue.entered", 2).await;
    setting.apply(&setting.schedule("Whole", &setting.everywhere()));
    setting.apply(&setting.schedule(
        "Part",
        "as_user = 'olga'\ndeliver = [{ file = { folder = 'part', name = 'part.{ext}' } }]",
    ));

    let said = setting.cli(&["report", "deliver", "Whole"]);
    assert!(said.contains("is delivered") && said.contains("mail ops: done"), "{said}");
    let files = setting.files("all");
    let [(name, content)] = files.as_slice() else { panic!("{files:?}") };
    assert!(name.starts_with("whole-") && name.ends_with("+0000.csv"), "{name}");
    let text = String::from_utf8_lossy(content);
    assert!(text.contains("Calls,1") && text.contains("Chats,1"), "{text}");
    // The same bytes everywhere.
    let webhooks = setting.receivers.webhooks();
    assert_eq!(webhooks.len(), 1);
    assert_eq!(&webhooks[0].1[..], content);
    let mails = setting.receivers.mails.lock().expect("lock").clone();
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(mail.contains(&format!("To: <{PERSON}>")), "{mail}");
    assert!(mail.contains(&STANDARD.encode(content)), "{mail}");
    let [run] =
        &setting.sql("select * from access_log where event_type = 'access.report_run'").await[..]
    else {
        panic!("not one run")
    };
    assert_eq!((&run["outcome"], &run["rows"]), (&json!("done"), &json!(2)));
    // What its questions were is on record, under the schedule's name.
    let who = format!(
        "select * from access_log where principal = '{}' and door = 'schedule'",
        run["principal"].as_str().expect("text")
    );
    assert!(setting.sql(&who).await.len() >= 2);

    setting.cli(&["report", "deliver", "Part"]);
    let files = setting.files("part");
    let [(_, content)] = files.as_slice() else { panic!("{files:?}") };
    let text = String::from_utf8_lossy(content).into_owned();
    assert!(text.contains("Chats,1") && !text.contains("Calls"), "{text}");
    // Other content never takes the place of what is there.
    setting.center.call_until("4711", "call-2", 3).await;
    let (_, socket) = setting.center.chat("Anna", &["hello".to_owned()]).await;
    leave(socket).await;
    setting.center.until("queue.entered", 4).await;
    let url = setting.center.server.url();
    let arguments =
        ["report", "deliver", "Part", "--server", &url, "--token", &setting.center.token];
    let refused = run_failing(&arguments);
    assert!(refused.contains("other content"), "{refused}");
    assert_eq!(String::from_utf8_lossy(&setting.files("part")[0].1), text);

    // Neither on the log nor in what the server writes about itself.
    let found = setting
        .sql(&format!("select count(*) as n from event_log where data like '%{PERSON}%'"))
        .await;
    assert_eq!(found[0]["n"], 0);
    let output = std::fs::read_to_string(folder.path().join("output.log")).expect("log");
    assert!(!output.contains(PERSON) && !output.contains("whsec_"));
    let listed = setting.cli(&["report", "schedules"]);
    assert!(listed.contains("Whole") && listed.contains("webhook done"), "{listed}");
    setting.center.stop();
}

fn run_failing(arguments: &[&str]) -> String {
    let said = run(arguments);
    assert_ne!(said.code, 0, "{}", said.out);
    format!("{}{}", said.out, said.err)
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_the_rows_writes_and_starts_no_schedule() {
    let folder = tempfile::tempdir().expect("folder");
    let setting = Setting::start(folder.path()).await;
    let data = setting.center.data.to_string_lossy().into_owned();
    let token = |arguments: &[&str]| {
        let all = [&["token", "--data", &data][..], arguments].concat();
        succeed(&all).trim().to_owned()
    };
    let narrow = token(&["--role", "administrator", "--user-profile", "Configuration only"]);
    let analyst = token(&["--role", "analyst"]);
    let olga = token(&["--role", "administrator", "--user", "olga"]);
    let document = json!({"report": "Legs by queue", "when": {"every_minutes": 60},
        "deliver": [{"file": {}}]});
    let put = async |token: &str, path: &str, body: &Value| {
        let url = format!("{}/v1/config/{path}", setting.center.server.url());
        let answer = setting.center.client.put(url).bearer_auth(token).json(body).send().await;
        answer.expect("answers").status().as_u16()
    };
    let admin = &setting.center.token;
    assert_eq!(put(&narrow, "site/Second", &json!({})).await, 201);
    for (who, expected) in [(&narrow, 403), (&analyst, 403), (&olga, 403), (admin, 201)] {
        assert_eq!(put(who, "report_schedule/Hourly", &document).await, expected);
    }
    let file = json!({"report_schedule": [{"name": "Other", "report": "x", "when": {"every_minutes": 60}, "deliver": [{"file": {}}]}]});
    assert_eq!(setting.center.post(&narrow, "/v1/config/apply", file).await.0, 403);
    let address = json!({"report": "x", "when": {"every_minutes": 60},
        "deliver": [{"mail": {"to": [PERSON]}}]});
    assert_eq!(put(admin, "report_schedule/Mail", &address).await, 422);
    for (who, expected) in [(&narrow, 403), (&analyst, 403), (&olga, 403), (admin, 200)] {
        let path = "/v1/report-schedules/Hourly/deliver";
        assert_eq!(setting.center.post(who, path, json!({})).await.0, expected);
    }
    let missing =
        setting.center.post(admin, "/v1/report-schedules/Nothing/deliver", json!({})).await;
    assert_eq!((missing.0, &missing.1["code"]), (404, &json!("unknown_schedule")));
    for (who, expected) in [(&narrow, 200), (&analyst, 200), (&olga, 403)] {
        let url = format!("{}/v1/report-schedules", setting.center.server.url());
        let answer = setting.center.client.get(url).bearer_auth(who).send().await.expect("answers");
        assert_eq!(answer.status().as_u16(), expected);
    }
    setting.center.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_failed_is_delivered_after_kill_9_under_the_same_id_and_once() {
    let folder = tempfile::tempdir().expect("folder");
    let mut setting = Setting::start(folder.path()).await;
    setting.center.call_until("4711", "call-1", 1).await;
    setting.center.until("queue.left", 1).await;
    // A spreadsheet: it must not hold the time at which it was made.
    let schedule = setting.schedule("Whole", &setting.everywhere());
    setting.apply(&schedule.replace("'csv'", "'xlsx'"));
    setting.receivers.status.store(503, Ordering::SeqCst);
    let url = setting.center.server.url();
    let failed = run_failing(&[
        "report",
        "deliver",
        "Whole",
        "--server",
        &url,
        "--token",
        &setting.center.token,
    ]);
    assert!(failed.contains("webhook") && failed.contains("503"), "{failed}");
    let Setting { center, .. } = setting;
    let Center { server, client, data, token, phone } = center;
    server.kill();
    let receivers = setting.receivers.clone();
    let before = receivers.webhooks();
    receivers.status.store(200, Ordering::SeqCst);
    let server = Server::start(&data, Some(&setting.config));
    setting =
        Setting { center: Center { server, client, data, token, phone }, receivers, ..setting };
    let began = Instant::now();
    while !setting.outcomes("webhook").await.contains(&"done".to_owned()) {
        assert!(began.elapsed() < PATIENCE, "{:?}", setting.outcomes("webhook").await);
    }
    let webhooks = setting.receivers.webhooks();
    assert!(webhooks.len() > before.len());
    // The same id and, from the same position, the same bytes.
    assert!(webhooks.iter().all(|it| *it == webhooks[0]), "{webhooks:?}");
    assert_eq!(setting.outcomes("file").await, ["done"]);
    assert_eq!(setting.files("all").len(), 1);
    setting.center.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_delivered_when_it_is_due() {
    let folder = tempfile::tempdir().expect("folder");
    let setting = Setting::start(folder.path()).await;
    // The next full minute that is not about to begin.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs();
    let minute = (now + 5) / 60 % 60 + 1;
    let minute = minute % 60;
    setting.apply(&format!(
        "[[report_schedule]]\nname = 'Clock'\nreport = 'Legs by queue'\nformat = 'xlsx'\n\
         when.hourly.minute = {minute}\ndeliver = [{{ file = {{ folder = 'clock' }} }}]\n"
    ));
    let began = Instant::now();
    while setting.outcomes("file").await.is_empty() {
        assert!(began.elapsed() < PATIENCE, "{:?}", setting.cli(&["report", "schedules"]));
    }
    assert_eq!(setting.outcomes("file").await, ["done"]);
    let files = setting.files("clock");
    let [(name, content)] = files.as_slice() else { panic!("{files:?}") };
    assert!(name.starts_with("clock-") && name.ends_with(".xlsx"), "{name}");
    assert_eq!(&content[..2], b"PK");
    let runs = setting.told("access.report_run").await;
    let due = runs[0]["due_at"].as_str().expect("text");
    assert!(due.ends_with(&format!(":{minute:02}:00.000000Z")), "{due}");
    setting.center.stop();
}
