//! A simulated agent's phone: rings, answers or not, and hangs up with its agent.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rsipstack::dialog::dialog::{DialogState, DialogStateReceiver};
use rsipstack::sip::{Header, StatusCode};
use tokio::sync::mpsc;
use tokio::time::sleep;

use crate::behavior::AgentMind;
use crate::random::Random;
use crate::rtp::{AGENT_TONE_HZ, CUSTOMER_TONE_HZ, Session};
use crate::sdp;
use crate::tally::Tally;
use crate::user_agent::{IncomingCall, UserAgent};

/// Serves the calls of one phone until its user agent is gone.
pub async fn serve(
    agent: UserAgent,
    mut calls: mpsc::UnboundedReceiver<IncomingCall>,
    mind: AgentMind,
    mut random: Random,
    tally: Tally,
) {
    while let Some(call) = calls.recv().await {
        let random = random.fork();
        tokio::spawn(answer(agent.clone(), call, mind, random, tally.clone()));
    }
}

async fn over(states: &mut DialogStateReceiver) {
    while let Some(state) = states.recv().await {
        if matches!(state, DialogState::Terminated(..)) {
            return;
        }
    }
}

async fn answer(
    agent: UserAgent,
    mut call: IncomingCall,
    mind: AgentMind,
    mut random: Random,
    tally: Tally,
) {
    tally.note(|totals| totals.phone_offers += 1);
    if random.chance(mind.busy_percent) {
        tally.note(|totals| totals.phone_busy += 1);
        if let Err(error) = call.dialog.reject(Some(StatusCode::BusyHere), None) {
            tally.surprise(format!("486 from a phone: {error}"));
        }
        over(&mut call.states).await;
        agent.forget(&call.dialog);
        return;
    }
    if let Err(error) = call.dialog.ringing(None, None) {
        tracing::debug!(%error, "180 from a phone");
    }
    if random.chance(mind.no_answer_percent) {
        tally.note(|totals| totals.phone_ignored += 1);
        over(&mut call.states).await;
        agent.forget(&call.dialog);
        return;
    }
    let (low, high) = mind.answer_ms;
    tokio::select! {
        () = over(&mut call.states) => {
            agent.forget(&call.dialog);
            return;
        }
        () = sleep(Duration::from_millis(random.between(low, high))) => {}
    }
    let media = match Session::open(AGENT_TONE_HZ, CUSTOMER_TONE_HZ).await {
        Ok(media) => media,
        Err(error) => {
            tally.surprise(format!("phone media: {error}"));
            let _ = call.dialog.reject(Some(StatusCode::ServerInternalError), None);
            return;
        }
    };
    if let Some(remote) = sdp::media_address(&call.offer) {
        media.connect(remote);
    } else {
        tally.surprise("the offer to a phone has no audio address");
    }
    let headers = vec![Header::ContentType("application/sdp".into())];
    let body = sdp::describe(media.local()).into_bytes();
    if let Err(error) = call.dialog.accept(Some(headers), Some(body)) {
        // The caller may have given up in the same moment.
        tracing::debug!(%error, "200 from a phone");
    }
    over(&mut call.states).await;
    agent.forget(&call.dialog);
    let heard = media.heard();
    tally.note(|totals| {
        totals.rtp_sent += heard.sent.load(Ordering::Relaxed);
        totals.rtp_received += heard.packets.load(Ordering::Relaxed);
    });
}
