//! Arrow Flight SQL through a serving process: its port, its users, its record, its end.

#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use arrow_flight::sql::client::FlightSqlServiceClient;
use futures::TryStreamExt as _;
use ledgerline_tests::{Server, succeed};
use tonic::transport::{Channel, Endpoint};

/// How many rows a question has.
async fn count(client: &mut FlightSqlServiceClient<Channel>, sql: &str) -> usize {
    let info = client.execute(sql.to_owned(), None).await.expect("planned");
    let ticket = info.endpoint.first().and_then(|it| it.ticket.clone()).expect("a ticket");
    let rows: Vec<_> =
        client.do_get(ticket).await.expect("answers").try_collect().await.expect("rows");
    rows.iter().map(|batch| batch.num_rows()).sum()
}

#[tokio::test]
async fn a_serving_process_answers_arrow_flight_sql() {
    let temporary = tempfile::tempdir().expect("folder");
    let data = temporary.path().join("data");
    let server = Server::start(&data, None);
    assert!(data.join("flight-certificate.pem").is_file(), "a certificate was made");
    let folder = data.to_string_lossy();
    let user = succeed(&[
        "token",
        "--data",
        &folder,
        "--role",
        "auditor",
        "--subject",
        "ann",
        "--sql-user",
    ]);
    let password = user.lines().find_map(|line| line.strip_prefix("password ")).expect("shown");
    let endpoint = Endpoint::from_shared(format!("http://{}", server.flight)).expect("an address");
    let mut client = FlightSqlServiceClient::new(endpoint.connect().await.expect("connects"));
    client.handshake("ann", "wrong").await.expect_err("a wrong password");
    client.handshake("ann", password).await.expect("the right one");
    assert_eq!(count(&mut client, "SELECT 1 FROM generate_series(1, 10000)").await, 10_000);
    let recorded = "SELECT 1 FROM access_log WHERE principal = 'ann' AND door = 'flight_sql' \
                    AND outcome = 'ok' AND rows = 10000";
    assert_eq!(count(&mut client, recorded).await, 1);
    let refused = "SELECT 1 FROM access_log WHERE principal = 'ann' AND outcome = 'denied'";
    assert_eq!(count(&mut client, refused).await, 1);
    assert_eq!(server.stop(), 0, "it ends although a client is connected");
}
