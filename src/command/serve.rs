//! `ledgerline serve`.

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::{PortChoice, Serve};
use crate::data_dir::DataDir;
use crate::failure::Failure;
use crate::logging;
use crate::output::say;
use crate::settings::Settings;
use crate::system::{self, Addresses, System};

/// Runs until Ctrl-C, SIGTERM or a failure of the log.
pub(crate) async fn run(arguments: Serve) -> Result<(), Failure> {
    let mut settings = match &arguments.config {
        Some(path) => Settings::read(path)?,
        None => Settings::default(),
    };
    if let Some(data) = &arguments.data {
        settings.data.clone_from(data);
    }
    if arguments.ports == PortChoice::Auto {
        settings.take_free_ports();
    }
    logging::start(&settings.log.level, settings.log.json);
    let data = DataDir::create(&settings.data, false)?;
    if arguments.standby && settings.engine.is_embedded() {
        return Err(Failure::config(
            "--standby: the embedded log has one process; configure another engine",
        ));
    }
    let starting = System::start(&settings, &data, system::metrics()?, arguments.standby);
    let system = if arguments.standby {
        say("standing by: following the engine's log until nobody else writes it");
        tokio::select! {
            started = starting => started?,
            () = stop_asked() => return Ok(()),
        }
    } else {
        starting.await?
    };
    // Whoever reads the addresses may ask to stop at once: it is listened for before they are told.
    let mut asked = std::pin::pin!(stop_asked());
    let early = tokio::select! {
        biased;
        () = &mut asked => true,
        () = std::future::ready(()) => false,
    };
    announce(&system.addresses);
    if let Some(path) = &arguments.addresses {
        let text = serde_json::to_string(&system.addresses).map_err(Failure::software)?;
        let aside = path.with_extension("partial");
        std::fs::write(&aside, text)
            .and_then(|()| std::fs::rename(&aside, path))
            .map_err(|error| Failure::file(format!("{}: {error}", path.display())))?;
    }
    let failure = tokio::select! {
        () = async { if !early { asked.await } } => None,
        reason = system.failed() => Some(reason),
    };
    say("stopping");
    system.stop().await;
    match failure {
        Some(reason) => Err(Failure::software(reason)),
        None => Ok(()),
    }
}

/// Ctrl-C or SIGTERM.
pub(crate) async fn stop_asked() {
    let interrupt = async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let terminate = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                terminate.recv().await;
            }
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}

/// Prints where the system listens.
pub(crate) fn announce(addresses: &Addresses) {
    say(&format!("HTTP, WebSocket   {}://{}", addresses.http_scheme, addresses.http));
    if let (Some(udp), Some(tcp)) = (addresses.sip_udp, addresses.sip_tcp) {
        say(&format!("SIP               {udp}/udp {tcp}/tcp"));
    }
    if let Some(sql) = addresses.sql {
        say(&format!("PostgreSQL wire   {sql} (TLS)"));
    }
    if let Some(flight) = addresses.flight {
        say(&format!("Arrow Flight SQL  {flight} (TLS; clear text from this machine)"));
    }
    if let Some(kurrent) = addresses.kurrent {
        say(&format!("KurrentDB clients {kurrent} (TLS; clear text from this machine)"));
    }
    if let Some(keys) = addresses.keys {
        say(&format!("keys for standbys {keys}"));
    }
    for (name, id) in &addresses.organizations {
        say(&format!("organization      {name} {id}"));
    }
}
