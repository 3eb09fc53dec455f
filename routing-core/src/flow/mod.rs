//! Flows: checking a graph when it is published, and running it.

mod interpreter;

pub(crate) use interpreter::flow_actor;

pub(crate) mod validate;
