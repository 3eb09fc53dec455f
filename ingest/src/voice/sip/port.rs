//! What our dialogs need of a SIP stack: transactions, nothing else.
//!
//! The stack behind it is exchangeable; our dialogs see only messages of [`super::message`].

use std::net::SocketAddr;

use async_trait::async_trait;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::Transport;
use super::message::{Request, Response};

/// A request could not be sent.
#[derive(Debug, thiserror::Error)]
pub enum SipError {
    /// It does not parse in the stack.
    #[error("sip request is not sound: {0}")]
    Message(String),
    /// There is no way to the target.
    #[error("no connection to the sip target: {0}")]
    Connection(#[from] std::io::Error),
    /// The stack refuses.
    #[error("sip stack: {0}")]
    Stack(String),
}

/// The way a message came, and the way requests of its dialog go back on streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flow {
    /// Datagrams or stream.
    pub transport: Transport,
    /// The far end of the flow.
    pub peer: SocketAddr,
}

/// A request that came in, with its server transaction.
#[derive(Debug)]
pub struct Incoming {
    /// The request.
    pub request: Request,
    /// The way it came.
    pub flow: Flow,
    /// Its transaction.
    pub transaction: ServerTransaction,
}

/// What happens to a server transaction. The channel closes when the transaction is over.
#[derive(Debug)]
pub enum ServerEvent {
    /// A CANCEL came and was answered; the INVITE needs its 487.
    Cancelled,
    /// The ACK of a 2xx came.
    Acknowledged(Request),
}

/// The server side of a transaction.
#[derive(Debug)]
pub struct ServerTransaction {
    /// The method, for the count of answers.
    pub method: String,
    /// Takes answers; the stack retransmits them as their kind needs.
    pub answers: UnboundedSender<Response>,
    /// Tells what the far end does.
    pub events: UnboundedReceiver<ServerEvent>,
}

impl ServerTransaction {
    /// Sends an answer. An answer after the end of the transaction goes nowhere.
    pub fn answer(&self, response: Response) {
        super::gate::count_answer(&self.method, response.status);
        let _ = self.answers.send(response);
    }
}

/// The client side of a transaction.
#[derive(Debug)]
pub struct ClientTransaction {
    /// The request as it was sent, with its Via.
    pub sent: Request,
    /// The way it went.
    pub flow: Option<Flow>,
    /// Every answer in order; 408 when none came in time. ACKs are sent by the stack. Closes when the
    /// transaction is over.
    pub responses: UnboundedReceiver<Response>,
}

/// A SIP stack.
#[async_trait]
pub trait SipPort: Send + Sync {
    /// Sends a request as a new client transaction; adds Via and Max-Forwards.
    ///
    /// It goes to the first Route or the Request-URI; if that is on a stream and `flow` still stands,
    /// over that flow.
    ///
    /// # Errors
    /// If the message is not sound or a stream cannot be opened.
    async fn send(
        &self,
        request: Request,
        flow: Option<Flow>,
    ) -> Result<ClientTransaction, SipError>;

    /// Sends the CANCEL of an INVITE that was sent and has a provisional answer.
    ///
    /// # Errors
    /// As [`SipPort::send`].
    async fn cancel(&self, invite: &Request, flow: Option<Flow>) -> Result<(), SipError>;

    /// `host:port` under which we are reached over this transport.
    fn host_port(&self, transport: Transport) -> String;
}
