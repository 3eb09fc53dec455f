//! `ledgerline engine`: moving the log between the embedded one and another engine.

use std::sync::Arc;

use indicatif::{ProgressBar, ProgressStyle};
use ledgerline_event_store::EventReader as _;
use ledgerline_event_store::engine::{Compared, Mirror, compare, detach};

use crate::cli::{Direction, Engine, EngineMove, EngineVerb};
use crate::data_dir::{DataDir, Known};
use crate::engine::failed;
use crate::failure::Failure;
use crate::logging;
use crate::organization::plain_options;
use crate::output::say;
use crate::settings::Settings;

/// Runs one of the verbs.
pub(crate) async fn run(arguments: Engine) -> Result<(), Failure> {
    match arguments.verb {
        EngineVerb::Move(arguments) => moves(arguments).await,
    }
}

async fn moves(arguments: EngineMove) -> Result<(), Failure> {
    let settings = Settings::read(&arguments.config)?;
    if settings.engine.is_embedded() {
        return Err(Failure::config(
            "engine.kind: the configuration names no engine to move to or from",
        ));
    }
    logging::start(&settings.log.level, settings.log.json);
    let data = DataDir::existing(arguments.data.as_ref().unwrap_or(&settings.data))?;
    let _held = data.hold()?;
    for known in data.choose_or_all(arguments.org.as_deref())? {
        match arguments.to {
            Direction::Engine => to_engine(&settings, &data, &known).await?,
            Direction::Embedded => to_embedded(&settings, &data, &known).await?,
        }
    }
    Ok(())
}

/// Gives the engine everything the log has. Repeated after an interruption it goes on where it was.
async fn to_engine(settings: &Settings, data: &DataDir, known: &Known) -> Result<(), Failure> {
    let failed = |error| failed(&known.name, &error);
    let carrier = settings.engine.connect(known.org_id).await?;
    let mirror = Mirror::adopt(
        &data.organization_dir(known.org_id).join("log"),
        known.org_id,
        plain_options(data, known)?,
        Arc::clone(&carrier),
        settings.engine.mirror_options(known.org_id),
    )
    .map_err(failed)?;
    let bar = progress_bar("sending", mirror.log().head().0);
    let mut status = mirror.watch();
    let shown = bar.clone();
    let watching = tokio::spawn(async move {
        while status.changed().await.is_ok() {
            shown.set_position(status.borrow().healed_events);
        }
    });
    let led = mirror.lead().await;
    watching.abort();
    bar.finish_and_clear();
    let takeover = led.map_err(failed)?;
    let compared = compared(&mirror, carrier, known).await?;
    say(&format!(
        "organization {}: {} of {} events were sent to {}",
        known.name,
        takeover.healed_events,
        compared.log_events,
        settings.engine.log_name(known.org_id)
    ));
    Ok(())
}

/// Takes everything the engine has, ends the writer there is, and makes the log its own again.
async fn to_embedded(settings: &Settings, data: &DataDir, known: &Known) -> Result<(), Failure> {
    let failed = |error| failed(&known.name, &error);
    let directory = data.organization_dir(known.org_id).join("log");
    let carrier = settings.engine.connect(known.org_id).await?;
    let mirror = Mirror::open(
        &directory,
        known.org_id,
        plain_options(data, known)?,
        Arc::clone(&carrier),
        settings.engine.mirror_options(known.org_id),
    )
    .map_err(failed)?;
    // Whoever holds the log writes no more from here on.
    mirror.lead().await.map_err(failed)?;
    compared(&mirror, carrier, known).await?;
    drop(mirror);
    detach(&directory, known.org_id, plain_options(data, known)?).map_err(failed)?;
    say(&format!(
        "organization {}: the log is this directory's own again; what is left at {} is history",
        known.name,
        settings.engine.log_name(known.org_id)
    ));
    Ok(())
}

/// Reads the engine anew and compares every position.
async fn compared(
    mirror: &Mirror,
    carrier: Arc<dyn ledgerline_event_store::engine::Carrier>,
    known: &Known,
) -> Result<Compared, Failure> {
    let bar = progress_bar("comparing", mirror.log().head().0);
    let shown = bar.clone();
    let compared =
        compare(mirror.log(), carrier, &mut move |position| shown.set_position(position.0)).await;
    bar.finish_and_clear();
    let compared = compared.map_err(|error| failed(&known.name, &error))?;
    let Compared { log_events, engine_events, log_root, engine_root } = &compared;
    say(&format!("organization {}: log     {log_events} events, root {log_root}", known.name));
    say(&format!(
        "organization {}: engine  {engine_events} events, root {engine_root}",
        known.name
    ));
    if !compared.is_equal() {
        return Err(Failure::data(format!(
            "organization {}: the engine and the log are not the same",
            known.name
        )));
    }
    Ok(compared)
}

fn progress_bar(what: &'static str, events: u64) -> ProgressBar {
    let bar = ProgressBar::new(events);
    if let Ok(style) =
        ProgressStyle::with_template("{msg} {bar:40} {pos}/{len} events  {per_sec}  {eta} left")
    {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}
