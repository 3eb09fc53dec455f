//! Webhooks to a real receiver: signed, refused, silent, and sent on to where nobody may go.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_access::outbound::{PrivateHosts, Secret};
use ledgerline_connectors::reports::webhook::WebhookChannel;

use super::http_receiver::{Answer, Receiver};
use super::world::parcel;

const KEY: &[u8; 24] = b"0123456789abcdefghijklmn";

fn channel(private: &[String]) -> WebhookChannel {
    let text = format!("whsec_{}", STANDARD.encode(KEY));
    let key = Secret::new(text.into_bytes()).signing_key().unwrap();
    WebhookChannel {
        keys: BTreeMap::from([("hook".to_owned(), key)]),
        private_hosts: PrivateHosts {
            hosts: private.to_vec(),
            setting: "reports.webhooks.private_hosts",
        },
        timeout: Duration::from_millis(800),
        bytes_max: 100,
    }
}

#[tokio::test]
async fn a_report_arrives_as_it_is_and_signed() {
    let receiver = Receiver::start(Answer::Status(204, String::new())).await;
    let channel = channel(&[receiver.host()]);
    let parcel = parcel(b"queue,offered\r\nSales,7\r\n");
    let place = channel.deliver(&parcel, &receiver.url(), "hook").await.unwrap();
    // Nothing of path and query: they may be what opens the door.
    assert_eq!(place, format!("http://127.0.0.1:{}", receiver.port));
    let requests = receiver.requests();
    let [request] = requests.as_slice() else { panic!("{requests:?}") };
    assert_eq!(request.line, "POST /take/it?key=abc HTTP/1.1");
    assert_eq!(request.body, b"queue,offered\r\nSales,7\r\n");
    let header = |name: &str| request.headers[name].as_str();
    assert_eq!(header("content-type"), "text/csv");
    assert_eq!(header("webhook-id"), parcel.delivery_id.to_string());
    assert_eq!(header("webhook-timestamp"), "1792888207");
    assert_eq!(header("ledgerline-position"), "42");
    assert!(header("content-disposition").contains("queues--every-morning-2026"));
    // What the Python library standardwebhooks 1.1.0 signs of the same.
    assert_eq!(header("webhook-signature"), "v1,EjJ7sI2GJAfidULZh/GVdF3GhACgMjixhJw5kMSCHIA=");
    // Verified by another implementation of HMAC than the one that signs.
    let signature = header("webhook-signature").strip_prefix("v1,").unwrap();
    let signature = STANDARD.decode(signature).unwrap();
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, KEY);
    let signed = |body: &[u8]| {
        let begin = format!("{}.{}.", header("webhook-id"), header("webhook-timestamp"));
        [begin.as_bytes(), body].concat()
    };
    ring::hmac::verify(&key, &signed(&request.body), &signature).unwrap();
    assert!(ring::hmac::verify(&key, &signed(b"other"), &signature).is_err());
}

#[tokio::test]
async fn every_answer_but_success_is_told_by_its_status() {
    for (answer, reason, passes) in [
        (Answer::Status(500, String::new()), "answered 500", true),
        (Answer::Status(404, String::new()), "answered 404", true),
        (Answer::Status(429, String::new()), "answered 429", true),
        (Answer::Status(410, String::new()), "answered 410", false),
        (Answer::Silence, "did not answer in time", true),
        (Answer::HangUp, "broke", true),
    ] {
        let receiver = Receiver::start(answer.clone()).await;
        let channel = channel(&[receiver.host()]);
        let failed = channel.deliver(&parcel(b"x"), &receiver.url(), "hook").await.unwrap_err();
        assert!(failed.reason.contains(reason), "{answer:?}: {failed:?}");
        assert!(!failed.reason.contains("key=abc"), "{failed:?}");
        assert_eq!(failed.passes, passes, "{answer:?}");
        assert_eq!(receiver.requests().len(), 1, "{answer:?}: asked more than once");
    }
}

#[tokio::test]
async fn nobody_is_sent_on() {
    let inside = Receiver::start(Answer::Status(200, String::new())).await;
    for status in [301, 302, 303, 307, 308] {
        let location = format!("location: {}\r\n", inside.url());
        let receiver = Receiver::start(Answer::Status(status, location)).await;
        // Even to where the settings would allow to go.
        let channel = channel(&[receiver.host(), inside.host()]);
        let failed = channel.deliver(&parcel(b"x"), &receiver.url(), "hook").await.unwrap_err();
        assert!(failed.reason.contains("redirects are not followed"), "{failed:?}");
        assert_eq!(receiver.requests().len(), 1);
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn places_inside_are_not_even_connected_to() {
    let receiver = Receiver::start(Answer::Status(200, String::new())).await;
    let other = Receiver::start(Answer::Status(200, String::new())).await;
    let port = receiver.port;
    for url in [
        receiver.url(),
        format!("https://127.0.0.1:{port}/"),
        format!("https://localhost:{port}/"),
        format!("https://[::1]:{port}/"),
        format!("https://[::ffff:127.0.0.1]:{port}/"),
        format!("https://0x7f000001:{port}/"),
    ] {
        // Another port of the same host is allowed, this one is not.
        let channel = channel(&[other.host()]);
        let refused = channel.deliver(&parcel(b"x"), &url, "hook").await.unwrap_err();
        assert!(!refused.passes && refused.reason.contains("private_hosts"), "{url}: {refused:?}");
    }
    assert_eq!(receiver.connections(), 0);
}

#[tokio::test]
async fn what_is_too_large_or_has_no_secret_stays_here() {
    let receiver = Receiver::start(Answer::Status(200, String::new())).await;
    let channel = channel(&[receiver.host()]);
    let large: &[u8] = &[b'x'; 101];
    let refused = channel.deliver(&parcel(large), &receiver.url(), "hook").await.unwrap_err();
    assert!(!refused.passes && refused.reason.contains("101 bytes"), "{refused:?}");
    channel.deliver(&parcel(&large[..100]), &receiver.url(), "hook").await.unwrap();
    let refused = channel.deliver(&parcel(b"x"), &receiver.url(), "none").await.unwrap_err();
    assert!(!refused.passes && refused.reason.contains("reports.secrets.none"), "{refused:?}");
    assert_eq!(receiver.requests().len(), 1);
    let shown = format!("{channel:?}");
    assert!(!shown.contains("0123456789") && shown.contains("Secret(..)"), "{shown}");
}
