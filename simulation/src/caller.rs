//! A simulated customer on the phone.

use std::future::pending;
use std::time::Duration;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver, TerminatedReason};
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::behavior::CallerMind;
use crate::rtp::{AGENT_TONE_HZ, CUSTOMER_TONE_HZ, Session};
use crate::sdp;
use crate::tally::Tally;
use crate::user_agent::{SipError, UserAgent};

/// Answers a scenario allows: no route, busy, not now, and the answer to a CANCEL.
const ALLOWED: [u16; 4] = [200, 480, 486, 487];

/// Longest a simulated call lasts, whatever happens.
const LONGEST_MS: u64 = 120_000;

/// Places one call to `callee` (a SIP address) and lives through it. Everything seen goes to the tally.
pub async fn call(agent: UserAgent, callee: String, mind: CallerMind, tally: Tally) {
    tally.note(|totals| totals.calls += 1);
    if let Err(error) = live(&agent, &callee, mind, &tally).await {
        if error.to_string().to_lowercase().contains("timeout") {
            tally.note(|totals| totals.sip_timeouts += 1);
        }
        tally.surprise(format!("call: {error}"));
    }
}

async fn live(
    agent: &UserAgent,
    callee: &str,
    mind: CallerMind,
    tally: &Tally,
) -> Result<(), SipError> {
    let media = Session::open(CUSTOMER_TONE_HZ, AGENT_TONE_HZ).await?;
    let caller = format!("customer{}", media.local().port());
    let call_id = Uuid::new_v4().to_string();
    let (option, mut states, inviting) =
        agent.invite(&caller, callee, &call_id, sdp::describe(media.local()))?;
    let placed = {
        let placing = inviting.place(option);
        tokio::pin!(placing);
        let cancel = async {
            match mind.cancel_after_ms {
                // A CANCEL may only follow a provisional answer (RFC 3261, section 9.1).
                Some(_) => provisional(&mut states).await,
                None => pending().await,
            }
        };
        tokio::select! {
            placed = &mut placing => Some(placed?),
            () = cancel => None,
        }
    };
    let Some((dialog, answer)) = placed else {
        tally.note(|totals| {
            totals.calls_cancelled += 1;
            *totals.sip_answers.entry(487).or_default() += 1;
        });
        return Ok(());
    };
    let Some((status, body)) = answer else {
        tally.note(|totals| totals.sip_timeouts += 1);
        return Ok(());
    };
    tally.note(|totals| *totals.sip_answers.entry(status).or_default() += 1);
    if !ALLOWED.contains(&status) {
        tally.surprise(format!("INVITE was answered {status}"));
    }
    if status != 200 {
        agent.forget(&dialog);
        return Ok(());
    }
    tally.note(|totals| totals.calls_answered += 1);
    tally.acknowledged_call(&call_id);
    if let Some(remote) = sdp::media_address(&body) {
        media.connect(remote);
    } else {
        tally.surprise("the answer has no audio address");
    }
    let end = converse(&media, &mut states, mind, tally).await;
    if end == End::HangUp
        && let Err(error) = dialog.bye().await
    {
        tally.surprise(format!("BYE: {error}"));
    }
    agent.forget(&dialog);
    let heard = media.heard();
    let (sent, received) = (
        heard.sent.load(std::sync::atomic::Ordering::Relaxed),
        heard.packets.load(std::sync::atomic::Ordering::Relaxed),
    );
    tally.note(|totals| {
        totals.rtp_sent += sent;
        totals.rtp_received += received;
    });
    Ok(())
}

async fn provisional(states: &mut DialogStateReceiver) {
    while let Some(state) = states.recv().await {
        if matches!(state, DialogState::Trying(_) | DialogState::Early(..)) {
            return;
        }
    }
    pending().await
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    HangUp,
    OtherSide,
}

async fn ended(states: &mut DialogStateReceiver) -> Option<TerminatedReason> {
    while let Some(state) = states.recv().await {
        if let DialogState::Terminated(_, reason) = state {
            return Some(reason);
        }
    }
    None
}

async fn converse(
    media: &Session,
    states: &mut DialogStateReceiver,
    mind: CallerMind,
    tally: &Tally,
) -> End {
    let answered = Instant::now();
    let mut talking = media.talking();
    let over = ended(states);
    tokio::pin!(over);
    if let Some(after) = mind.leave_in_ivr_ms {
        tokio::select! {
            _ = &mut over => return End::OtherSide,
            () = sleep(Duration::from_millis(after)) => {
                tally.note(|totals| totals.calls_left_in_ivr += 1);
                return End::HangUp;
            }
        }
    }
    tokio::select! {
        reason = &mut over => {
            timed_out(reason.as_ref(), tally);
            return End::OtherSide;
        }
        () = sleep_until(answered + Duration::from_millis(mind.patience_ms)) => {
            tally.note(|totals| totals.calls_abandoned += 1);
            return End::HangUp;
        }
        _ = talking.wait_for(|heard| *heard) => {}
    }
    tally.note(|totals| totals.calls_talked += 1);
    let talk_ms = mind.talk_ms.unwrap_or(LONGEST_MS);
    tokio::select! {
        reason = &mut over => {
            timed_out(reason.as_ref(), tally);
            End::OtherSide
        }
        () = sleep(Duration::from_millis(talk_ms)) => End::HangUp,
    }
}

fn timed_out(reason: Option<&TerminatedReason>, tally: &Tally) {
    if matches!(reason, Some(TerminatedReason::Timeout)) {
        tally.note(|totals| totals.sip_timeouts += 1);
    }
}
