//! Session descriptions: what the far end offers, what we answer (RFC 3264).

use std::net::{IpAddr, SocketAddr};

use sdp_types::{Attribute, Connection, Media, MediaType, Origin, Session, Time, TransportProto};

use super::codec::Codec;

/// Payload type of telephone events when we make the offer.
const EVENT_TYPE: u8 = 101;

/// A session description cannot be used. All of these are answered with 488.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// It does not parse.
    #[error("session description is not readable")]
    Unreadable,
    /// No audio over plain RTP, or it is refused with port 0.
    #[error("session description has no audio over RTP")]
    NoAudio,
    /// Neither PCMU nor PCMA.
    #[error("session description has no codec in common")]
    NoCodec,
    /// The address is missing, a name, a broadcast or a group.
    #[error("session description has no unicast address")]
    NoAddress,
}

/// Whether media flows, seen from the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Both ways.
    SendReceive,
    /// The far end only sends: it put us on hold.
    SendOnly,
    /// The far end only listens.
    ReceiveOnly,
    /// Nothing flows.
    Inactive,
}

impl Direction {
    const ALL: [Self; 4] = [Self::SendReceive, Self::SendOnly, Self::ReceiveOnly, Self::Inactive];

    const fn attribute(self) -> &'static str {
        match self {
            Self::SendReceive => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::ReceiveOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }

    const fn mirrored(self) -> Self {
        match self {
            Self::SendOnly => Self::ReceiveOnly,
            Self::ReceiveOnly => Self::SendOnly,
            same => same,
        }
    }

    /// True if the far end wants to hear us.
    #[must_use]
    pub const fn listens(self) -> bool {
        matches!(self, Self::SendReceive | Self::ReceiveOnly)
    }

    /// True if packets of the far end are to be expected.
    #[must_use]
    pub const fn talks(self) -> bool {
        matches!(self, Self::SendReceive | Self::SendOnly)
    }
}

/// What was agreed with the far end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agreed {
    /// Where our packets go until the far end shows where it really is.
    pub address: SocketAddr,
    /// The codec of both directions.
    pub codec: Codec,
    /// Its payload type on this leg.
    pub payload_type: u8,
    /// Payload type of telephone events, if both sides know them.
    pub event_type: Option<u8>,
    /// Whether media flows.
    pub direction: Direction,
}

/// A description of the far end with the audio line we use.
#[derive(Clone, Debug)]
pub struct Description {
    session: Session,
    audio: usize,
    agreed: Agreed,
}

impl Description {
    /// Reads an offer or an answer. Of the codecs in common the far end's first is taken, or
    /// `keep`, if it is still among them (a change of codec in mid-call helps nobody).
    ///
    /// # Errors
    /// If there is nothing in it to talk with.
    pub fn parse(body: &[u8], keep: Option<Codec>) -> Result<Self, SdpError> {
        let session = Session::parse(body).map_err(|_| SdpError::Unreadable)?;
        let (audio, media) = session
            .medias
            .iter()
            .enumerate()
            .find(|(_, media)| is_audio(media))
            .ok_or(SdpError::NoAudio)?;
        let formats: Vec<u8> = media.fmt.split(' ').filter_map(|f| f.parse().ok()).collect();
        let codecs: Vec<(Codec, u8)> =
            formats.iter().filter_map(|f| Some((codec(media, *f)?, *f))).collect();
        let (codec, payload_type) = codecs
            .iter()
            .find(|(codec, _)| Some(*codec) == keep)
            .or(codecs.first())
            .copied()
            .ok_or(SdpError::NoCodec)?;
        let event_type = formats
            .iter()
            .copied()
            .find(|f| encoding(media, *f).is_some_and(|e| is_encoding(e, "telephone-event/8000")));
        let connection = media.connections.first().or(session.connection.as_ref());
        let ip = connection.and_then(address).ok_or(SdpError::NoAddress)?;
        let direction = direction(&session, media, ip);
        let address = SocketAddr::new(ip, media.port);
        let agreed = Agreed { address, codec, payload_type, event_type, direction };
        Ok(Self { audio, agreed, session })
    }

    /// What it comes to.
    #[must_use]
    pub const fn agreed(&self) -> Agreed {
        self.agreed
    }

    /// Our answer: the agreed codec on our address, every other media line refused.
    #[must_use]
    pub fn answer(&self, local: SocketAddr, identity: Identity) -> Vec<u8> {
        let mut session = skeleton(local, identity);
        for (index, offered) in self.session.medias.iter().enumerate() {
            session.medias.push(if index == self.audio {
                let codecs = [(self.agreed.codec, self.agreed.payload_type)];
                let direction = self.agreed.direction.mirrored();
                audio(local.port(), &codecs, self.agreed.event_type, direction)
            } else {
                Media {
                    port: 0,
                    num_ports: None,
                    media_title: None,
                    connections: Vec::new(),
                    bandwidths: Vec::new(),
                    key: None,
                    attributes: Vec::new(),
                    ..offered.clone()
                }
            });
        }
        write(&session)
    }
}

/// Number and version of our description (`o=` line); the version grows with each change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Session id.
    pub id: u64,
    /// Version.
    pub version: u64,
}

/// Our offer, with this codec first.
#[must_use]
pub fn offer(first: Codec, local: SocketAddr, identity: Identity) -> Vec<u8> {
    let others = Codec::ALL.into_iter().filter(|codec| *codec != first);
    let codecs: Vec<(Codec, u8)> =
        std::iter::once(first).chain(others).map(|codec| (codec, codec.payload_type())).collect();
    let mut session = skeleton(local, identity);
    session.medias.push(audio(local.port(), &codecs, Some(EVENT_TYPE), Direction::SendReceive));
    write(&session)
}

fn skeleton(local: SocketAddr, identity: Identity) -> Session {
    let origin = Origin::with_ip_addr(identity.id, identity.version, local.ip());
    let mut session = Session::new(origin, "-");
    session.connection = Some(Connection::from_ip_addr(local.ip()));
    session.times.push(Time::new(0, 0));
    session
}

fn audio(port: u16, codecs: &[(Codec, u8)], event_type: Option<u8>, direction: Direction) -> Media {
    let formats = codecs.iter().map(|(_, format)| *format).chain(event_type);
    let formats: Vec<String> = formats.map(|format| format.to_string()).collect();
    let mut media = Media::new(MediaType::Audio, port, TransportProto::RtpAvp, formats.join(" "));
    for (codec, format) in codecs {
        media.add_attribute_with_value("rtpmap", format!("{format} {}", codec.encoding()));
    }
    if let Some(format) = event_type {
        media.add_attribute_with_value("rtpmap", format!("{format} telephone-event/8000"));
        media.add_attribute_with_value("fmtp", format!("{format} 0-15"));
    }
    media.add_attribute_with_value("ptime", super::FRAME_MS);
    media.add_attribute(Attribute::new(direction.attribute()));
    media
}

fn write(session: &Session) -> Vec<u8> {
    let mut bytes = Vec::new();
    // Writing to memory cannot fail.
    let _ = session.write(&mut bytes);
    bytes
}

fn is_audio(media: &Media) -> bool {
    media.media == "audio" && media.port != 0 && media.proto == "RTP/AVP"
}

fn encoding(media: &Media, format: u8) -> Option<&str> {
    media.get_attribute_values("rtpmap").flatten().find_map(|value| {
        let (number, encoding) = value.split_once(' ')?;
        (number.parse() == Ok(format)).then(|| encoding.trim())
    })
}

fn is_encoding(text: &str, name: &str) -> bool {
    text.eq_ignore_ascii_case(name)
        || text.strip_suffix("/1").is_some_and(|text| text.eq_ignore_ascii_case(name))
}

fn codec(media: &Media, format: u8) -> Option<Codec> {
    match encoding(media, format) {
        Some(text) => Codec::ALL.into_iter().find(|codec| is_encoding(text, codec.encoding())),
        // The static types need no map (RFC 3551).
        None => Codec::ALL.into_iter().find(|codec| codec.payload_type() == format),
    }
}

fn address(connection: &Connection) -> Option<IpAddr> {
    let text = connection.connection_address.split('/').next()?;
    let ip: IpAddr = text.parse().ok()?;
    let is_broadcast = matches!(ip, IpAddr::V4(v4) if v4.is_broadcast());
    (!ip.is_multicast() && !is_broadcast).then_some(ip)
}

fn direction(session: &Session, media: &Media, ip: IpAddr) -> Direction {
    // The hold of old phones: an address of zeros.
    if ip.is_unspecified() {
        return Direction::Inactive;
    }
    let of = |attributes: &[Attribute]| {
        Direction::ALL
            .into_iter()
            .find(|direction| attributes.iter().any(|a| a.attribute == direction.attribute()))
    };
    of(&media.attributes).or_else(|| of(&session.attributes)).unwrap_or(Direction::SendReceive)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity = Identity { id: 5, version: 1 };

    fn local() -> SocketAddr {
        "127.0.0.1:20002".parse().unwrap()
    }

    fn body(lines: &[&str]) -> Vec<u8> {
        let mut text =
            "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\n".to_owned();
        for line in lines {
            text.push_str(line);
            text.push_str("\r\n");
        }
        text.into_bytes()
    }

    #[test]
    fn the_far_ends_first_common_codec_is_answered_alone() {
        let offer = body(&[
            "m=video 4000 RTP/AVP 96",
            "m=audio 5004 RTP/AVP 9 111 8 0 97",
            "a=rtpmap:111 opus/48000/2",
            "a=rtpmap:97 telephone-event/8000",
            "a=sendonly",
        ]);
        let description = Description::parse(&offer, None).unwrap();
        let agreed = description.agreed();
        assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 8));
        assert_eq!(agreed.event_type, Some(97));
        assert_eq!(agreed.address, "192.0.2.1:5004".parse().unwrap());
        let answer = String::from_utf8(description.answer(local(), IDENTITY)).unwrap();
        assert!(
            answer.contains("m=video 0 RTP/AVP 96\r\nm=audio 20002 RTP/AVP 8 97\r\n"),
            "{answer}"
        );
        assert!(answer.contains("a=recvonly") && answer.contains("c=IN IP4 127.0.0.1"), "{answer}");
        let kept = Description::parse(&offer, Some(Codec::Pcmu)).unwrap().agreed();
        assert_eq!(kept.codec, Codec::Pcmu);
    }

    #[test]
    fn dynamic_types_and_holds_are_understood() {
        let dynamic = body(&["m=audio 5004 RTP/AVP 100", "a=rtpmap:100 pcma/8000/1"]);
        let agreed = Description::parse(&dynamic, None).unwrap().agreed();
        assert_eq!((agreed.codec, agreed.payload_type), (Codec::Pcma, 100));
        let zeros = body(&["m=audio 5004 RTP/AVP 0", "c=IN IP4 0.0.0.0"]);
        let agreed = Description::parse(&zeros, None).unwrap().agreed();
        assert_eq!(agreed.direction, Direction::Inactive);
    }

    #[test]
    fn nothing_in_common_has_a_reason() {
        for (lines, error) in [
            (vec!["m=audio 5004 RTP/AVP 9 3"], SdpError::NoCodec),
            (vec!["m=audio 0 RTP/AVP 0"], SdpError::NoAudio),
            (vec!["m=audio 5004 RTP/SAVP 0"], SdpError::NoAudio),
            (vec!["m=video 5004 RTP/AVP 0"], SdpError::NoAudio),
            (vec!["m=audio 5004 RTP/AVP 0", "c=IN IP4 224.0.0.1/127"], SdpError::NoAddress),
            (vec!["m=audio 5004 RTP/AVP 0", "c=IN IP4 phone.example"], SdpError::NoAddress),
            (
                vec!["m=audio 5004 RTP/AVP 0 8", "a=rtpmap:0 G728/8000", "a=rtpmap:8 X/8000"],
                SdpError::NoCodec,
            ),
        ] {
            let found = Description::parse(&body(&lines), None).map(|d| d.agreed());
            assert_eq!(found, Err(error), "{lines:?}");
        }
        assert_eq!(Description::parse(b"hello", None).err(), Some(SdpError::Unreadable));
    }

    #[test]
    fn our_own_offer_is_understood_by_ourselves() {
        for first in Codec::ALL {
            let agreed =
                Description::parse(&offer(first, local(), IDENTITY), None).unwrap().agreed();
            assert_eq!((agreed.codec, agreed.address), (first, local()));
            assert_eq!(agreed.event_type, Some(EVENT_TYPE));
            assert_eq!(agreed.direction, Direction::SendReceive);
        }
    }
}
