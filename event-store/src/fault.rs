//! Deliberate mistakes, for proving that the crash simulation notices them. In a build without the
//! simulation there is none to be made: every question below is a constant `false`.

/// Which mistakes this log makes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    #[cfg(any(test, feature = "simulation"))]
    pub(crate) set: FaultSet,
}

/// The mistakes that can be made.
#[cfg(any(test, feature = "simulation"))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct FaultSet {
    pub(crate) acknowledge_before_sync: bool,
    pub(crate) visible_before_durable: bool,
    pub(crate) no_crc: bool,
    pub(crate) cut_at_any_damage: bool,
    pub(crate) keep_torn_tail: bool,
    pub(crate) no_sync_at_open: bool,
    pub(crate) sync_only_at_open: bool,
    pub(crate) retry_failed_sync: bool,
    pub(crate) index_without_crc: bool,
    pub(crate) index_renamed_before_sync: bool,
    pub(crate) pack_without_sync: bool,
    pub(crate) remove_before_packing: bool,
    pub(crate) head_after_sync: bool,
    pub(crate) shared_block_forgotten: bool,
}

macro_rules! questions {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        impl Faults {$(
            $(#[$doc])*
            #[cfg(any(test, feature = "simulation"))]
            pub(crate) const fn $name(self) -> bool {
                self.set.$name
            }

            $(#[$doc])*
            #[cfg(not(any(test, feature = "simulation")))]
            pub(crate) const fn $name(self) -> bool {
                false
            }
        )*}
    };
}

questions! {
    /// Acknowledges appends before their sync.
    acknowledge_before_sync,
    /// Shows events to readers before their sync.
    visible_before_durable,
    /// Does not compare checksums.
    no_crc,
    /// Cuts the log at the first bad frame, whatever follows.
    cut_at_any_damage,
    /// Leaves the bytes of a torn write where they are.
    keep_torn_tail,
    /// Trusts what the page cache shows at opening.
    no_sync_at_open,
    /// Trusts that a sync at opening writes what the page cache shows.
    sync_only_at_open,
    /// Trusts a second sync after a failed one.
    retry_failed_sync,
    /// Believes index files without comparing checksums.
    index_without_crc,
    /// Gives an index file its name before its bytes are durable.
    index_renamed_before_sync,
    /// Gives a packed segment its name, and removes the segment file, before its sync.
    pack_without_sync,
    /// Removes the segment file before the packed one has its name.
    remove_before_packing,
    /// Writes the head of an encrypted file after the file's first sync.
    head_after_sync,
    /// Encrypts a block that is written in part as if the rest of it were zeros.
    shared_block_forgotten,
}
