//! The two codecs every SIP phone has: G.711 in its American and European form.

use std::sync::LazyLock;

use audio_codec::{CodecType, create_decoder, create_encoder};

/// A codec with its static payload type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Codec {
    /// G.711 mu-law, payload type 0.
    Pcmu,
    /// G.711 A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// Both, in our order of preference.
    pub const ALL: [Self; 2] = [Self::Pcmu, Self::Pcma];

    /// The name that events carry.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pcmu => "pcmu",
            Self::Pcma => "pcma",
        }
    }

    /// The name in `a=rtpmap`.
    #[must_use]
    pub const fn encoding(self) -> &'static str {
        match self {
            Self::Pcmu => "PCMU/8000",
            Self::Pcma => "PCMA/8000",
        }
    }

    /// The static payload type.
    #[must_use]
    pub const fn payload_type(self) -> u8 {
        match self {
            Self::Pcmu => 0,
            Self::Pcma => 8,
        }
    }

    const fn library_type(self) -> CodecType {
        match self {
            Self::Pcmu => CodecType::PCMU,
            Self::Pcma => CodecType::PCMA,
        }
    }

    /// Encodes 16-bit samples of 8 kHz.
    #[must_use]
    pub fn encode(self, samples: &[i16]) -> Vec<u8> {
        create_encoder(self.library_type()).encode(samples)
    }

    /// Decodes to 16-bit samples of 8 kHz.
    #[must_use]
    pub fn decode(self, bytes: &[u8]) -> Vec<i16> {
        create_decoder(self.library_type()).decode(bytes)
    }

    /// Rewrites bytes of this codec in place as bytes of another.
    pub fn transcode(self, bytes: &mut [u8], to: Self) {
        let table: &[u8; 256] = match (self, to) {
            (Self::Pcmu, Self::Pcma) => &U_TO_A,
            (Self::Pcma, Self::Pcmu) => &A_TO_U,
            _ => return,
        };
        for byte in bytes {
            // A byte always indexes a table of 256.
            *byte = table.get(usize::from(*byte)).copied().unwrap_or(*byte);
        }
    }
}

static U_TO_A: LazyLock<[u8; 256]> = LazyLock::new(|| table(Codec::Pcmu, Codec::Pcma));
static A_TO_U: LazyLock<[u8; 256]> = LazyLock::new(|| table(Codec::Pcma, Codec::Pcmu));

fn table(from: Codec, to: Codec) -> [u8; 256] {
    let all: Vec<u8> = (0..=u8::MAX).collect();
    let mut table = [0; 256];
    for (slot, byte) in table.iter_mut().zip(to.encode(&from.decode(&all))) {
        *slot = byte;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sine_survives_both_codecs_and_the_way_between_them() {
        let sine: Vec<i16> =
            (0..800).map(|n| ((f64::from(n) * 0.345).sin() * 12_000.0).round() as i16).collect();
        for codec in Codec::ALL {
            for other in Codec::ALL {
                let mut bytes = codec.encode(&sine);
                codec.transcode(&mut bytes, other);
                for (was, is) in sine.iter().zip(other.decode(&bytes)) {
                    let error = (i32::from(*was) - i32::from(is)).abs();
                    // Two quantizations of at most 1/32 of the value each.
                    assert!(error <= i32::from(was.abs()) / 12 + 40, "{codec:?} {was} {is}");
                }
            }
        }
    }
}
