//! A real Fluvio cluster, one controller (SC) and one SPU, on free ports in a temporary directory.
#![allow(dead_code, reason = "the test and the suite use a part each")]

pub(crate) mod figures;
pub(crate) mod mirrors;
pub(crate) mod moving;
pub(crate) mod scenarios;

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use fluvio::metadata::customspu::CustomSpuSpec;
use fluvio::metadata::spu::SpuSpec;
use fluvio::metadata::topic::TopicSpec;
use fluvio::{FluvioAdmin, FluvioClusterConfig};
use ledgerline_event_store::engine::fluvio::{Config, FluvioCarrier};

/// Names the `fluvio-run` program; without it nothing of Fluvio is tested.
pub(crate) const PROGRAM: &str = "LEDGERLINE_FLUVIO_RUN";
const SPU: i32 = 5001;
/// How long a part of the cluster may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) type Outcome<T> = Result<T, String>;

pub(crate) fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The program, where there is one.
pub(crate) fn program() -> Option<PathBuf> {
    std::env::var_os(PROGRAM).filter(|it| !it.is_empty()).map(PathBuf::from)
}

/// Ports of the cluster: public and private of the controller, public and private of the SPU.
#[derive(Clone, Copy, Debug)]
struct Ports([u16; 4]);

impl Ports {
    /// Ports the system has free now.
    fn free() -> Outcome<Self> {
        let bind = |_| TcpListener::bind("127.0.0.1:0").map_err(text);
        let listeners = (0..4).map(bind).collect::<Outcome<Vec<_>>>()?;
        let mut ports = [0; 4];
        for (port, listener) in ports.iter_mut().zip(&listeners) {
            *port = listener.local_addr().map_err(text)?.port();
        }
        Ok(Self(ports))
    }

    fn address(self, which: usize) -> String {
        format!("127.0.0.1:{}", self.0.get(which).copied().unwrap_or_default())
    }
}

/// A running cluster; its processes end with it.
pub(crate) struct Cluster {
    program: PathBuf,
    directory: tempfile::TempDir,
    ports: Ports,
    controller: Option<Child>,
    spu: Option<Child>,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in [self.spu.take(), self.controller.take()].into_iter().flatten() {
            let _ = kill(child);
        }
    }
}

fn kill(mut child: Child) -> Outcome<()> {
    child.kill().map_err(text)?;
    child.wait().map(|_| ()).map_err(text)
}

impl Cluster {
    /// Starts both, registers the SPU, and waits until it is online.
    pub(crate) async fn start(program: &Path) -> Outcome<Self> {
        let mut cluster = Self {
            program: program.to_path_buf(),
            directory: tempfile::tempdir().map_err(text)?,
            ports: Ports::free()?,
            controller: None,
            spu: None,
        };
        cluster.start_controller()?;
        let mut spec = SpuSpec::new_public_addr(SPU, cluster.port(2), "127.0.0.1".to_owned());
        spec.private_endpoint.host = "127.0.0.1".to_owned();
        spec.private_endpoint.port = cluster.port(3);
        let spec: CustomSpuSpec = spec.set_custom().into();
        let admin = cluster.admin().await?;
        admin.create(format!("custom-spu-{SPU}"), false, spec).await.map_err(text)?;
        cluster.start_spu()?;
        cluster.until_online().await?;
        Ok(cluster)
    }

    fn port(&self, which: usize) -> u16 {
        self.ports.0.get(which).copied().unwrap_or_default()
    }

    pub(crate) fn endpoint(&self) -> String {
        self.ports.address(0)
    }

    fn spawn(&self, name: &str, arguments: &[&str]) -> Outcome<Child> {
        let path = self.directory.path().join(format!("{name}.log"));
        let log = std::fs::File::options().create(true).append(true).open(path).map_err(text)?;
        Command::new(&self.program)
            .args(arguments)
            // Otherwise every SPU of this machine binds one socket in the system's temporary folder.
            .env("FLUVIO_METRIC_SPU", self.directory.path().join("spu.sock"))
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone().map_err(text)?)
            .stderr(log)
            .spawn()
            .map_err(|error| format!("{}: {error}", self.program.display()))
    }

    pub(crate) fn start_controller(&mut self) -> Outcome<()> {
        let metadata = self.directory.path().join("metadata");
        std::fs::create_dir_all(&metadata).map_err(text)?;
        let (public, private) = (self.ports.address(0), self.ports.address(1));
        let metadata = metadata.to_string_lossy();
        let arguments =
            ["sc", "--local", &metadata, "--bind-public", &public, "--bind-private", &private];
        self.controller = Some(self.spawn("sc", &arguments)?);
        Ok(())
    }

    pub(crate) fn start_spu(&mut self) -> Outcome<()> {
        let data = self.directory.path().join("data");
        let (public, private) = (self.ports.address(2), self.ports.address(3));
        let (controller, id, data) =
            (self.ports.address(1), SPU.to_string(), data.to_string_lossy());
        let arguments = [
            "spu",
            "-i",
            &id,
            "-p",
            &public,
            "-v",
            &private,
            "--sc-addr",
            &controller,
            "--log-base-dir",
            &data,
        ];
        self.spu = Some(self.spawn("spu", &arguments)?);
        Ok(())
    }

    /// Ends the SPU as `kill -9` does.
    pub(crate) fn kill_spu(&mut self) -> Outcome<()> {
        self.spu.take().map_or(Err("there is no SPU".to_owned()), kill)
    }

    /// Ends the controller as `kill -9` does.
    pub(crate) fn kill_controller(&mut self) -> Outcome<()> {
        self.controller.take().map_or(Err("there is no controller".to_owned()), kill)
    }

    /// A connection for administration, once the controller answers.
    pub(crate) async fn admin(&self) -> Outcome<FluvioAdmin> {
        let config = FluvioClusterConfig::new(self.endpoint());
        let connecting = async {
            loop {
                let connected = FluvioAdmin::connect_with_config(&config);
                // A controller that is starting may accept and not answer.
                match tokio::time::timeout(Duration::from_secs(3), connected).await {
                    Ok(Ok(admin)) => return admin,
                    _ => tokio::time::sleep(PAUSE).await,
                }
            }
        };
        tokio::time::timeout(PATIENCE, connecting)
            .await
            .map_err(|_| format!("the controller does not answer: {}", self.tail("sc")))
    }

    pub(crate) async fn until_online(&self) -> Outcome<()> {
        let looking = async {
            loop {
                let spus = self.admin().await?.all::<SpuSpec>().await.map_err(text)?;
                if spus.iter().any(|it| it.status.is_online()) {
                    return Ok(());
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(PATIENCE, looking)
            .await
            .unwrap_or_else(|_| Err(format!("the SPU is not online: {}", self.tail("spu"))))
    }

    /// The end of what a process said.
    fn tail(&self, name: &str) -> String {
        let path = self.directory.path().join(format!("{name}.log"));
        let log = std::fs::read_to_string(path).unwrap_or_default();
        log.lines().rev().take(5).collect::<Vec<_>>().join(" | ")
    }

    /// Version the controller says it is.
    pub(crate) async fn version(&self) -> Outcome<String> {
        let config = FluvioClusterConfig::new(self.endpoint());
        let fluvio = fluvio::Fluvio::connect_with_config(&config).await.map_err(text)?;
        Ok(fluvio.platform_version().to_string())
    }

    pub(crate) async fn make_topic(&self, name: &str, spec: TopicSpec) -> Outcome<()> {
        self.admin().await?.create(name.to_owned(), false, spec).await.map_err(text)
    }

    pub(crate) fn config(&self, topic: &str) -> Config {
        Config { timeout: Duration::from_secs(20), ..Config::new(self.endpoint(), topic) }
    }

    pub(crate) async fn open(&self, topic: &str) -> Outcome<FluvioCarrier> {
        FluvioCarrier::open(self.config(topic)).await.map_err(text)
    }
}
