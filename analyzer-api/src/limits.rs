//! Bounds of a query: time, rows, bytes, memory, how many at once.

use std::path::PathBuf;
use std::time::Duration;

/// What queries may use. Every bound holds for each door alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Longest time from the request to the last row.
    pub deadline: Duration,
    /// Longest time of a question that runs by itself.
    pub job_deadline: Duration,
    /// Longest wait for the tables to reach what was durable when the question came.
    pub freshness_wait: Duration,
    /// Most rows of one answer.
    pub rows_max: u64,
    /// Most bytes of one answer, measured as Arrow buffers.
    pub bytes_max: u64,
    /// Most bytes one query may hold while it works; beyond, sorts and joins spill to disk.
    pub query_memory_bytes: usize,
    /// Most bytes all queries together may hold.
    pub total_memory_bytes: usize,
    /// Most queries at once; the next one waits for its turn until its deadline.
    pub queries_max: usize,
    /// Most bytes of SQL text.
    pub sql_bytes_max: usize,
    /// Most changes of rows that one `changes` or `history` gives.
    pub changes_max: usize,
    /// How many questions may fold a part of the log again at once; each takes a thread.
    pub past_max: usize,
    /// Threads that plan and compute. They never accept connections.
    pub threads: usize,
    /// Where sorts and joins spill; `None` leaves it to the operating system's temporary directory.
    pub spill_dir: Option<PathBuf>,
    /// Most bytes spilled at once.
    pub spill_bytes_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let threads = std::thread::available_parallelism().map_or(2, usize::from);
        Self {
            deadline: Duration::from_secs(60),
            job_deadline: Duration::from_secs(30 * 60),
            freshness_wait: Duration::from_secs(1),
            rows_max: 5_000_000,
            bytes_max: 2 << 30,
            query_memory_bytes: 512 << 20,
            total_memory_bytes: 1 << 30,
            queries_max: 16,
            sql_bytes_max: 256 << 10,
            changes_max: 200_000,
            past_max: 2,
            threads,
            spill_dir: None,
            spill_bytes_max: 10 << 30,
        }
    }
}
