//! The stack: `rsipstack`'s transactions behind [`SipPort`].
//!
//! Only its transaction layer is used. Its dialogs are not: a dialog of ours is a few fields and must
//! answer to the core's effects. Messages cross in bytes, so that neither side depends on the other's
//! types. The stack logs whole messages; see [`crate::voice::STACK_LOG_DIRECTIVE`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use rsipstack::sip::SipMessage;
use rsipstack::transaction::endpoint::EndpointInnerRef;
use rsipstack::transaction::key::{TransactionKey, TransactionRole};
use rsipstack::transaction::transaction::{Transaction, TransactionEvent};
use rsipstack::transaction::{Endpoint, EndpointBuilder};
use rsipstack::transport::udp::UdpConnection;
use rsipstack::transport::{SipConnection, TransportLayer};
use tokio::net::{TcpListener, UdpSocket};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::gate::Gate;
use super::message::{Request, Response, parse_request, parse_response};
use super::port::{
    ClientTransaction, Flow, Incoming, ServerEvent, ServerTransaction, SipError, SipPort,
};
use super::tcp::Streams;
use super::udp::GatedSocket;
use super::{Transport, address};

/// The stack with its sockets.
pub struct Stack {
    endpoint: EndpointInnerRef,
    streams: Arc<Streams>,
    public_ip: IpAddr,
    udp_addr: SocketAddr,
    tcp_addr: SocketAddr,
}

impl Stack {
    /// Starts the stack on bound sockets. Requests come out of the receiver; everything ends with
    /// `shutdown`.
    ///
    /// # Errors
    /// If the sockets have no address or the stack refuses them.
    pub async fn start(
        udp: UdpSocket,
        tcp: TcpListener,
        public_ip: IpAddr,
        gate: Arc<Gate>,
        shutdown: CancellationToken,
    ) -> Result<(Arc<Self>, UnboundedReceiver<Incoming>), SipError> {
        let (udp_addr, tcp_addr) = (udp.local_addr()?, tcp.local_addr()?);
        let layer = TransportLayer::new(shutdown.clone());
        let external = SocketAddr::new(public_ip, udp_addr.port());
        let socket = Arc::new(GatedSocket::new(udp, Arc::clone(&gate)));
        let connection =
            UdpConnection::from_socket(socket, Some(external), Some(shutdown.child_token()))
                .await
                .map_err(stack_error)?;
        layer.add_transport(SipConnection::Udp(connection));
        let endpoint = EndpointBuilder::new()
            .with_user_agent("Ledgerline")
            .with_transport_layer(layer)
            .with_cancel_token(shutdown.clone())
            .build();
        let transactions = endpoint.incoming_transactions().map_err(stack_error)?;
        let inner = Arc::clone(&endpoint.inner);
        tokio::spawn(serve(endpoint));
        let streams = Streams::new(Arc::clone(&inner), gate, shutdown);
        tokio::spawn(Arc::clone(&streams).accept(tcp));
        let (requests, incoming) = unbounded_channel();
        tokio::spawn(take(transactions, requests));
        let stack = Self { endpoint: inner, streams, public_ip, udp_addr, tcp_addr };
        Ok((Arc::new(stack), incoming))
    }

    async fn connection(
        &self,
        request: &Request,
        flow: Option<Flow>,
    ) -> Result<Option<SipConnection>, SipError> {
        if let Some(open) = flow
            .filter(|flow| flow.transport == Transport::Tcp)
            .and_then(|flow| self.streams.existing(flow.peer))
        {
            return Ok(Some(open));
        }
        let next_hop = request.headers.get("Route").map_or(request.uri.as_str(), address::uri);
        let is_stream = address::uri_parameter(next_hop, "transport")
            .is_some_and(|transport| transport.eq_ignore_ascii_case("tcp"));
        if !is_stream {
            return Ok(None);
        }
        let (host, port) = address::host_port(next_hop)
            .ok_or_else(|| SipError::Message("next hop has no host".to_owned()))?;
        let mut found = tokio::net::lookup_host((host, port.unwrap_or(5060))).await?;
        let peer =
            found.next().ok_or_else(|| std::io::Error::from(std::io::ErrorKind::NotFound))?;
        Ok(Some(self.streams.to(peer).await?))
    }

    async fn start_client(
        &self,
        sent: Request,
        connection: Option<SipConnection>,
        flow: Option<Flow>,
    ) -> Result<ClientTransaction, SipError> {
        let message = rsipstack::sip::Request::try_from(sent.to_bytes())
            .map_err(|error| SipError::Message(error.to_string()))?;
        let key =
            TransactionKey::from_request(&message, TransactionRole::Client).map_err(stack_error)?;
        let endpoint = Arc::clone(&self.endpoint);
        let transaction = Transaction::new_client(key, message, endpoint, connection);
        let (answers, responses) = unbounded_channel();
        tokio::spawn(drive_client(transaction, answers));
        Ok(ClientTransaction { sent, flow, responses })
    }
}

#[async_trait]
impl SipPort for Stack {
    async fn send(
        &self,
        mut request: Request,
        flow: Option<Flow>,
    ) -> Result<ClientTransaction, SipError> {
        let connection = self.connection(&request, flow).await?;
        let transport = if connection.is_some() { Transport::Tcp } else { Transport::Udp };
        let via = format!(
            "SIP/2.0/{} {};branch=z9hG4bK{};rport",
            transport.via_name(),
            self.host_port(transport),
            Uuid::new_v4().simple()
        );
        request.headers.set("Max-Forwards", "70");
        request.headers.push_front("Via", via);
        let peer = connection.as_ref().and_then(peer_of);
        let flow = peer.map(|peer| Flow { transport, peer });
        self.start_client(request, connection, flow).await
    }

    async fn cancel(&self, invite: &Request, flow: Option<Flow>) -> Result<(), SipError> {
        let mut cancel = Request::new("CANCEL", &invite.uri);
        // RFC 3261, 9.1: the top Via alone, and everything that names the INVITE.
        for name in ["Via", "From", "To", "Call-ID", "Max-Forwards"] {
            if let Some(value) = invite.headers.get(name) {
                cancel.headers.push(name, value);
            }
        }
        for route in invite.headers.all("Route") {
            cancel.headers.push("Route", route);
        }
        cancel.headers.push("CSeq", format!("{} CANCEL", invite.cseq().unwrap_or(1)));
        let connection = self.connection(&cancel, flow).await?;
        self.start_client(cancel, connection, flow).await.map(|_| ())
    }

    fn host_port(&self, transport: Transport) -> String {
        let port = match transport {
            Transport::Udp => self.udp_addr.port(),
            Transport::Tcp => self.tcp_addr.port(),
        };
        SocketAddr::new(self.public_ip, port).to_string()
    }
}

fn stack_error(error: rsipstack::Error) -> SipError {
    SipError::Stack(error.to_string())
}

fn peer_of(connection: &SipConnection) -> Option<SocketAddr> {
    connection.get_remote_addr()?.get_socketaddr().ok()
}

async fn serve(endpoint: Endpoint) {
    endpoint.serve().await;
}

async fn drive_client(mut transaction: Transaction, answers: UnboundedSender<Response>) {
    if transaction.send().await.is_err() {
        return;
    }
    // Driven to its end even if nobody listens: repeated finals still need their ACK.
    while let Some(message) = transaction.receive().await {
        if let SipMessage::Response(response) = message
            && let Some(response) = parse_response(&response.to_bytes())
        {
            let _ = answers.send(response);
        }
    }
}

async fn take(
    mut transactions: UnboundedReceiver<Transaction>,
    requests: UnboundedSender<Incoming>,
) {
    while let Some(transaction) = transactions.recv().await {
        let transport = match &transaction.connection {
            Some(SipConnection::Channel(_)) => Transport::Tcp,
            _ => Transport::Udp,
        };
        let peer = transaction.connection.as_ref().and_then(peer_of);
        let request = parse_request(&transaction.original.to_bytes());
        let (Some(peer), Some(request)) = (peer, request) else { continue };
        let (answers, to_send) = unbounded_channel();
        let (happened, events) = unbounded_channel();
        let method = request.method.clone();
        tokio::spawn(relay_answers(to_send, transaction.tu_sender.clone()));
        tokio::spawn(drive_server(transaction, happened));
        let flow = Flow { transport, peer };
        let transaction = ServerTransaction { method, answers, events };
        if requests.send(Incoming { request, flow, transaction }).is_err() {
            return;
        }
    }
}

async fn relay_answers(
    mut to_send: UnboundedReceiver<Response>,
    transaction: UnboundedSender<TransactionEvent>,
) {
    while let Some(response) = to_send.recv().await {
        let Ok(response) = rsipstack::sip::Response::try_from(response.to_bytes()) else {
            metrics::counter!("ledgerline_sip_answers_unsound_total").increment(1);
            continue;
        };
        if transaction.send(TransactionEvent::Respond(response)).is_err() {
            return;
        }
    }
}

async fn drive_server(mut transaction: Transaction, happened: UnboundedSender<ServerEvent>) {
    if transaction.original.method == rsipstack::sip::Method::Invite {
        // The core may need a moment; the 100 stops the far end's retransmissions.
        let _ = transaction.send_trying().await;
    }
    while let Some(message) = transaction.receive().await {
        let SipMessage::Request(request) = message else { continue };
        let event = match request.method {
            rsipstack::sip::Method::Cancel => Some(ServerEvent::Cancelled),
            rsipstack::sip::Method::Ack => {
                parse_request(&request.to_bytes()).map(ServerEvent::Acknowledged)
            }
            _ => None,
        };
        if let Some(event) = event {
            let _ = happened.send(event);
        }
    }
}
