//! The Fluvio carrier against a real SC and SPU, where `LEDGERLINE_FLUVIO_RUN` names the program.
#![cfg(feature = "fluvio")]
#![allow(clippy::expect_used, reason = "a test that cannot go on should fail")]

mod fluvio_support;

use std::io::Write as _;

use fluvio_support::{Cluster, PROGRAM, mirrors, moving, program, scenarios};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_carrier_keeps_its_promises_on_a_real_cluster() {
    let Some(program) = program() else {
        let line = format!("skipped: no Fluvio server is configured ({PROGRAM} names none)");
        writeln!(std::io::stderr(), "{line}").expect("stderr");
        return;
    };
    let mut cluster = Cluster::start(&program).await.expect("a cluster");
    let cluster = &mut cluster;
    scenarios::come_back(cluster).await.expect("come back");
    scenarios::two_writers(cluster).await.expect("two writers");
    scenarios::retention_refused(cluster).await.expect("retention refused");
    scenarios::spu_killed(cluster, 3).await.expect("the SPU killed");
    scenarios::controller_killed(cluster).await.expect("the controller killed");
    mirrors::carrier_conformance(cluster).await.expect("the contract of carriers");
    mirrors::log_conformance(cluster).await.expect("the contract of logs");
    mirrors::takeover(cluster).await.expect("a takeover");
    moving::there_and_back(cluster).await.expect("moving there and back");
}
