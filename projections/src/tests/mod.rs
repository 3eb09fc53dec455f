//! Tests of the folds and their storage over a log in memory.

mod call;
mod encrypted;
mod hot;
mod past;
mod rows;
mod running;
mod script;
mod storage;
mod totals;
