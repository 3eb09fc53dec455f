//! What an engine under the log promises. The program refuses to start when it needs more, unless the operator
//! names what is missing.

use std::fmt;

/// When an acknowledged event is safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// On stable storage before the acknowledgement.
    FsyncBeforeAck,
    /// On stable storage of a majority before the acknowledgement.
    QuorumFsync,
    /// In the memory of replicas.
    ReplicaMemory,
    /// In the page cache or memory of one machine.
    PageCache,
}

/// What is appended all or nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Atomicity {
    /// Events of any streams of the log.
    Log,
    /// Events of one stream.
    Stream,
    /// One record.
    Record,
}

/// How expected versions are checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConcurrencyControl {
    /// By the engine, before the write.
    Native,
    /// By reading back what was written.
    ByReadBack,
    /// Not at all.
    None,
}

/// For how long a repeated event id is recognized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idempotence {
    /// For the whole log.
    Exact,
    /// For a window.
    Window,
    /// Never.
    None,
}

/// The promises of one engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// Name of the engine.
    pub engine: &'static str,
    /// When an acknowledged event is safe.
    pub durability: Durability,
    /// What is appended all or nothing.
    pub atomicity: Atomicity,
    /// How expected versions are checked.
    pub concurrency: ConcurrencyControl,
    /// For how long repeated ids are recognized.
    pub idempotence: Idempotence,
}

/// One promise, as the operator names it: `durability:replica-memory`.
fn name(kind: &str, value: &str) -> String {
    format!("{kind}:{value}")
}

impl fmt::Display for Durability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::FsyncBeforeAck => "fsync-before-ack",
            Self::QuorumFsync => "quorum-fsync",
            Self::ReplicaMemory => "replica-memory",
            Self::PageCache => "page-cache",
        })
    }
}

impl fmt::Display for Atomicity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Log => "log",
            Self::Stream => "stream",
            Self::Record => "record",
        })
    }
}

impl fmt::Display for ConcurrencyControl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Native => "native",
            Self::ByReadBack => "by-read-back",
            Self::None => "none",
        })
    }
}

impl fmt::Display for Idempotence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Exact => "exact",
            Self::Window => "window",
            Self::None => "none",
        })
    }
}

impl fmt::Display for Capabilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { engine, durability, atomicity, concurrency, idempotence } = self;
        write!(
            f,
            "{engine}: durability:{durability} atomicity:{atomicity} concurrency:{concurrency} \
             idempotence:{idempotence}"
        )
    }
}

/// An engine does not promise what is needed, or the operator accepts what need not be accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CapabilityError {
    /// Promises are too weak. Each is named as the operator would have to accept it.
    #[error(
        "the engine {engine} does not promise what is needed: {}; needed is {}. Whoever can live with it accepts \
         it by name",
        missing.join(", "),
        needed.join(", ")
    )]
    Missing {
        /// The engine.
        engine: &'static str,
        /// What it promises, where that is too weak.
        missing: Vec<String>,
        /// What is needed there.
        needed: Vec<String>,
    },
    /// The operator accepts something that no engine says.
    #[error("there is no capability {name:?}; there are {}", known.join(", "))]
    Unknown {
        /// What was accepted.
        name: String,
        /// What can be accepted.
        known: Vec<String>,
    },
    /// The operator accepts something that this engine does not say, or that is good enough.
    #[error("{name:?} is accepted, but the engine {engine} needs no such exception")]
    Unneeded {
        /// What was accepted.
        name: String,
        /// The engine.
        engine: &'static str,
    },
}

/// Every weakness that can be accepted.
fn acceptable() -> Vec<String> {
    let durability = [Durability::ReplicaMemory, Durability::PageCache];
    let atomicity = [Atomicity::Stream, Atomicity::Record];
    let idempotence = [Idempotence::Window, Idempotence::None];
    let mut names: Vec<String> =
        durability.iter().map(|it| name("durability", &it.to_string())).collect();
    names.extend(atomicity.iter().map(|it| name("atomicity", &it.to_string())));
    names.push(name("concurrency", &ConcurrencyControl::None.to_string()));
    names.extend(idempotence.iter().map(|it| name("idempotence", &it.to_string())));
    names
}

impl Capabilities {
    /// Promises that are too weak for an audit log, with what is needed instead: acknowledged events on stable
    /// storage, appends that are whole across streams, expected versions checked, ids recognized for ever.
    #[must_use]
    pub fn weaknesses(&self) -> Vec<(String, String)> {
        let mut weak = Vec::new();
        let mut note = |kind: &str, is: String, needed: &str| {
            weak.push((name(kind, &is), name(kind, needed)));
        };
        if matches!(self.durability, Durability::ReplicaMemory | Durability::PageCache) {
            note("durability", self.durability.to_string(), "fsync-before-ack or quorum-fsync");
        }
        if self.atomicity != Atomicity::Log {
            note("atomicity", self.atomicity.to_string(), "log");
        }
        if self.concurrency == ConcurrencyControl::None {
            note("concurrency", self.concurrency.to_string(), "native or by-read-back");
        }
        if self.idempotence != Idempotence::Exact {
            note("idempotence", self.idempotence.to_string(), "exact");
        }
        weak
    }

    /// Checks that an engine promises what is needed, but for what the operator accepts by name.
    ///
    /// # Errors
    /// [`CapabilityError`].
    pub fn check(&self, accepted: &[String]) -> Result<(), CapabilityError> {
        let (engine, known) = (self.engine, acceptable());
        let weaknesses = self.weaknesses();
        for name in accepted {
            let name = name.clone();
            if !known.contains(&name) {
                return Err(CapabilityError::Unknown { name, known });
            }
            if !weaknesses.iter().any(|(weakness, _)| *weakness == name) {
                return Err(CapabilityError::Unneeded { name, engine });
            }
        }
        let (missing, needed): (Vec<_>, Vec<_>) =
            weaknesses.into_iter().filter(|(weakness, _)| !accepted.contains(weakness)).unzip();
        if missing.is_empty() {
            return Ok(());
        }
        Err(CapabilityError::Missing { engine, missing, needed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn weak() -> Capabilities {
        Capabilities {
            engine: "weak",
            durability: Durability::ReplicaMemory,
            atomicity: Atomicity::Record,
            concurrency: ConcurrencyControl::ByReadBack,
            idempotence: Idempotence::Exact,
        }
    }

    fn accept(names: &[&str]) -> Result<(), CapabilityError> {
        weak().check(&names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn what_is_missing_is_named_and_must_be_accepted_by_name() {
        let refused = accept(&[]).unwrap_err().to_string();
        assert!(refused.contains("durability:replica-memory, atomicity:record"), "{refused}");
        assert!(refused.contains("fsync-before-ack or quorum-fsync"), "{refused}");
        let refused = accept(&["durability:replica-memory"]).unwrap_err().to_string();
        assert!(!refused.contains("replica-memory"), "{refused}");
        accept(&["durability:replica-memory", "atomicity:record"]).unwrap();
    }

    #[test]
    fn exceptions_that_are_none_are_refused() {
        let unknown = accept(&["durability:none"]).unwrap_err();
        assert!(matches!(unknown, CapabilityError::Unknown { .. }), "{unknown}");
        for unneeded in ["durability:page-cache", "idempotence:none", "concurrency:none"] {
            let refused = accept(&[unneeded]).unwrap_err();
            assert!(matches!(refused, CapabilityError::Unneeded { .. }), "{refused}");
        }
        let strong = Capabilities {
            durability: Durability::QuorumFsync,
            atomicity: Atomicity::Log,
            ..weak()
        };
        strong.check(&[]).unwrap();
        let refused = strong.check(&["atomicity:record".to_owned()]).unwrap_err();
        assert!(matches!(refused, CapabilityError::Unneeded { .. }), "{refused}");
    }
}
