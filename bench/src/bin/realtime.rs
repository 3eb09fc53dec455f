//! Subscribers of live tables: how many one core serves, how old what they see is, what each costs.
//!
//! ```text
//! cargo run --release -p ledgerline-bench --bin realtime -- [--subscribers N] [--hz N] [--rate N] [--seconds N]
//!     [--slow N] [--dataset queue_live|events] [--naive true]
//! ```
//!
//! Without options the figures of docs/benchmarks.md are made, one after the other. The server is on the first core,
//! its subscribers are on the second.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use ledgerline_bench::fanout::server::Server;
use ledgerline_bench::fanout::settings::Settings;
use ledgerline_bench::fanout::{Failure, pin, raise_files, report, watchers};
use ledgerline_bench::scale::process;

/// Files beside those of the subscribers.
const FILES: u64 = 1_000;

fn main() -> Result<(), Failure> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|it| it == "watch") {
        let rest = arguments.split_off(3.min(arguments.len()));
        let [_, address, token] = arguments.as_slice() else {
            return Err("watch ADDRESS TOKEN".into());
        };
        let settings = Settings::parse(rest.into_iter())?;
        pin(1)?;
        raise_files(u64::from(settings.subscribers + settings.slow) + FILES)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        return runtime.block_on(watchers::run(address.parse()?, token, &settings));
    }
    pin(0)?;
    let all = if arguments.is_empty() {
        figures()
    } else {
        vec![Settings::parse(arguments.into_iter())?]
    };
    writeln!(std::io::stdout(), "{}", report::HEAD)?;
    for settings in all {
        raise_files(u64::from(settings.subscribers + settings.slow) + FILES)?;
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        runtime.block_on(measure(&settings))?;
    }
    Ok(())
}

/// The figures of the documents: many subscribers; many events; one that reads nothing; the same by broadcast.
fn figures() -> Vec<Settings> {
    let many = Settings::default();
    let fast = Settings { subscribers: 100, hz: 50.0, rate: 5_000, ..Settings::default() };
    let events = Settings { subscribers: 10, dataset: "events".to_owned(), ..fast.clone() };
    vec![
        many.clone(),
        fast.clone(),
        Settings { slow: 20, ..fast.clone() },
        events,
        Settings { naive: true, ..fast },
        Settings { naive: true, ..many },
    ]
}

async fn measure(settings: &Settings) -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let mut server = Server::start(folder.path(), settings).await?;
    let before = process::resident_bytes();
    let mut watching = Watching::start(&server, settings)?;
    // The connections are served while this thread waits for the other process.
    let mut watching =
        tokio::task::spawn_blocking(move || watching.ready().map(|()| watching)).await??;
    let each = process::resident_bytes().saturating_sub(before) as f64
        / f64::from(settings.subscribers + settings.slow);
    let worked = process::cpu_s();
    let time = Duration::from_secs(settings.seconds);
    let (appended, behind) = server.load.go_on(&server.log, settings.rate, time).await?;
    let cores = (process::cpu_s() - worked) / settings.seconds as f64;
    // What was appended last is still on its way for as long as the slowest subscriber waits.
    tokio::time::sleep(Duration::from_secs_f64(1.5 / settings.hz.min(1.0))).await;
    let text = tokio::task::spawn_blocking(move || watching.tell()).await??;
    server.stop().await;
    let found = report::found(&report::parse(&text)?, &appended, settings)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}", report::line(settings, &found, cores, each / 1e3))?;
    if behind > Duration::from_millis(100) {
        writeln!(out, "\nThe appends fell {} ms behind their rate.\n", behind.as_millis())?;
    }
    Ok(())
}

/// The process of the subscribers; it ends with this.
struct Watching(Child, BufReader<std::process::ChildStdout>);

impl Watching {
    fn start(server: &Server, settings: &Settings) -> Result<Self, Failure> {
        let mut child = Command::new(std::env::current_exe()?)
            .args(["watch", &server.address.to_string(), &server.token])
            .args(settings.arguments())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let out = child.stdout.take().ok_or("the subscribers have no output")?;
        Ok(Self(child, BufReader::new(out)))
    }

    fn ready(&mut self) -> Result<(), Failure> {
        let mut line = String::new();
        self.1.read_line(&mut line)?;
        if line == "ready\n" { Ok(()) } else { Err("the subscribers did not get in".into()) }
    }

    fn tell(&mut self) -> Result<String, Failure> {
        let mut text = String::new();
        self.0.stdin.as_mut().ok_or("no input")?.write_all(b"\n")?;
        self.1.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
