//! The running system: every organization opened, every door served, one shutdown.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use ledgerline_access::{ScramCredentials, TokenIssuer, Verifier};
use ledgerline_analyzer_api::{self as analyzer, Custodian};
use ledgerline_event_store::archive::Depot;
use ledgerline_event_store::engine::{Mirror, Role};
use ledgerline_event_store::kurrent;
use ledgerline_event_store::{EmbeddedLog, EventReader as _};
use ledgerline_ingest::engine::{EffectSinks, Engine, EngineHandle, Routed};
use ledgerline_ingest::http::listener::HANDSHAKE_TIME_MAX;
use ledgerline_ingest::http::{Doors, HttpListener, Organization};
use ledgerline_ingest::voice::{self, VoiceDoor, VoiceServer};
use ledgerline_projections::Projections;
use ledgerline_realtime::webhook::{self, WebhookState};
use ledgerline_realtime::{self as realtime, ProjectionsFeed, RealtimeState};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::alerts;
use crate::at_rest;
use crate::certificate;
use crate::custody::{self, Custodians};
use crate::data_dir::{DataDir, Held, Known};
use crate::event_house::EventHouse;
use crate::failure::Failure;
use crate::keys;
use crate::oidc;
use crate::ops::{self, Probes, Watched};
use crate::organization::{Served, lead, open_logs, open_tables, start_engine};
use crate::ports::{DatabaseUsers, EventClients, Open, Opened, Tokens};
use crate::publication_task;
use crate::published_metrics;
use crate::refused_body;
use crate::reports::Schedulers;
use crate::retention;
use crate::settings::Settings;
use crate::standby::{self, Door};
use crate::storage;
use crate::webhooks;

/// Where the system listens.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Addresses {
    pub(crate) http: SocketAddr,
    /// `http`, or `https` when the HTTP port speaks TLS.
    pub(crate) http_scheme: &'static str,
    pub(crate) sip_udp: Option<SocketAddr>,
    pub(crate) sip_tcp: Option<SocketAddr>,
    pub(crate) sql: Option<SocketAddr>,
    pub(crate) flight: Option<SocketAddr>,
    pub(crate) kurrent: Option<SocketAddr>,
    /// Where standbys copy keys.
    pub(crate) keys: Option<SocketAddr>,
    pub(crate) organizations: Vec<(String, String)>,
}

struct Running {
    known: Known,
    custodian: Option<Arc<Custodian>>,
    log: Arc<EmbeddedLog>,
    projections: Projections,
    engine: Engine,
    mirror: Option<Mirror>,
}

/// The system.
pub(crate) struct System {
    pub(crate) addresses: Addresses,
    pub(crate) issuer: TokenIssuer,
    pub(crate) users: ScramCredentials,
    organizations: Vec<Running>,
    opened: Opened,
    custodians: Custodians,
    schedulers: Schedulers,
    sign_at_end: bool,
    realtime: RealtimeState,
    webhooks: WebhookState,
    doors_close: CancellationToken,
    voice_close: CancellationToken,
    voice: Option<VoiceServer>,
    kurrent: Option<kurrent::KurrentServer>,
    tasks: Vec<JoinHandle<()>>,
    http: JoinHandle<()>,
    keys_door: Option<Door>,
    _held: Held,
}

/// The process's one metrics registry.
pub(crate) fn metrics() -> Result<PrometheusHandle, Failure> {
    PrometheusBuilder::new()
        .install_recorder()
        .map_err(|error| Failure::software(format!("metrics: {error}")))
}

impl System {
    /// Opens and serves everything. With `standby` this waits until no other process writes the logs.
    pub(crate) async fn start(
        settings: &Settings,
        data: &DataDir,
        metrics: PrometheusHandle,
        standby: bool,
    ) -> Result<Self, Failure> {
        let held = data.hold()?;
        let tls = certificate::of_http(&settings.http)?;
        let probes = match standby {
            true => Some(Probes::start(settings.http.listen, tls.clone()).await?),
            false => None,
        };
        let archive = storage::open(data, settings.storage.archive.as_deref())?;
        let kek_folder = settings.keys.kek_folder.as_deref();
        at_rest::configure(data, settings.encryption.at_rest, kek_folder)?;
        let copies = settings.tables.publish.as_deref().map(Depot::open).transpose();
        let copies = copies.map_err(storage::failed)?;
        let mut logs = open_logs(settings, data, archive.as_ref()).await?;
        match probes {
            Some(probes) => {
                standby::stand_by(settings, data, &mut logs, &probes).await?;
                probes.stop().await;
            }
            None => lead(&mut logs, false).await?,
        }
        let keys = keys::open(data, kek_folder)?;
        let issuer = TokenIssuer::open(data.root()).map_err(Failure::file)?;
        let users = ScramCredentials::open(data.root()).map_err(Failure::file)?;
        let verifier = oidc::verifier(settings, &issuer, &logs)?;
        let keys_door = standby::offer(settings, data, &keys, &logs)?;
        let http = TcpListener::bind(settings.http.listen).await.map_err(|error| {
            Failure::unavailable(format!("http.listen {}: {error}", settings.http.listen))
        })?;
        let opened = Opened::default();
        let custodians = Custodians::default();
        let schedulers = Schedulers::default();
        let doors_close = CancellationToken::new();
        let doors = Doors::new(verifier.clone());
        let realtime = RealtimeState::new(verifier.clone(), realtime::Limits::default())
            .map_err(Failure::software)?;
        let mut organizations = Vec::new();
        let mut voice_doors = Vec::new();
        let mut tasks = vec![oidc::keep_keys(verifier.clone())];
        for Served { known, log, mirror, .. } in logs {
            if let Some(depot) = archive.clone().filter(|_| settings.storage.archive.is_some()) {
                tasks.push(storage::keep(&known, &log, depot, &settings.storage));
            }
            published_metrics::publish(&log).await?;
            let projections = open_tables(data, &known, &log)?;
            if let Some(depot) = copies.clone() {
                let (tables, is_encrypted) = (projections.clone(), at_rest::is_on(data)?);
                let how = &settings.tables;
                tasks.push(publication_task::keep(&known, tables, depot, how, is_encrypted));
            }
            tasks.push(retention::keep(&known, &log, &projections));
            tasks.push(alerts::watch(&log, &projections));
            let mut sinks = EffectSinks::default();
            let (calls, chats, pushes) =
                (sinks.open(Routed::Voice), sinks.open(Routed::Chat), sinks.open(Routed::Desktop));
            let engine = start_engine(data, &known, &log, sinks)?;
            let handle = engine.handle();
            let organization = Organization::new(
                known.org_id,
                Arc::new(handle.clone()),
                log.clone(),
                keys.clone(),
                settings.chat,
            );
            tasks.push(tokio::spawn(Arc::clone(&organization.pushes).run(pushes)));
            tasks.push(tokio::spawn(Arc::clone(&organization.chats).run(chats)));
            tasks.push(follow_chats(&organization, &log));
            let resumed = organization.chats.resume().await.map_err(Failure::software)?;
            tracing::info!(organization = %known.name, resumed, "chats wait for their customers");
            let live = ProjectionsFeed::new(projections.clone());
            realtime.add_organization(Arc::new(live), Some(log.clone()));
            doors.add(organization);
            opened.add(known.org_id, Open { log: log.clone(), projections: projections.clone() });
            voice_doors.push(door(&known, &handle, calls));
            let custodian = custodians.add(data, &known, log.clone())?;
            if let Some(custodian) = custodian.clone()
                && let every @ 1.. = settings.custody.checkpoint_every_s
            {
                let (name, every) = (known.name.clone(), Duration::from_secs(every));
                let close = doors_close.clone();
                tasks.push(custody::sign_regularly(name, custodian, every, close));
            }
            organizations.push(Running { known, custodian, log, projections, engine, mirror });
        }
        let state = analyzer_state(&opened, &verifier, &users)?
            .with_custody(Arc::new(custodians.clone()))
            .with_keys(keys.clone())
            .with_schedules(Arc::new(schedulers.clone()));
        let ids = organizations.iter().map(|running| running.known.org_id);
        tasks.extend(schedulers.start(&settings.reports, &opened, ids, &state)?);
        let webhooks = WebhookState::new(realtime.clone());
        let ids = organizations.iter().map(|running| running.known.org_id);
        let started = webhooks::start(&webhooks, &settings.webhooks, data, &opened, ids).await?;
        tasks.extend(started);
        let sql = if settings.sql.enabled {
            let config = pgwire_config(settings, data);
            let (address, task) =
                analyzer::pgwire::serve(config, state.clone(), doors_close.clone())
                    .await
                    .map_err(|error| Failure::unavailable(format!("sql.listen: {error}")))?;
            tasks.push(task);
            Some(address)
        } else {
            None
        };
        let flight = match flight_config(settings, data)? {
            Some(config) => {
                let (address, task) =
                    analyzer::flight::serve(config, state.clone(), doors_close.clone())
                        .await
                        .map_err(|error| Failure::unavailable(format!("flight.listen: {error}")))?;
                tasks.push(task);
                Some(address)
            }
            None => None,
        };
        let kurrent = match kurrent_config(settings, data)? {
            Some(config) => Some(
                kurrent::serve(
                    config,
                    Arc::new(EventClients {
                        verifier: verifier.clone(),
                        users: users.clone(),
                        opened: opened.clone(),
                    }),
                    Arc::new(opened.clone()),
                    Arc::new(EventHouse(opened.clone())),
                    doors_close.clone(),
                )
                .await
                .map_err(|error| Failure::unavailable(format!("kurrent.listen: {error}")))?,
            ),
            None => None,
        };
        let voice_close = CancellationToken::new();
        let voice = if settings.sip.enabled {
            let config = settings.voice()?;
            let server = voice::serve(config, voice_doors, keys.clone(), voice_close.clone())
                .await
                .map_err(Failure::unavailable)?;
            Some(server)
        } else {
            None
        };
        let watched = organizations
            .iter()
            .map(|running| Watched {
                name: running.known.name.clone(),
                engine: running.engine.handle(),
                projections: running.projections.clone(),
            })
            .collect();
        let router = ledgerline_ingest::http::router(doors)
            .merge(realtime::router(realtime.clone()))
            .merge(webhook::router(webhooks.clone()))
            .merge(analyzer::router(state))
            .merge(ops::router(watched, metrics, verifier))
            .layer(axum::middleware::from_fn(refused_body::discard));
        let addresses = Addresses {
            http: http.local_addr().map_err(Failure::software)?,
            http_scheme: settings.http.scheme(),
            sip_udp: voice.as_ref().map(|server| server.udp_addr),
            sip_tcp: voice.as_ref().map(|server| server.tcp_addr),
            sql,
            flight,
            kurrent: kurrent.as_ref().map(|server| server.address),
            keys: keys_door.as_ref().map(|door| door.address),
            organizations: organizations
                .iter()
                .map(|running| (running.known.name.clone(), running.known.org_id.to_string()))
                .collect(),
        };
        let close = doors_close.clone();
        let http = HttpListener::new(http, tls, HANDSHAKE_TIME_MAX);
        let http = tokio::spawn(async move {
            let serving = axum::serve(http, router)
                .with_graceful_shutdown(async move { close.cancelled().await });
            if let Err(error) = serving.await {
                tracing::error!(%error, "the HTTP server stopped");
            }
        });
        Ok(Self {
            addresses,
            issuer,
            users,
            organizations,
            opened,
            custodians,
            schedulers,
            sign_at_end: settings.custody.checkpoint_every_s > 0,
            realtime,
            webhooks,
            doors_close,
            voice_close,
            voice,
            kurrent,
            tasks,
            http,
            keys_door,
            _held: held,
        })
    }

    /// Log, tables and name of the first organization.
    pub(crate) fn first(&self) -> Option<(Known, Open)> {
        let known = self.organizations.first()?.known.clone();
        self.opened.get(known.org_id).map(|open| (known, open))
    }

    /// Resolves when an engine or a projection can no longer go on.
    pub(crate) async fn failed(&self) -> String {
        let mut waits = Vec::new();
        for running in &self.organizations {
            let mut health = running.engine.handle().watch_health();
            let name = running.known.name.clone();
            waits.push(Box::pin(async move {
                loop {
                    if let Err(reason) = health.borrow_and_update().clone() {
                        return format!("organization {name}: the engine stopped: {reason}");
                    }
                    if health.changed().await.is_err() {
                        return format!("organization {name}: the engine ended");
                    }
                }
            }) as futures::future::BoxFuture<'_, String>);
            let Some(mirror) = &running.mirror else { continue };
            let mut status = mirror.watch();
            let name = running.known.name.clone();
            waits.push(Box::pin(async move {
                let ended = status.wait_for(|status| status.role == Role::Ended).await;
                let failure = ended.ok().and_then(|status| status.failure.clone());
                let reason = failure.unwrap_or_else(|| "it ended".to_owned());
                format!("organization {name}: the mirror of the engine's log: {reason}")
            }));
        }
        futures::future::select_all(waits).await.0
    }

    /// Closes the doors, ends calls, writes everything down.
    pub(crate) async fn stop(self) {
        self.realtime.shut_down();
        self.voice_close.cancel();
        if let Some(voice) = self.voice
            && voice.join.await.is_err()
        {
            tracing::error!("the voice edge ended badly");
        }
        self.doors_close.cancel();
        // Sockets of desktops and chats do not end by themselves.
        let patience = std::time::Duration::from_secs(2);
        if tokio::time::timeout(patience, self.http).await.is_err() {
            tracing::debug!("open connections are cut");
        }
        if let Some(kurrent) = self.kurrent
            && kurrent.task.await.is_err()
        {
            tracing::error!("the KurrentDB endpoint ended badly");
        }
        for task in self.tasks {
            task.abort();
        }
        self.opened.clear();
        self.custodians.clear();
        self.schedulers.clear();
        self.webhooks.clear();
        for running in self.organizations {
            let Running { known, custodian, log, projections, engine, mirror } = running;
            drop(mirror);
            if tokio::task::spawn_blocking(move || engine.stop()).await.is_err() {
                tracing::error!(organization = %known.name, "the engine ended badly");
            }
            projections.stop().await;
            if let Some(custodian) = custodian.filter(|_| self.sign_at_end) {
                let name = known.name.clone();
                let signing = tokio::task::spawn_blocking(move || custody::sign(&name, &custodian));
                if signing.await.is_err() {
                    tracing::error!(organization = %known.name, "signing a checkpoint ended badly");
                }
            }
            tracing::info!(organization = %known.name, head = log.head().0, "closed");
        }
        // Last: what was sealed until now waited for the standbys, which take over as soon as the logs are given up.
        if let Some(door) = self.keys_door
            && tokio::task::spawn_blocking(move || door.close()).await.is_err()
        {
            tracing::error!("the door of keys ended badly");
        }
    }
}

/// The analyzer over everything that is open.
pub(crate) fn analyzer_state(
    opened: &Opened,
    verifier: &Verifier,
    users: &ScramCredentials,
) -> Result<analyzer::AnalyzerState, Failure> {
    let ports = analyzer::Ports {
        snapshots: Arc::new(opened.clone()),
        logs: Arc::new(opened.clone()),
        recorder: Arc::new(analyzer::record::LogRecorder::new(opened.clone())),
        authenticator: Arc::new(Tokens(verifier.clone())),
        scram: Arc::new(DatabaseUsers(users.clone())),
    };
    let engine = analyzer::Engine::new(analyzer::Limits::default()).map_err(Failure::software)?;
    Ok(analyzer::AnalyzerState::new(engine, ports))
}

fn door(
    known: &Known,
    handle: &EngineHandle,
    effects: tokio::sync::mpsc::UnboundedReceiver<ledgerline_ingest::engine::Delivery>,
) -> VoiceDoor {
    VoiceDoor { org_id: known.org_id, commands: Arc::new(handle.clone()), effects, numbers: None }
}

fn follow_chats(organization: &Arc<Organization>, log: &Arc<EmbeddedLog>) -> JoinHandle<()> {
    let chats = Arc::clone(&organization.chats);
    let after = log.head();
    tokio::spawn(async move {
        if let Err(error) = chats.follow(after).await {
            tracing::debug!(%error, "chats no longer follow the log");
        }
    })
}

fn pgwire_config(settings: &Settings, data: &DataDir) -> analyzer::pgwire::Config {
    let sql = &settings.sql;
    analyzer::pgwire::Config {
        listen: sql.listen,
        certificate: sql.certificate.clone().zip(sql.private_key.clone()),
        data_dir: data.root().to_owned(),
        connections_max: sql.connections_max,
    }
}

/// How Arrow Flight SQL is served; `None`: not at all.
fn flight_config(
    settings: &Settings,
    data: &DataDir,
) -> Result<Option<analyzer::flight::Config>, Failure> {
    let flight = &settings.flight;
    if !flight.enabled {
        return Ok(None);
    }
    let files = match flight.certificate.clone().zip(flight.private_key.clone()) {
        Some(files) => files,
        None => certificate::self_signed(data.root(), "flight")?,
    };
    Ok(Some(analyzer::flight::Config {
        tls: Some(certificate::acceptor(&files, &[b"h2"])?),
        connections_max: flight.connections_max,
        ..analyzer::flight::Config::at(flight.listen)
    }))
}

/// How the KurrentDB protocol is served; `None`: not at all.
fn kurrent_config(settings: &Settings, data: &DataDir) -> Result<Option<kurrent::Config>, Failure> {
    let kurrent = &settings.kurrent;
    if !kurrent.enabled {
        return Ok(None);
    }
    let files = match kurrent.certificate.clone().zip(kurrent.private_key.clone()) {
        Some(files) => files,
        None => certificate::self_signed(data.root(), "kurrent")?,
    };
    Ok(Some(kurrent::Config {
        listen: kurrent.listen,
        tls: Some(certificate::acceptor(&files, &[b"h2"])?),
        connections_max: kurrent.connections_max,
        groups: Some(data.root().join("kurrent-groups.redb")),
    }))
}
