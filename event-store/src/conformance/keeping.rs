//! Cases about what outlives a handle, and what is promised.

use ledgerline_schemas::{Position, StreamId, Version};

use super::sample::{event, expecting, fill, must, of};
use super::{Log, Outcome, Subject, Verdict, ensure};
use crate::capability::{Atomicity, ConcurrencyControl, Idempotence};
use crate::custody::{Hash, leaf_hash};
use crate::log::Expected;

/// What the product cannot do without, whatever else an engine promises.
pub(super) async fn capabilities(log: &Log) -> Verdict {
    let promised = log.capabilities();
    ensure!(promised.atomicity == Atomicity::Log, "{promised:?}");
    ensure!(promised.concurrency != ConcurrencyControl::None, "{promised:?}");
    ensure!(promised.idempotence == Idempotence::Exact, "{promised:?}");
    ensure!(!promised.engine.is_empty(), "the engine has no name");
    Ok(())
}

fn leaves(log: &Log) -> Result<Vec<Hash>, String> {
    log.scan(Position::START)
        .map(|event| event.map(|event| leaf_hash(&event)).map_err(|error| error.to_string()))
        .collect()
}

pub(super) async fn reopening(subject: &mut dyn Subject) -> Result<Outcome, String> {
    let log = subject.fresh().await?;
    fill(&log, 50).await?;
    for (consumer, position) in [("tables", 7), ("chats", 9), ("tables", 8)] {
        log.save_checkpoint(consumer, Position(position)).map_err(|error| error.to_string())?;
    }
    let before = leaves(&log)?;
    drop(log);
    let mut rounds = 0;
    for round in 0..3_u64 {
        let Some(log) = subject.reopen().await? else {
            return Ok(Outcome::Skipped("it does not outlive its handles"));
        };
        rounds += 1;
        let head = Position(50 + round);
        ensure!(log.head() == head, "reopened at {}, not {head}", log.head());
        let now = leaves(&log)?;
        ensure!(now.starts_with(&before), "events changed over a reopening");
        let checkpoint = |name| log.load_checkpoint(name).map_err(|error| error.to_string());
        ensure!(checkpoint("tables")? == Some(Position(8)), "a checkpoint is lost");
        ensure!(checkpoint("chats")? == Some(Position(9)), "a checkpoint is lost");
        ensure!(checkpoint("nobody")?.is_none(), "a checkpoint nobody saved");
        let again = must(&log, of(vec![event(0, "interaction-1")])).await;
        // The first append had three events; one of them alone is a repetition of that one.
        let again = again?;
        ensure!(again.duplicate, "an id is forgotten: {again:?}");
        let found = log.find_event(event(0, "interaction-1").id).map_err(|it| it.to_string())?;
        ensure!(found == Some(again.first), "event 0 is at {}, found at {found:?}", again.first);
        let head = log
            .stream_head(&StreamId::new("agent-7"))
            .map_err(|error| error.to_string())?
            .ok_or("a stream is forgotten")?;
        let next =
            expecting(vec![event(1_000 + round, "agent-7")], "agent-7", Expected::Exact(head));
        let appended = must(&log, next).await?;
        ensure!(appended.versions == [Version(head.0 + 1)], "{appended:?} after {head}");
    }
    ensure!(rounds == 3, "reopened {rounds} times");
    Ok(Outcome::Passed)
}
