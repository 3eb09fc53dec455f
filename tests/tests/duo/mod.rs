//! Real processes on one engine: a "cluster" that is our own KurrentDB endpoint, and those that lead and stand by.

#![allow(
    dead_code,
    unreachable_pub,
    missing_docs,
    clippy::expect_used,
    reason = "each test uses a part of it"
)]

use std::fs;
use std::future::Future;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use ledgerline_event_store::custody::{Hash, leaf_hash};
use ledgerline_event_store::{EmbeddedLog, Options};
use ledgerline_schemas::id::{NAMESPACE, OrgId};
use ledgerline_schemas::{Position, Recorded};
use ledgerline_tests::{ledgerline, succeed};
use reqwest::Client;
use serde_json::{Value, json};

/// Longest wait for something that has to come.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// What both sides of a copy of keys know.
const SECRET: &str = "a-secret-of-forty-characters-for-the-test";

pub fn org() -> OrgId {
    OrgId::derived(NAMESPACE, "organization:main")
}

pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Splitmix64.
pub fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Looks until there is something.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut look: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "{what} did not come");
        tokio::time::sleep(LOOK).await;
    }
}

/// A `ledgerline serve` of its own data directory, its output in a file.
pub struct Process {
    child: Child,
    pub name: String,
    pub data: PathBuf,
    pub output: PathBuf,
    addresses: PathBuf,
    /// Where the probes of a standby are, or the doors once it serves.
    pub http: u16,
}

impl Process {
    /// Starts it; `settings` is its configuration file without the data directory.
    pub fn start(folder: &Path, name: &str, settings: &str, standby: bool) -> Self {
        let (data, config) = (folder.join(name), folder.join(format!("{name}.toml")));
        let addresses = folder.join(format!("{name}-addresses.json"));
        let output = folder.join(format!("{name}.log"));
        let _ = fs::remove_file(&addresses);
        // A port that was free a moment ago: a standby is asked how it is before it says where it listens.
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let http = free.local_addr().expect("bound").port();
        drop(free);
        let text = format!(
            "data = \"{}\"\n{settings}\n[http]\nlisten = \"127.0.0.1:{http}\"\n[kurrent]\nlisten = \"127.0.0.1:0\"\n\
             [sip]\nenabled = false\n[sql]\nenabled = false\n[flight]\nenabled = false\n[keys]\nkek_folder = \"{}\"\n",
            data.display(),
            folder.join(format!("{name}-kek")).display()
        );
        fs::write(&config, text).expect("written");
        let (config, file) = (config.to_string_lossy(), addresses.to_string_lossy());
        let mut arguments = vec!["serve", "--config", &config, "--addresses", &file];
        if standby {
            arguments.push("--standby");
        }
        let log = fs::File::options().create(true).append(true).open(&output).expect("a file");
        let child = ledgerline(&arguments)
            .env("LEDGERLINE_LOG", "info")
            .stdout(Stdio::from(log.try_clone().expect("a handle")))
            .stderr(Stdio::from(log))
            .spawn()
            .expect("starts");
        Self { child, name: name.to_owned(), data, output, addresses, http }
    }

    pub fn said(&self) -> String {
        fs::read_to_string(&self.output).unwrap_or_default()
    }

    fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("is ours")
    }

    /// Waits until it serves; its addresses.
    pub async fn serves(&mut self) -> Value {
        let began = Instant::now();
        loop {
            let text = fs::read_to_string(&self.addresses).unwrap_or_default();
            if let Ok(found) = serde_json::from_str(&text) {
                return found;
            }
            let ended = self.ended();
            assert!(ended.is_none(), "{} ended: {ended:?}\n{}", self.name, self.said());
            assert!(began.elapsed() < PATIENCE, "{} does not serve\n{}", self.name, self.said());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until it says this.
    pub async fn says(&mut self, what: &str) {
        let began = Instant::now();
        while !self.said().contains(what) {
            assert!(
                began.elapsed() < PATIENCE,
                "{} does not say {what:?}\n{}",
                self.name,
                self.said()
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until it ends by itself; its exit code.
    pub async fn ends(&mut self) -> i32 {
        let began = Instant::now();
        loop {
            if let Some(status) = self.ended() {
                return status.code().unwrap_or(-1);
            }
            assert!(began.elapsed() < PATIENCE, "{} does not end\n{}", self.name, self.said());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// `GET /healthz`.
    pub async fn health(&self, client: &Client) -> Option<Value> {
        let url = format!("http://127.0.0.1:{}/healthz", self.http);
        client.get(url).send().await.ok()?.json().await.ok()
    }

    /// Waits until a standby has read everything that the engine has.
    pub async fn follows(&self, client: &Client, head: u64) {
        until(&format!("{} at {head}", self.name), || async {
            let health = self.health(client).await?;
            assert_eq!(health["role"], "standby", "{health}");
            let followed = &health["organizations"][0];
            let there = followed["caught_up"] == true && followed["position"].as_u64()? >= head;
            there.then_some(())
        })
        .await;
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.is_ok_and(|status| status.success()), "kill {signal}");
    }

    /// kill -9.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    pub async fn stop(&mut self) {
        self.signal("-TERM");
        assert_eq!(self.ends().await, 0, "{}\n{}", self.name, self.said());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        if std::thread::panicking() {
            eprintln!("── {}\n{}", self.name, self.said());
        }
    }
}

/// The engine: an embedded log behind our own KurrentDB endpoint.
pub struct Cluster {
    pub process: Process,
    pub folder: PathBuf,
    connection: String,
    lease_ms: u64,
}

impl Cluster {
    pub async fn start(folder: &Path, lease_ms: u64) -> Self {
        let mut process = Process::start(folder, "cluster", "", false);
        let addresses = process.serves().await;
        let address = addresses["kurrent"].as_str().expect("an address").to_owned();
        let data = process.data.to_string_lossy().into_owned();
        let user = ["--role", "integrator", "--subject", "engine", "--sql-user"];
        let said = succeed(&[&["token", "--data", &data][..], &user].concat());
        let password = said.split_whitespace().last().expect("a password");
        let connection = format!("kurrentdb://engine:{password}@{address}?tls=false");
        let secret = folder.join("keys-secret");
        fs::write(&secret, SECRET).expect("written");
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).expect("changed");
        Self { process, folder: folder.to_owned(), connection, lease_ms }
    }

    /// The `[engine]` section of a process on it.
    pub fn settings(&self) -> String {
        format!(
            "[custody]\ncheckpoint_every_s = 0\n[engine]\nkind = \"kurrentdb\"\nconnection = \"{}\"\n\
             prefix = \"external-\"\nlease_ms = {}\n",
            self.connection, self.lease_ms
        )
    }

    /// With a door for keys, which are copied from another process's.
    pub fn with_keys(&self, from: Option<&str>) -> String {
        let from = from.map(|address| format!("\"http://{address}\"")).unwrap_or_default();
        format!(
            "{}keys_listen = \"127.0.0.1:0\"\nkeys_from = [{from}]\nkeys_token_file = \"{}\"\n",
            self.settings(),
            self.folder.join("keys-secret").display()
        )
    }

    pub fn process(&self, name: &str, settings: &str, standby: bool) -> Process {
        Process::start(&self.folder, name, settings, standby)
    }
}

pub fn token(data: &Path, roles: &str) -> String {
    succeed(&["token", "--data", &data.to_string_lossy(), "--role", roles]).trim().to_owned()
}

/// Puts an entity of this name; where its event is, if that was acknowledged.
pub async fn put(client: &Client, http: u16, token: &str, name: &str) -> Option<u64> {
    let url = format!("http://127.0.0.1:{http}/v1/config/site/{name}");
    let answer = client.put(url).bearer_auth(token).json(&json!({})).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    let said: Value = answer.json().await.ok()?;
    said["position"].as_u64().filter(|position| *position > 0)
}

/// Everything on the log of a directory that nobody has open.
pub fn events(data: &Path) -> Vec<Recorded> {
    let folder = data.join("orgs").join(org().to_string()).join("log");
    let log = EmbeddedLog::open_to_read(&folder, org(), Options::default()).expect("opens");
    log.verify().expect("whole");
    log.scan(Position::START).collect::<Result<_, _>>().expect("reads")
}

pub fn leaves(events: &[Recorded]) -> Vec<Hash> {
    events.iter().map(leaf_hash).collect()
}

/// Positions of the events that hold this text.
pub fn holding(events: &[Recorded], text: &str) -> Vec<u64> {
    let holds = |event: &&Recorded| {
        event.payload.windows(text.len()).any(|window| window == text.as_bytes())
    };
    events.iter().filter(holds).map(|event| event.header.position.0).collect()
}
