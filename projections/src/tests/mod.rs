//! Tests of the folds and their storage over a log in memory.

mod agent_intervals;
mod alerts;
mod call;
mod details;
mod details_after;
mod encrypted;
mod final_rows;
mod history;
mod hot;
mod live;
mod past;
mod retention;
mod retention_files;
mod rows;
mod running;
mod script;
mod splice;
mod storage;
mod supervised;
mod today;
mod totals;
mod underway;
mod upkeep;
