//! `ledgerline demo`: the whole system with simulated customers and agents.
//!
//! The simulated people use only the public doors; the summary is read back through SQL and the live
//! door. The demo fails when its figures disagree or when something happened outside the scenario.

mod agreement;
mod figures;
mod organization;
mod watch;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use ledgerline_access::{Grant, NewUser, Role, TokenIssuer};
use ledgerline_schemas::config::EntityKind;
use ledgerline_schemas::id::{OrgId, UserId};
use ledgerline_simulation::{Plan, Seat, Simulation, Tally};
use tokio_util::sync::CancellationToken;

use crate::cli::Demo;
use crate::command::serve::{announce, stop_asked};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::logging;
use crate::output::say;
use crate::settings::Settings;
use crate::system::{self, System};

use figures::Door;

/// Name of the demo's organization.
const ORGANIZATION: &str = "demo";
/// Life of the demo's tokens, s.
const TOKEN_TTL_S: u64 = 12 * 3_600;

/// Where and as whom the demo drives a server.
struct Against {
    http: SocketAddr,
    sip: SocketAddr,
    org_id: OrgId,
    issuer: TokenIssuer,
}

impl Against {
    fn token(&self, role: Role, user: Option<UserId>, subject: &str) -> Result<String, Failure> {
        let grant = Grant {
            org_id: self.org_id,
            subject: subject.to_owned(),
            roles: [role].into(),
            user_id: user,
            user_profile_id: None,
            ttl_s: TOKEN_TTL_S,
        };
        self.issuer.issue(&grant).map_err(Failure::software)
    }

    fn base(&self) -> String {
        format!("http://{}", self.http)
    }
}

/// Runs the demo.
pub(crate) async fn run(arguments: Demo) -> Result<(), Failure> {
    logging::start("warn", false);
    match &arguments.against {
        Some(url) => drive_other(&arguments, url).await,
        None => own(&arguments).await,
    }
}

async fn own(arguments: &Demo) -> Result<(), Failure> {
    let temporary = match &arguments.data {
        Some(_) => None,
        None => Some(tempfile::tempdir().map_err(Failure::file)?),
    };
    let root: PathBuf = match (&arguments.data, &temporary) {
        (Some(root), _) => root.clone(),
        (None, Some(folder)) => folder.path().join("data"),
        (None, None) => return Err(Failure::software("no data directory")),
    };
    let data = DataDir::create(&root, true)?;
    let mut settings = Settings {
        data: root,
        organizations: vec![ORGANIZATION.to_owned()],
        ..Settings::default()
    };
    settings.take_free_ports();
    let system = System::start(&settings, &data, system::metrics()?, false).await?;
    announce(&system.addresses);
    let outcome = drive_own(arguments, &system).await;
    system.stop().await;
    outcome
}

async fn drive_own(arguments: &Demo, system: &System) -> Result<(), Failure> {
    let (known, open) = system.first().ok_or_else(|| Failure::software("no organization"))?;
    let sip = system.addresses.sip_udp.ok_or_else(|| Failure::software("no SIP"))?;
    let against = Against {
        http: system.addresses.http,
        sip,
        org_id: known.org_id,
        issuer: system.issuer.clone(),
    };
    let analyst = against.token(Role::Administrator, None, "demo-administrator")?;
    organization::apply(&against).await?;
    hints(&against, system, &analyst)?;
    let door = Door { base: against.base(), token: analyst };
    let before = figures::read(&door).await?;
    let tally = Tally::default();
    let simulation = Simulation::open(plan(arguments, &against)?, tally.clone())
        .await
        .map_err(Failure::software)?;
    let stop = CancellationToken::new();
    let watching = tokio::spawn(watch::show(door.clone(), tally.clone(), stop.child_token()));
    let tables = open.projections.snapshot();
    let datasets = tables.tables.values().filter(|table| table.def.live).map(|it| it.def.name);
    let agreeing = agreement::watch(door.clone(), datasets.collect(), stop.child_token());
    let agreeing = tokio::spawn(agreeing);
    drop(tables);
    let running = tokio::spawn(simulation.run(stop.clone()));
    wait(arguments.seconds).await;
    say("customers stop coming; those inside are served");
    stop.cancel();
    running.await.map_err(Failure::software)?;
    watching.await.map_err(Failure::software)?;
    let agreement = agreeing.await.map_err(Failure::software)??;
    // The figures are read at the end of everything that happened.
    let head = ledgerline_event_store::EventReader::head(&*open.log);
    open.projections.wait_for(head).await.map_err(Failure::software)?;
    let live = watch::snapshot(&door).await?;
    let after = figures::read(&door).await?;
    figures::summarize(&before, &after, &live, &agreement, &tally.totals())
}

async fn wait(seconds: Option<u64>) {
    match seconds {
        Some(seconds) => tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(seconds)) => {}
            () = stop_asked() => {}
        },
        None => stop_asked().await,
    }
}

/// `--against`: somebody else's server, perhaps one that is being killed; only what it acknowledges counts.
async fn drive_other(arguments: &Demo, url: &str) -> Result<(), Failure> {
    let missing = |what: &str| Failure::config(format!("--against needs {what}"));
    let data = arguments.token.as_deref().ok_or_else(|| missing("--token"))?;
    let data = DataDir::existing(data)?;
    let known = data.choose(None)?;
    let http = url
        .trim_end_matches('/')
        .strip_prefix("http://")
        .and_then(|rest| rest.parse().ok())
        .ok_or_else(|| Failure::config(format!("--against: {url:?} is not http://address:port")))?;
    let against = Against {
        http,
        sip: arguments.sip.ok_or_else(|| missing("--sip"))?,
        org_id: known.org_id,
        issuer: TokenIssuer::open(data.root()).map_err(Failure::file)?,
    };
    organization::apply(&against).await?;
    let tally = match &arguments.ledger {
        Some(path) => Tally::with_ledger(path)
            .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?,
        None => Tally::default(),
    };
    let simulation = Simulation::open(plan(arguments, &against)?, tally.clone())
        .await
        .map_err(Failure::unavailable)?;
    let stop = CancellationToken::new();
    let running = tokio::spawn(simulation.run(stop.clone()));
    wait(arguments.seconds).await;
    stop.cancel();
    running.await.map_err(Failure::software)?;
    figures::show_tally(&tally.totals());
    Ok(())
}

fn plan(arguments: &Demo, against: &Against) -> Result<Plan, Failure> {
    let mut seats = Vec::new();
    for (name, team) in organization::agents() {
        let id = EntityKind::User.derive_id(against.org_id, &name);
        let user_id = UserId::new(id.uuid());
        let token = against.token(Role::Agent, Some(user_id), &name)?;
        seats.push(Seat { name, user_id, team: team.to_owned(), token });
    }
    Ok(Plan {
        http: against.base(),
        sip: against.sip,
        seats,
        numbers: organization::NUMBERS
            .iter()
            .map(|(number, weight)| ((*number).to_owned(), *weight))
            .collect(),
        chat_entry_points: vec![organization::CHAT_ENTRY_POINT.to_owned()],
        chat_token: against.token(Role::Integrator, None, "demo-page")?,
        voice_transfer_queues: vec!["Support calls".to_owned(), "Billing calls".to_owned()],
        chat_transfer_queues: vec!["Web chats".to_owned()],
        calls_per_minute: arguments.rate,
        chats_per_minute: (arguments.rate / 4).max(1),
        seed: arguments.seed,
    })
}

/// How to look around while it runs.
fn hints(against: &Against, system: &System, token: &str) -> Result<(), Failure> {
    let analyst = NewUser {
        name: "demo".to_owned(),
        org_id: against.org_id,
        roles: [Role::Analyst, Role::Supervisor].into(),
        user_id: None,
        user_profile_id: None,
    };
    let password = match system.users.create_user(&analyst) {
        Ok(password) => password,
        // A demo directory that is used again.
        Err(_) => system.users.reset_password("demo").map_err(Failure::software)?,
    };
    let base = against.base();
    say(&format!("\ntoken (administrator, 12 h):\n{token}\n"));
    say("look around:");
    if let Some(sql) = system.addresses.sql {
        let (host, port) = (sql.ip(), sql.port());
        say(&format!(
            "  PGPASSWORD={password} psql \"host={host} port={port} user=demo dbname=ledgerline sslmode=require\""
        ));
    }
    say(&format!(
        "  curl -s {base}/v1/sql -H 'authorization: Bearer '$TOKEN -H 'accept: text/csv' \\\n    \
         -d '{{\"sql\": \"select queue_name, outcome, count(*) from queue_leg group by 1, 2 order by 1, 2\"}}' \\\n    \
         -H 'content-type: application/json'"
    ));
    say(&format!(
        "  websocat -H=\"authorization: Bearer $TOKEN\" ws://{}/v1/realtime   # then: \
         {{\"type\":\"subscribe\",\"id\":\"1\",\"dataset\":\"queue_live\"}}",
        against.http
    ));
    say(&format!("  curl -s {base}/metrics -H 'authorization: Bearer '$TOKEN\n"));
    Ok(())
}
