//! One SIP user agent on the loopback that carries all simulated customers and phones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rsipstack::EndpointBuilder;
use rsipstack::dialog::dialog::DialogStateReceiver;
use rsipstack::dialog::dialog_layer::DialogLayer;
use rsipstack::dialog::invitation::InviteOption;
use rsipstack::dialog::invite_dialog::InviteDialog;
use rsipstack::sip::{Method, StatusCode, Uri};
use rsipstack::transaction::TransactionReceiver;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::transaction::Transaction;
use rsipstack::transport::TransportLayer;
use rsipstack::transport::udp::UdpConnection;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::tally::Tally;

/// A SIP operation of the simulation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SipError {
    /// The stack said no.
    #[error("sip: {0}")]
    Stack(String),
    /// The socket could not be opened.
    #[error("sip socket: {0}")]
    Io(#[from] std::io::Error),
}

impl From<rsipstack::Error> for SipError {
    fn from(error: rsipstack::Error) -> Self {
        Self::Stack(error.to_string())
    }
}

/// A call that arrives at a simulated phone.
pub struct IncomingCall {
    /// The dialog; answering, rejecting and hanging up go through it.
    pub dialog: InviteDialog,
    /// Its states.
    pub states: DialogStateReceiver,
    /// The caller's session description.
    pub offer: Vec<u8>,
}

type Phones = Arc<Mutex<BTreeMap<String, mpsc::UnboundedSender<IncomingCall>>>>;

/// The user agent.
#[derive(Clone)]
pub struct UserAgent {
    layer: Arc<DialogLayer>,
    local: SocketAddr,
    phones: Phones,
}

impl UserAgent {
    /// Opens a UDP socket on the loopback and serves it until `stop`.
    ///
    /// # Errors
    /// [`SipError`] if no socket can be opened.
    pub async fn open(stop: CancellationToken, tally: Tally) -> Result<Self, SipError> {
        let transport = TransportLayer::new(stop.clone());
        let bind: SocketAddr = ([127, 0, 0, 1], 0).into();
        let connection =
            UdpConnection::create_connection(bind, None, Some(stop.child_token())).await?;
        let address = connection.get_addr().addr.to_string();
        let local: SocketAddr = address
            .parse()
            .map_err(|_| SipError::Stack(format!("not a socket address: {address}")))?;
        transport.add_transport(connection.into());
        let endpoint = EndpointBuilder::new()
            .with_cancel_token(stop.clone())
            .with_transport_layer(transport)
            .with_user_agent("ledgerline-simulation")
            .build();
        let incoming = endpoint.incoming_transactions()?;
        let layer = Arc::new(DialogLayer::new(endpoint.inner.clone()));
        let phones = Phones::default();
        tokio::spawn(serve(endpoint.inner.clone(), stop));
        tokio::spawn(dispatch(incoming, Arc::clone(&layer), Arc::clone(&phones), local, tally));
        Ok(Self { layer, local, phones })
    }

    /// The SIP address of a simulated phone of this name.
    #[must_use]
    pub fn address_of(&self, phone: &str) -> String {
        format!("sip:{phone}@{}", self.local)
    }

    /// Registers a phone; calls to its name arrive at the receiver.
    #[must_use]
    pub fn phone(&self, name: &str) -> mpsc::UnboundedReceiver<IncomingCall> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.phones.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned(), sender);
        receiver
    }

    /// Begins a call. The future resolves with the final answer; dropping it cancels the call.
    ///
    /// # Errors
    /// [`SipError`] if the addresses do not parse.
    pub fn invite(
        &self,
        caller: &str,
        callee: &str,
        call_id: &str,
        offer: String,
    ) -> Result<(InviteOption, DialogStateReceiver, Inviting), SipError> {
        let uri = |text: String| {
            Uri::try_from(text.as_str()).map_err(|error| SipError::Stack(error.to_string()))
        };
        let option = InviteOption {
            caller: uri(format!("sip:{caller}@{}", self.local))?,
            callee: uri(callee.to_owned())?,
            contact: uri(format!("sip:{caller}@{}", self.local))?,
            content_type: Some("application/sdp".to_owned()),
            offer: Some(offer.into_bytes()),
            call_id: Some(call_id.to_owned()),
            ..InviteOption::default()
        };
        let (sender, states) = self.layer.new_dialog_state_channel();
        Ok((option, states, Inviting { layer: Arc::clone(&self.layer), sender }))
    }

    /// Forgets a dialog that is over; the stack keeps it otherwise.
    pub fn forget(&self, dialog: &InviteDialog) {
        self.layer.remove_dialog(&dialog.id());
    }
}

/// A call about to be placed.
pub struct Inviting {
    layer: Arc<DialogLayer>,
    sender: rsipstack::dialog::dialog::DialogStateSender,
}

impl Inviting {
    /// Sends the INVITE and waits for its final answer: the dialog and the answer's status and body.
    ///
    /// # Errors
    /// [`SipError`] if the transaction failed (timed out, no transport).
    pub async fn place(
        self,
        option: InviteOption,
    ) -> Result<(InviteDialog, Option<(u16, Vec<u8>)>), SipError> {
        let (dialog, response) = self.layer.do_invite(option, self.sender).await?;
        let answer =
            response.map(|response| (response.status_code.code(), response.body().to_vec()));
        Ok((dialog, answer))
    }
}

async fn serve(endpoint: EndpointInnerRef, stop: CancellationToken) {
    tokio::select! {
        () = stop.cancelled() => {}
        outcome = endpoint.serve() => {
            if let Err(error) = outcome {
                tracing::warn!(%error, "simulated user agent stopped");
            }
        }
    }
}

async fn dispatch(
    mut incoming: TransactionReceiver,
    layer: Arc<DialogLayer>,
    phones: Phones,
    local: SocketAddr,
    tally: Tally,
) {
    while let Some(mut transaction) = incoming.recv().await {
        if let Some(mut dialog) = layer.match_dialog(&transaction) {
            tokio::spawn(async move {
                if let Err(error) = dialog.handle(&mut transaction).await {
                    tracing::debug!(%error, "in-dialog request");
                }
            });
            continue;
        }
        match transaction.original.method {
            Method::Invite => ring(transaction, &layer, &phones, local, &tally).await,
            Method::Options => {
                let _ = transaction.reply(StatusCode::OK).await;
            }
            Method::Ack => {}
            _ => {
                let _ = transaction.reply(StatusCode::CallTransactionDoesNotExist).await;
            }
        }
    }
}

async fn ring(
    mut transaction: Transaction,
    layer: &Arc<DialogLayer>,
    phones: &Phones,
    local: SocketAddr,
    tally: &Tally,
) {
    let user =
        transaction.original.uri.auth.as_ref().map(|auth| auth.user.clone()).unwrap_or_default();
    let phone = phones.lock().unwrap_or_else(PoisonError::into_inner).get(&user).cloned();
    let Some(phone) = phone else {
        tally.surprise("a call came for a phone that does not exist");
        let _ = transaction.reply(StatusCode::NotFound).await;
        return;
    };
    let (sender, states) = layer.new_dialog_state_channel();
    let contact = Uri::try_from(format!("sip:{user}@{local}").as_str()).ok();
    let offer = transaction.original.body().to_vec();
    match layer.get_or_create_server_invite(&transaction, sender, None, contact) {
        Ok(dialog) => {
            let mut handler = dialog.clone();
            tokio::spawn(async move {
                if let Err(error) = handler.handle(&mut transaction).await {
                    tracing::debug!(%error, "invite at a phone");
                }
            });
            let _ = phone.send(IncomingCall { dialog, states, offer });
        }
        Err(error) => {
            tracing::debug!(%error, "invite at a phone");
            let _ = transaction.reply(StatusCode::ServerInternalError).await;
        }
    }
}
