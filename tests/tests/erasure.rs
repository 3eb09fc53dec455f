//! 100 persons with values that can be recognized use a serving process; half of them are erased. Then every
//! byte of the data directory and of the process's log output is searched, and everything sealed is opened
//! with all keys there are.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use futures::{SinkExt as _, StreamExt as _};
use ledgerline_event_store::crypt::{Binding, CryptError, KeyRing};
use ledgerline_event_store::{EmbeddedLog, Options};
use ledgerline_schemas::event::Event;
use ledgerline_schemas::id::{InteractionId, NAMESPACE, OrgId, SubjectId};
use ledgerline_schemas::{Position, Sensitive};
use ledgerline_tests::{Server, run, succeed};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio_tungstenite::tungstenite::Message;

/// Begins every telephone number of a person.
const NUMBERS: &str = "+888417";
/// Is in every name and text of a person.
const WORDS: &str = "zqcanaryqz";
/// Calls; as many persons chat.
const EACH: usize = 50;
/// Longest wait for something that has to come.
const PATIENCE: Duration = Duration::from_secs(60);

const ENTITIES: &str = r#"
[[site]]
name = "Site"
[[multimedia_profile]]
name = "All"
voice = 1
chat = 1
[[team]]
name = "Team"
site = "Site"
multimedia_profile = "All"
[[queue]]
name = "Calls"
channel_type = "voice"
teams = [["Team"]]
[[queue]]
name = "Chats"
channel_type = "chat"
teams = [["Team"]]
[[flow]]
name = "Voice"
start = "queue"
[flow.activities.queue]
name = "To the queue"
does.queue_contact = { queue = "Calls" }
[[flow]]
name = "Chat"
start = "queue"
[flow.activities.queue]
name = "To the queue"
does.queue_contact = { queue = "Chats" }
[[entry_point]]
name = "Line"
channel_type = "voice"
numbers = ["1001"]
flow = "Voice"
[[entry_point]]
name = "Page"
channel_type = "chat"
numbers = ["page"]
flow = "Chat"
"#;

fn number(person: usize) -> String {
    format!("{NUMBERS}{person:06}")
}

/// A serving process with a line and a page, its logs in a file.
struct Center {
    server: Server,
    client: Client,
    data: PathBuf,
    token: String,
    phone: UdpSocket,
}

impl Center {
    async fn start(folder: &Path, config: Option<&Path>) -> Self {
        let data = folder.join("data");
        let log = folder.join("output.log");
        let server = Server::start_logging(&data, config, &log, "debug");
        let token = Self::token(&data, "administrator,auditor");
        let entities = folder.join("entities.toml");
        std::fs::write(&entities, ENTITIES).expect("written");
        let url = server.url();
        let file = entities.to_string_lossy();
        let said = succeed(&["config", "apply", &file, "--server", &url, "--token", &token]);
        assert!(said.contains("0 failed"), "{said}");
        let phone = UdpSocket::bind("127.0.0.1:0").await.expect("socket");
        Self { server, client: Client::new(), data, token, phone }
    }

    fn token(data: &Path, roles: &str) -> String {
        succeed(&["token", "--data", &data.to_string_lossy(), "--role", roles]).trim().to_owned()
    }

    async fn post(&self, token: &str, path: &str, body: Value) -> (u16, Value) {
        let url = format!("{}{path}", self.server.url());
        let request = self.client.post(url).bearer_auth(token).json(&body);
        let answer = request.send().await.expect("answers");
        (answer.status().as_u16(), answer.json().await.expect("json"))
    }

    async fn erase(&self, body: Value) -> (u16, Value) {
        self.post(&self.token, "/v1/privacy/erasures", body).await
    }

    async fn count(&self, event_type: &str) -> u64 {
        let sql = format!("select count(*) as n from event_log where event_type = '{event_type}'");
        let (status, answer) = self.post(&self.token, "/v1/sql", json!({"sql": sql})).await;
        assert_eq!(status, 200, "{answer}");
        answer["rows"][0]["n"].as_u64().expect("a number")
    }

    async fn until(&self, event_type: &str, count: u64) {
        let began = Instant::now();
        while self.count(event_type).await < count {
            assert!(began.elapsed() < PATIENCE, "{event_type} did not come {count} times");
        }
    }

    /// A call: answered, acknowledged, ended by the caller.
    async fn call(&self, from: &str, call_id: &str) {
        let edge = self.server.sip;
        let port = self.phone.local_addr().expect("bound").port();
        let request = |method: &str, sequence: u32, to_tag: &str, body: &str| {
            let kind = if body.is_empty() { "" } else { "Content-Type: application/sdp\r\n" };
            format!(
                "{method} sip:1001@127.0.0.1 SIP/2.0\r\n\
                 Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{call_id}{sequence}{method};rport\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:{from}@127.0.0.1>;tag=t\r\n\
                 To: <sip:1001@127.0.0.1>{to_tag}\r\nCall-ID: {call_id}\r\n\
                 CSeq: {sequence} {method}\r\nContact: <sip:phone@127.0.0.1:{port}>\r\n\
                 {kind}Content-Length: {}\r\n\r\n{body}",
                body.len()
            )
        };
        let offer = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
                     m=audio 40000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
        self.send(edge, &request("INVITE", 1, "", offer)).await;
        let answered = self.receive("200", call_id, "1 INVITE").await;
        let to = answered.lines().find(|line| line.to_ascii_lowercase().starts_with("to:"));
        let tag = to.and_then(|line| line.split(";tag=").nth(1)).expect("a tag").trim();
        let tag = format!(";tag={tag}");
        self.send(edge, &request("ACK", 1, &tag, "")).await;
        self.send(edge, &request("BYE", 2, &tag, "")).await;
        self.receive("200", call_id, "2 BYE").await;
    }

    async fn send(&self, to: SocketAddr, text: &str) {
        self.phone.send_to(text.as_bytes(), to).await.expect("sent");
    }

    async fn receive(&self, status: &str, call_id: &str, sequence: &str) -> String {
        let mut buffer = [0; 8_192];
        let reading = async {
            loop {
                let (length, _) = self.phone.recv_from(&mut buffer).await.expect("received");
                let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
                if text.starts_with(&format!("SIP/2.0 {status}"))
                    && text.contains(call_id)
                    && text.contains(sequence)
                {
                    return text;
                }
            }
        };
        let read = tokio::time::timeout(PATIENCE, reading).await;
        read.unwrap_or_else(|_| panic!("no {status} for {call_id} {sequence}"))
    }

    /// Begins a chat under a name and says these lines; the socket stays open.
    async fn chat(&self, name: &str, lines: &[String]) -> (InteractionId, Socket) {
        let body = json!({"entryPoint": "page", "name": name});
        let url = format!("{}/v1/chats", self.server.url());
        let answer = self.client.post(url).json(&body).send().await.expect("answers");
        assert_eq!(answer.status(), 201);
        let started: Value = answer.json().await.expect("json");
        let id = started["interactionId"].as_str().expect("an id").parse().expect("an id");
        let socket = started["socket"].as_str().expect("a path");
        let url = format!("ws://{}{socket}", self.server.http);
        let (mut socket, _) = tokio_tungstenite::connect_async(url).await.expect("socket");
        for (at, line) in lines.iter().enumerate() {
            let said = json!({"type": "message", "text": line, "clientMessageId": at.to_string()});
            socket.send(Message::text(said.to_string())).await.expect("sent");
            loop {
                let frame = socket.next().await.expect("open").expect("frame");
                let Message::Text(text) = frame else { continue };
                let frame: Value = serde_json::from_str(&text).expect("json");
                assert_ne!(frame["type"], "error", "{frame}");
                if frame["type"] == "accepted" {
                    break;
                }
            }
        }
        (id, socket)
    }

    fn stop(self) -> PathBuf {
        assert_eq!(self.server.stop(), 0);
        self.data
    }
}

type Socket =
    tokio_tungstenite::WebSocketStream<tokio_tungstenite::MaybeTlsStream<tokio::net::TcpStream>>;

async fn leave(mut socket: Socket) {
    let leave = json!({"type": "leave"}).to_string();
    socket.send(Message::text(leave)).await.expect("sent");
    while let Some(Ok(frame)) = socket.next().await {
        if matches!(frame, Message::Close(_)) {
            return;
        }
    }
}

/// Every file under a folder that holds these bytes, and how many files were looked at.
fn holding(folder: &Path, needle: &[u8]) -> (Vec<PathBuf>, usize) {
    let (mut found, mut seen) = (Vec::new(), 0);
    for entry in std::fs::read_dir(folder).expect("folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            let (below, files) = holding(&path, needle);
            found.extend(below);
            seen += files;
        } else {
            seen += 1;
            let bytes = std::fs::read(&path).expect("file");
            let first = needle[0];
            let holds = bytes
                .iter()
                .enumerate()
                .any(|(at, byte)| *byte == first && bytes[at..].starts_with(needle));
            if holds {
                found.push(path);
            }
        }
    }
    (found, seen)
}

/// Neither the marks of the persons nor their base64 forms are anywhere under the folder.
fn assert_no_plaintext(folder: &Path) {
    use base64_of::forms;
    // The search finds what is there: an event's type in a segment, a word in the output.
    for known in ["erasure.completed", "listen"] {
        assert!(!holding(folder, known.as_bytes()).0.is_empty(), "{known:?} was not found");
    }
    for mark in [&NUMBERS[1..], WORDS] {
        let mut needles = vec![mark.as_bytes().to_vec(), mark.to_uppercase().into_bytes()];
        needles.push(mark.encode_utf16().flat_map(u16::to_le_bytes).collect());
        needles.extend(forms(mark.as_bytes()));
        for needle in needles {
            let (found, seen) = holding(folder, &needle);
            assert!(seen > 10, "only {seen} files were searched");
            assert!(found.is_empty(), "{:?} is in {found:?}", String::from_utf8_lossy(&needle));
        }
    }
}

/// What of a text shows in base64 whatever stands before it.
mod base64_of {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    pub(super) fn forms(text: &[u8]) -> Vec<Vec<u8>> {
        (0..3)
            .map(|skip| {
                let whole = text[skip..].chunks_exact(3);
                whole
                    .flat_map(|three| {
                        let bits =
                            three.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
                        [18, 12, 6, 0].map(|shift| LETTERS[(bits >> shift & 63) as usize])
                    })
                    .collect()
            })
            .collect()
    }
}

fn org() -> OrgId {
    OrgId::derived(NAMESPACE, "organization:main")
}

/// Everything sealed on the log, with its person and its place.
fn sealed(data: &Path) -> Vec<(SubjectId, Binding, Sensitive<String>)> {
    let folder = data.join("orgs").join(org().to_string()).join("log");
    let log = EmbeddedLog::open(&folder, org(), Options::default()).expect("log");
    let mut found = Vec::new();
    for recorded in log.scan(Position::START) {
        let recorded = recorded.expect("event");
        let Some(subject) = recorded.header.data_subject_id else { continue };
        let (interaction, origin, said) = match recorded.decode().expect("ours") {
            Event::InteractionCreated(it) => (it.interaction_id, it.origin, None),
            Event::MessageReceived(it) => (it.interaction_id, None, it.body),
            _ => continue,
        };
        found.extend(origin.map(|value| (subject, Binding::origin(interaction), value)));
        found.extend(said.map(|value| (subject, Binding::said(interaction), value)));
    }
    found
}

#[tokio::test]
async fn erased_persons_are_gone_from_every_byte_and_the_others_are_not() {
    let folder = tempfile::tempdir().expect("folder");
    let center = Center::start(folder.path(), None).await;
    let mut chats = Vec::new();
    for person in 0..EACH {
        center.call(&number(person), &format!("call-{person}")).await;
        let lines = [format!("I am {WORDS}-{person}"), format!("{WORDS} again, {person}")];
        let (id, socket) = center.chat(&format!("{WORDS} {person}"), &lines).await;
        if person == 0 {
            // While the conversation is open its text is in use.
            let body = json!({"kind": "chat", "value": id.to_string(), "reason": "asked"});
            let (status, problem) = center.erase(body).await;
            assert_eq!(status, 409, "{problem}");
            assert!(problem["detail"].as_str().is_some_and(|it| it.contains(&id.to_string())));
        }
        leave(socket).await;
        chats.push(id);
    }
    center.until("interaction.ended", 2 * EACH as u64).await;

    // Who may, and what is refused.
    let (first, reason) = (number(0), "request of 2026-11-20");
    for roles in ["auditor", "supervisor", "analyst", "integrator"] {
        let token = Center::token(&center.data, roles);
        let body = json!({"phone": first, "reason": reason});
        let (status, problem) = center.post(&token, "/v1/privacy/erasures", body).await;
        assert_eq!(status, 403, "{roles}: {problem}");
    }
    let refused = json!({"phone": first, "reason": format!("asked by {first}")});
    assert_eq!(center.erase(refused).await.0, 422);
    assert_eq!(center.erase(json!({"phone": first})).await.0, 422);
    assert_eq!(center.erase(json!({"reason": reason})).await.0, 422);
    let unknown = json!({"phone": "+1999", "reason": reason});
    assert_eq!(center.erase(unknown).await.0, 404);
    let (status, report) =
        center.erase(json!({"phone": first, "reason": reason, "dryRun": true})).await;
    assert_eq!((status, report["position"].as_u64()), (200, Some(0)), "{report}");
    assert_eq!(center.count("erasure.requested").await, 0);

    // The callers by the running server, the number written in another way.
    for person in 0..EACH / 2 {
        let written = format!("00{} ", &number(person)[1..]).replace("888", "888-");
        let (status, report) = center.erase(json!({"phone": written, "reason": reason})).await;
        assert_eq!(status, 200, "{report}");
        assert_eq!(report["erased"].as_array().map(Vec::len), Some(1), "{report}");
    }
    assert_eq!(center.erase(json!({"phone": first, "reason": reason})).await.0, 404, "gone");
    // One of them calls again.
    center.call(&first, "call-again").await;
    center.until("interaction.ended", 2 * EACH as u64 + 1).await;
    let data = center.stop();
    let directory = data.to_string_lossy().into_owned();

    // The chats on the command line.
    for (person, chat) in chats.iter().take(EACH / 2).enumerate() {
        let id = chat.to_string();
        let named = ["erase-subject", "--data", &directory, "--kind", "chat", "--value", &id];
        let mut arguments = named.to_vec();
        arguments.extend(["--reason", reason]);
        if person == 0 {
            let mut dry = arguments.clone();
            dry.push("--dry-run");
            assert!(succeed(&dry).contains("would destroy key"));
            assert_eq!(run(&named).code, 2, "a reason is needed");
        }
        let said = succeed(&arguments);
        assert!(said.contains("destroyed key") && said.contains("recorded as request"), "{said}");
    }

    assert_no_plaintext(folder.path());
    let keys = KeyRing::open_dir(&data).expect("keys");
    let phone = |person: usize| keys.subject_id(org(), "phone", &number(person)).expect("subject");
    let chat =
        |id: &InteractionId| keys.subject_id(org(), "chat", &id.to_string()).expect("subject");
    let erased: BTreeSet<SubjectId> =
        (0..EACH / 2).map(phone).chain(chats.iter().take(EACH / 2).map(chat)).collect();
    let mut opened: BTreeMap<SubjectId, Vec<String>> = BTreeMap::new();
    let mut gone: BTreeMap<SubjectId, usize> = BTreeMap::new();
    for (subject, binding, value) in sealed(&data) {
        match keys.open(org(), binding, &value) {
            Ok(text) => opened.entry(subject).or_default().push(text),
            Err(CryptError::NoKey { .. }) => *gone.entry(subject).or_default() += 1,
            Err(error) => panic!("{subject}: {error}"),
        }
    }
    assert_eq!(gone.keys().copied().collect::<BTreeSet<_>>(), erased);
    for (person, interaction) in chats.iter().enumerate() {
        let (caller, chatter) = (phone(person), chat(interaction));
        if person < EACH / 2 {
            assert_eq!((gone[&caller], gone[&chatter]), (1, 3), "person {person}");
            assert!(!opened.contains_key(&chatter));
        } else {
            assert_eq!(opened[&caller], [number(person)]);
            assert_eq!(opened[&chatter].len(), 3);
            assert!(opened[&chatter].iter().all(|text| text.contains(WORDS)));
        }
    }
    assert_eq!(opened[&phone(0)], [number(0)], "who calls again is a new person");
    drop(keys);

    // Nothing of it shows in an export, and log and tables are what they were.
    let events =
        succeed(&["sql", "--data", &directory, "--format", "csv", "select * from event_log"]);
    assert!(events.contains("erasure.completed") && events.contains(reason));
    assert!(!events.contains(&NUMBERS[1..]) && !events.contains(WORDS));
    assert!(succeed(&["verify", "--data", &directory]).contains("log verified"));
    let said = succeed(&["rebuild", "--data", &directory]);
    assert!(!said.contains("DIFFERS") && said.contains("identical"), "{said}");
    assert_no_plaintext(folder.path());
}

#[tokio::test]
async fn keys_are_rotated_and_may_be_kept_elsewhere() {
    let folder = tempfile::tempdir().expect("folder");
    let elsewhere = folder.path().join("elsewhere");
    let config = folder.path().join("ledgerline.toml");
    let text = format!("[keys]\nkek_folder = \"{}\"\n", elsewhere.display());
    std::fs::write(&config, text).expect("written");
    let center = Center::start(folder.path(), Some(&config)).await;
    center.call(&number(1), "call-1").await;
    center.until("interaction.ended", 1).await;
    let data = center.stop();
    let directory = data.to_string_lossy().into_owned();
    assert!(!data.join("kek").exists() && elsewhere.is_dir());
    let list = || succeed(&["keys", "list", "--data", &directory]);
    let before = list();
    assert!(before.contains(&*elsewhere.to_string_lossy()) && before.contains("1 data keys of 1"));
    let said = succeed(&["keys", "rotate-kek", "--data", &directory]);
    assert!(said.contains("in force") && said.contains("destroyed"), "{said}");
    let phone = number(1);
    let said = succeed(&["keys", "rotate", "--data", &directory, "--phone", &phone]);
    assert!(said.contains("new values are sealed with key"), "{said}");
    let after = list();
    assert!(after.contains("2 data keys of 1 persons"), "{after}");
    assert_ne!(before, after);
    let sealed = sealed(&data);
    assert_eq!(sealed.len(), 1);
    let refused = KeyRing::open_dir(&data).expect_err("the KEK is elsewhere");
    assert!(matches!(refused, CryptError::Wrap(_)), "{refused}");
    let unknown = run(&["keys", "rotate", "--data", &directory, "--phone", "+1999"]);
    assert_eq!(unknown.code, 65, "{}", unknown.err);
}

/// Splitmix64.
fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn card(seed: &mut u64) -> Vec<u8> {
    let length = 12 + (next(seed) % 7) as usize;
    let mut digits: Vec<u8> = (0..length).map(|_| (next(seed) % 10) as u8).collect();
    digits[0] = 4;
    let valid = |digits: &[u8]| {
        let sum: u32 = digits
            .iter()
            .rev()
            .enumerate()
            .map(|(at, digit)| {
                let doubled = u32::from(*digit) * (1 + (at as u32 % 2));
                doubled / 10 + doubled % 10
            })
            .sum();
        sum.is_multiple_of(10)
    };
    digits.push(0);
    while !valid(&digits) {
        *digits.last_mut().expect("a digit") += 1;
    }
    digits
}

#[tokio::test]
async fn card_numbers_and_codes_that_customers_type_never_reach_the_log() {
    let mut seed = 20_261_120;
    let (mut lines, mut numbers, mut codes) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..60 {
        let digits: String = card(&mut seed).iter().map(u8::to_string).collect();
        let separator = ["", " ", "-", ".", "\u{a0}", "/"][round % 6];
        let size = 3 + round % 4;
        let groups: Vec<&str> = (0..digits.len())
            .step_by(size)
            .map(|at| &digits[at..digits.len().min(at + size)])
            .collect();
        let code = format!("{:03}", next(&mut seed) % 1_000);
        let name = ["CVC", "security code", "Prüfnummer", "cryptogramme"][round % 4];
        lines.push(match round % 3 {
            0 => format!("my card: {} thanks", groups.join(separator)),
            1 => format!("{} {name} {code}", groups.join(separator)),
            _ => format!("the {name} is <{code}>"),
        });
        if round % 3 < 2 {
            numbers.push(digits);
        }
        if round % 3 > 0 {
            codes.push(code);
        }
    }
    lines.extend(["what is a CVV?".to_owned(), "907".to_owned()]);
    codes.push("907".to_owned());
    let folder = tempfile::tempdir().expect("folder");
    let center = Center::start(folder.path(), None).await;
    let (_, socket) = center.chat("Ada", &lines).await;
    leave(socket).await;
    center.until("interaction.ended", 1).await;
    let data = center.stop();
    let keys = KeyRing::open_dir(&data).expect("keys");
    let texts: Vec<String> = sealed(&data)
        .into_iter()
        .map(|(_, binding, value)| keys.open(org(), binding, &value).expect("opens"))
        .collect();
    assert_eq!(texts.len(), 1 + lines.len());
    for text in &texts {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        assert!(numbers.iter().all(|number| !digits.contains(number)), "{text:?}");
        assert!(codes.iter().all(|code| !digits.contains(code)), "{text:?}");
    }
    assert!(texts.iter().any(|text| text.contains("my card: ****")), "{texts:?}");
}
