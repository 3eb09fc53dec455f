//! What an engine under the log promises. The program refuses to start when it needs more.

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
