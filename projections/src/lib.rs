//! Under construction in this change.
