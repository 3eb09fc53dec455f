//! The commands, one a file.

pub(crate) mod archive;
pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod client;
pub(crate) mod config;
pub(crate) mod engine;
pub(crate) mod erase;
pub(crate) mod import;
pub(crate) mod keys;
pub(crate) mod local;
pub(crate) mod publish;
pub(crate) mod rebuild;
pub(crate) mod replay;
pub(crate) mod report;
pub(crate) mod restore;
pub(crate) mod retention;
pub(crate) mod serve;
pub(crate) mod sql;
pub(crate) mod tables;
pub(crate) mod token;
pub(crate) mod top;
pub(crate) mod verify;
pub(crate) mod webhook;
