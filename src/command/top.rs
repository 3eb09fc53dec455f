//! `ledgerline top`: queues, agents and contacts of a running server, live.

mod screen;
mod shown;

use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use console::{Style, Term};
use serde_json::Value;

use crate::command::client::Server;
use crate::failure::Failure;
use crate::live::{Dataset, Live};
use crate::organization::now;
use crate::output::print;
use screen::{Known, Lag, Screen};
use shown::Tone;

/// What is subscribed to.
const DATASETS: [&str; 4] = ["queue_live", "agent_live", "interaction_live", "team_live"];
/// How often the screen is drawn: times waited grow by themselves.
const DRAW_EVERY: Duration = Duration::from_millis(500);
/// How often the server is asked how far its tables are behind.
const LAG_EVERY: Duration = Duration::from_secs(5);
/// Columns and lines of a picture where there is no terminal to ask.
const PICTURE: (usize, usize) = (160, 60);

#[derive(Debug, Args)]
pub(crate) struct Top {
    /// A running server: `http://host:port`.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    server: String,
    /// Token of a supervisor, analyst, administrator or integrator; `ledgerline token` makes one.
    #[arg(long, value_name = "TOKEN", env = "LEDGERLINE_TOKEN", hide_env_values = true)]
    token: String,
    /// Show this alone, in full height.
    #[arg(long, value_name = "WHAT")]
    only: Option<Pane>,
    /// Most changes a second that are sent for a dataset, 0.1 to 50.
    #[arg(long, value_name = "HZ", default_value_t = 2.0, value_parser = hz)]
    max_hz: f64,
    /// Print one picture as text and end.
    #[arg(long)]
    once: bool,
}

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pane {
    Queues,
    Agents,
    Contacts,
}

fn hz(text: &str) -> Result<f64, String> {
    let hz: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    if (0.1..=50.0).contains(&hz) { Ok(hz) } else { Err("must be 0.1 to 50".to_owned()) }
}

pub(crate) async fn run(arguments: Top) -> Result<(), Failure> {
    let base = arguments.server.trim_end_matches('/').to_owned();
    let server = Server::at(&base, &arguments.token);
    let terminal = Term::stdout();
    if !arguments.once && !terminal.is_term() {
        return Err(Failure::data("top needs a terminal; --once prints one picture as text"));
    }
    let mut live = Live::open(&base, &arguments.token, &DATASETS, arguments.max_hz).await?;
    let mut screen = Screen::default();
    if arguments.once {
        while !live.is_whole() {
            live.next().await?;
        }
        let known = known(&live, lag(&server, live.org_id.as_deref()).await);
        let size = size(&terminal).unwrap_or(PICTURE);
        for (_, line) in screen.lines(&known, arguments.only, size, now()) {
            print(&format!("{line}\n"));
        }
        return Ok(());
    }
    let failed = |error: std::io::Error| Failure::software(error);
    terminal.hide_cursor().map_err(failed)?;
    let outcome = tokio::select! {
        outcome = watch(&terminal, &mut screen, &mut live, &server, arguments.only) => outcome,
        stopped = tokio::signal::ctrl_c() => stopped.map_err(Failure::software),
    };
    terminal.show_cursor().map_err(failed)?;
    outcome
}

/// Columns and lines of a terminal.
fn size(terminal: &Term) -> Option<(usize, usize)> {
    terminal.size_checked().map(|(lines, columns)| (columns.into(), lines.into()))
}

/// Draws until the connection ends.
async fn watch(
    terminal: &Term,
    screen: &mut Screen,
    live: &mut Live,
    server: &Server,
    only: Option<Pane>,
) -> Result<(), Failure> {
    let mut draw = tokio::time::interval(DRAW_EVERY);
    draw.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut behind = Lag::Unknown;
    let mut asked: Option<Instant> = None;
    loop {
        tokio::select! {
            taken = live.next() => taken?,
            _ = draw.tick() => {
                if asked.is_none_or(|at| at.elapsed() >= LAG_EVERY) {
                    asked = Some(Instant::now());
                    behind = lag(server, live.org_id.as_deref()).await;
                }
                let size = size(terminal).unwrap_or(PICTURE);
                let lines = screen.lines(&known(live, behind), only, size, now());
                paint(terminal, &lines).map_err(Failure::software)?;
            }
        }
    }
}

/// Draws over what is there, so that nothing flickers.
fn paint(terminal: &Term, lines: &[(Tone, String)]) -> std::io::Result<()> {
    terminal.move_cursor_to(0, 0)?;
    for (index, (tone, line)) in lines.iter().enumerate() {
        let style = match tone {
            Tone::Plain => Style::new(),
            Tone::Heading => Style::new().bold(),
            Tone::Waiting => Style::new().yellow(),
            Tone::Late => Style::new().red().bold(),
            Tone::Busy => Style::new().cyan(),
            Tone::Free => Style::new().green(),
            Tone::Away => Style::new().dim(),
        };
        terminal.clear_line()?;
        terminal.write_str(&style.apply_to(line).to_string())?;
        if index + 1 < lines.len() {
            terminal.write_line("")?;
        }
    }
    terminal.clear_to_end_of_screen()
}

/// What is known now.
fn known(live: &Live, lag: Lag) -> Known<'_> {
    let rows = |name: &str| -> Vec<&Value> {
        live.dataset(name).map(Dataset::rows).into_iter().flatten().collect()
    };
    Known {
        queues: rows("queue_live"),
        agents: rows("agent_live"),
        contacts: rows("interaction_live"),
        teams: rows("team_live"),
        position: live.dataset("queue_live").map_or(0, |dataset| dataset.position),
        lag,
    }
}

/// How many events the tables are behind the log, if the token may read metrics.
async fn lag(server: &Server, org_id: Option<&str>) -> Lag {
    let Some(org_id) = org_id else { return Lag::Unknown };
    let Ok(answer) = server.ask(reqwest::Method::GET, "/metrics", "text/plain", None).await else {
        return Lag::Unknown;
    };
    let text = answer.text().await.unwrap_or_default();
    behind(&text, org_id).map_or(Lag::Unknown, Lag::Events)
}

/// The gauge of an organization's tables.
fn behind(metrics: &str, org_id: &str) -> Option<u64> {
    let of_org = format!("org_id=\"{org_id}\"");
    let line = metrics.lines().find(|line| {
        line.starts_with("ledgerline_projection_lag_events{") && line.contains(&of_org)
    })?;
    let lag: f64 = line.rsplit_once(' ')?.1.parse().ok()?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
    Some(lag.max(0.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_is_that_of_the_organization() {
        let metrics = "# TYPE ledgerline_projection_lag_events gauge\n\
            ledgerline_projection_lag_events{projection=\"tables\",org_id=\"a\"} 7\n\
            ledgerline_projection_lag_events{projection=\"tables\",org_id=\"b\"} 12\n";
        assert_eq!((behind(metrics, "b"), behind(metrics, "c")), (Some(12), None));
    }

    #[test]
    fn a_rate_is_checked() {
        assert_eq!(hz("2.5"), Ok(2.5));
        assert!(hz("0").is_err() && hz("51").is_err() && hz("fast").is_err());
    }
}
