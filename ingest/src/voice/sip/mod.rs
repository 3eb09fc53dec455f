//! SIP: messages, the sanity layer in front of the stack, the stack behind our port.

pub mod address;
pub mod dialog;
pub mod gate;
pub mod message;
pub mod port;
pub mod sanity;
pub mod stack;
pub mod stateless;
pub mod tcp;
pub mod udp;

/// Methods that the edge carries out, as an `Allow` header lists them.
pub const ALLOW: &str = "INVITE, ACK, CANCEL, BYE, OPTIONS";

/// How a message travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Transport {
    /// Datagrams: the transaction layer retransmits.
    Udp,
    /// A byte stream: messages are framed by Content-Length.
    Tcp,
}

impl Transport {
    /// The lower-case name, as in `StartInteraction` and in URI parameters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Udp => "udp",
            Self::Tcp => "tcp",
        }
    }

    /// The name as a Via header spells it.
    #[must_use]
    pub const fn via_name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}
