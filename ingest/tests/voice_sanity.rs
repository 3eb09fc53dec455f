//! Malformed requests of our own making, and what RFC 3261 has us answer.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on should stop where it is"
)]

use ledgerline_ingest::voice::sip::Transport;
use ledgerline_ingest::voice::sip::message::parse_request;
use ledgerline_ingest::voice::sip::sanity::{HEAD_BYTES_MAX, HEADERS_MAX, Verdict, check};
use proptest::prelude::*;

const GOOD: &str = "INVITE sip:100@127.0.0.1 SIP/2.0\r\n\
    Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKabc;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Caller\" <sip:200@127.0.0.1>;tag=1\r\n\
    To: <sip:100@127.0.0.1>\r\n\
    Call-ID: call-1\r\n\
    CSeq: 1 INVITE\r\n\
    Contact: <sip:200@127.0.0.1:5070>\r\n\
    Content-Type: application/sdp\r\n\
    Content-Length: 5\r\n\
    \r\n\
    v=0\r\n";

fn verdict(text: &str) -> Verdict {
    check(text.as_bytes(), Transport::Udp)
}

fn status(text: &str) -> u16 {
    match verdict(text) {
        Verdict::Pass { .. } => 0,
        Verdict::Answer { refused, .. } => refused.status,
        Verdict::Drop { .. } => 1,
    }
}

/// The good message with one part exchanged; the part must be there.
fn with(part: &str, instead: &str) -> String {
    assert!(GOOD.contains(part), "{part}");
    GOOD.replacen(part, instead, 1)
}

#[test]
fn sound_messages_pass() {
    assert_eq!(status(GOOD), 0);
    for (part, instead) in [
        ("Via:", "v :"),
        ("Call-ID: call-1", "i: a84b4c76e66710@host_(%Z%)(`~*<>{}"),
        ("From: \"Caller\" <sip:200@127.0.0.1>", "From: \"a \\\" <b\" <sip:200@127.0.0.1>"),
        ("sip:100@127.0.0.1 SIP/2.0", "sip:%31%30%30;p=%3b@[::1]:5060;transport=udp SIP/2.0"),
        ("sip:100@127.0.0.1 SIP/2.0", "tel:+15551230000 SIP/2.0"),
        ("SIP/2.0\r\nVia", "sip/2.0\r\nVia"),
        ("Max-Forwards: 70", "Max-Forwards:\r\n\t 255"),
        ("CSeq: 1 INVITE", "CSeq: 2147483647   INVITE"),
        ("Content-Length: 5", "Unknown-Header: \u{fc}\r\nContent-Length: 00005"),
        ("Via:", "Via: SIP/2.0/TCP proxy;branch=z9hG4bKouter\r\nVia:"),
    ] {
        let text = with(part, instead);
        assert_eq!(verdict_name(&text), "pass", "{instead}");
    }
}

fn verdict_name(text: &str) -> String {
    match verdict(text) {
        Verdict::Pass { .. } => "pass".to_owned(),
        Verdict::Answer { refused, .. } => format!("{} {}", refused.status, refused.detail),
        Verdict::Drop { detail } => format!("drop {detail}"),
    }
}

#[test]
fn every_rule_has_its_answer() {
    let table: &[(&str, &str, u16)] = &[
        // The start line.
        ("INVITE sip", "INVITE  sip", 400),
        ("INVITE sip", " INVITE sip", 400),
        ("SIP/2.0\r\nVia", "SIP/2.0 \r\nVia", 400),
        ("sip:100@127.0.0.1 SIP", "<sip:100@127.0.0.1> SIP", 400),
        ("sip:100@127.0.0.1 SIP", "sip:100 @127.0.0.1 SIP", 400),
        ("sip:100@127.0.0.1 SIP", "sip:100@127.0.0.1?Route=%3Csip:x%3E SIP", 400),
        ("sip:100@127.0.0.1 SIP", "sip:1%zz@127.0.0.1 SIP", 400),
        ("sip:100@127.0.0.1 SIP", "sip:100@[::g] SIP", 400),
        ("sip:100@127.0.0.1 SIP", "sip:100@::1 SIP", 400),
        ("sip:100@127.0.0.1 SIP", "sip:100@host:99999 SIP", 400),
        ("sip:100@127.0.0.1 SIP", "sip: SIP", 400),
        ("sip:100@127.0.0.1 SIP", "100 SIP", 400),
        ("SIP/2.0\r\nVia", "HTTP/1.1\r\nVia", 400),
        ("SIP/2.0\r\nVia", "SIP/7.0\r\nVia", 505),
        ("sip:100@127.0.0.1 SIP", "soap.beep://192.0.2.1:3002 SIP", 416),
        ("sip:100@127.0.0.1 SIP", "mailto:a@b SIP", 416),
        ("INVITE sip", "IN<VITE sip", 400),
        // Headers that must be there once.
        ("Max-Forwards: 70\r\n", "", 400),
        ("Max-Forwards: 70", "Max-Forwards: 70\r\nMax-Forwards: 5", 400),
        ("Max-Forwards: 70", "Max-Forwards: 256", 400),
        ("Max-Forwards: 70", "Max-Forwards: -1", 400),
        ("Max-Forwards: 70", "Max-Forwards: 0", 483),
        ("Call-ID: call-1\r\n", "", 400),
        ("Call-ID: call-1", "Call-ID: call 1", 400),
        ("Call-ID: call-1", "Call-ID: a\r\ni: b", 400),
        ("To: <sip:100@127.0.0.1>\r\n", "", 400),
        ("To: <", "t: <sip:x@y>\r\nTo: <", 400),
        ("From: \"Caller\" <sip:200@127.0.0.1>;tag=1\r\n", "", 400),
        (";tag=1", "", 400),
        (";tag=1", ";tag=", 400),
        // Addresses.
        ("\"Caller\" <", "\"Caller <", 400),
        ("\"Caller\" <", "\"Caller\" < ", 400),
        ("<sip:200@127.0.0.1>;tag", "<sip:200@127.0.0.1;tag", 400),
        ("To: <sip:100@127.0.0.1>", "To: nobody", 400),
        ("Contact: <sip:200@127.0.0.1:5070>\r\n", "", 400),
        ("Contact: <", "Contact: <<", 400),
        // Numbers and methods.
        ("CSeq: 1 INVITE", "CSeq: 2147483648 INVITE", 400),
        ("CSeq: 1 INVITE", "CSeq: 36893488147419103232 INVITE", 400),
        ("CSeq: 1 INVITE", "CSeq: -1 INVITE", 400),
        ("CSeq: 1 INVITE", "CSeq: INVITE", 400),
        ("CSeq: 1 INVITE", "CSeq: 1 OPTIONS", 400),
        ("CSeq: 1 INVITE", "CSeq: 1 INVITE 2", 400),
        // The way back.
        ("z9hG4bKabc", "z9hG4bK", 400),
        ("z9hG4bKabc", "abc", 400),
        (";branch=z9hG4bKabc", "", 400),
        ("SIP/2.0/UDP 127", "SIP/3.0/UDP 127", 400),
        ("SIP/2.0/UDP 127.0.0.1:5070", "SIP/2.0/UDP", 400),
        // Lengths.
        ("Content-Length: 5", "Content-Length: 6", 400),
        ("Content-Length: 5", "Content-Length: -999", 400),
        ("Content-Length: 5", "Content-Length: five", 400),
        ("Content-Length: 5", "Content-Length: 99999999999999999999999", 400),
        ("Content-Length: 5", "Content-Length: 5\r\nl: 5", 400),
        // Lines.
        ("Max-Forwards: 70", "Max-Forwards 70", 400),
        ("Max-Forwards: 70", "Bad Name: 1\r\nMax-Forwards: 70", 400),
        // Extensions and bodies.
        ("Max-Forwards", "Require: nothingSupportsThis\r\nMax-Forwards", 420),
        ("Max-Forwards", "Proxy-Require: noProxiesSupportThis\r\nMax-Forwards", 420),
        ("application/sdp", "application/unknownformat", 415),
        ("Content-Type: application/sdp\r\n", "", 415),
        ("Content-Length", "Content-Encoding: gzip\r\nContent-Length", 415),
    ];
    for (part, instead, expected) in table {
        let text = with(part, instead);
        assert!(
            verdict_name(&text).starts_with(&expected.to_string()),
            "{instead:?}: {} instead of {expected}",
            verdict_name(&text)
        );
    }
}

#[test]
fn methods_we_do_not_carry_out_are_told_so() {
    for (method, expected) in
        [("REGISTER", 405), ("SUBSCRIBE", 405), ("REFER", 405), ("NEWMETHOD", 501), ("invite", 501)]
    {
        let text = GOOD.replace("INVITE", method);
        assert_eq!(status(&text), expected, "{method}");
        let Verdict::Answer { refused, .. } = verdict(&text) else { panic!("{method}") };
        assert!(
            refused.extra.iter().any(|(name, value)| *name == "Allow" && value.contains("BYE"))
        );
    }
    for method in ["ACK", "BYE", "OPTIONS", "CANCEL"] {
        assert_eq!(status(&GOOD.replace("INVITE", method)), 0, "{method}");
    }
}

#[test]
fn answers_name_what_they_refuse() {
    let text = with("Max-Forwards", "Require: foo, bar\r\nRequire: baz\r\nMax-Forwards");
    let Verdict::Answer { refused, .. } = verdict(&text) else { panic!("passed") };
    assert_eq!(refused.extra, [("Unsupported", "foo, bar, baz".to_owned())]);
}

#[test]
fn what_cannot_be_answered_is_dropped() {
    let ack = GOOD.replace("INVITE", "ACK").replace("Max-Forwards: 70\r\n", "");
    let no_via = with("Via: SIP/2.0/UDP 127.0.0.1:5070;branch=z9hG4bKabc;rport\r\n", "");
    let answer = "SIP/2.0 20 OK\r\nVia: SIP/2.0/UDP h;branch=z9hG4bK1\r\n\r\n".to_owned();
    let big = "SIP/2.0 4294967301 better not\r\nVia: x\r\nTo: a\r\nFrom: b\r\n\r\n".to_owned();
    for text in [ack, no_via, answer, big, "hello".to_owned(), "\r\n\r\n".to_owned()] {
        assert!(matches!(verdict(&text), Verdict::Drop { .. }), "{text}");
    }
}

#[test]
fn a_missing_length_is_put_in_and_what_follows_the_body_is_cut() {
    let Verdict::Pass { bytes, .. } = verdict(&with("Content-Length: 5\r\n", "")) else {
        panic!("refused")
    };
    let request = parse_request(&bytes).unwrap();
    assert_eq!(request.headers.get("Content-Length"), Some("5"));
    assert_eq!(request.body, b"v=0\r\n");
    let Verdict::Pass { bytes, .. } = verdict(&format!("{GOOD}trailing")) else {
        panic!("refused")
    };
    assert_eq!(bytes, GOOD.as_bytes());
    let stream = check(with("Content-Length: 5\r\n", "").as_bytes(), Transport::Tcp);
    assert!(matches!(stream, Verdict::Answer { refused, .. } if refused.status == 400));
}

#[test]
fn limits_hold_at_their_edge() {
    let lines = |count: usize| "X: 1\r\n".repeat(count);
    let present = GOOD.matches("\r\n").count() - 3;
    for (count, expected) in [(HEADERS_MAX - present, 0), (HEADERS_MAX - present + 1, 513)] {
        let text = with("Max-Forwards", &format!("{}Max-Forwards", lines(count)));
        assert_eq!(status(&text), expected, "{count} more lines");
    }
    let head = GOOD.find("\r\n\r\n").unwrap() + 4;
    for (length, expected) in [(HEAD_BYTES_MAX, 0), (HEAD_BYTES_MAX + 1, 513)] {
        let fill = "x".repeat(length - head - "X: \r\n".len());
        let text = with("Max-Forwards", &format!("X: {fill}\r\nMax-Forwards"));
        assert_eq!(status(&text), expected, "{length} bytes");
    }
}

proptest! {
    #[test]
    fn no_mutation_makes_it_panic(
        cuts in proptest::collection::vec((0_usize..600, any::<u8>()), 0..12),
        length in 0_usize..600,
        stream: bool,
    ) {
        let mut bytes = GOOD.as_bytes().to_vec();
        for (at, byte) in cuts {
            if let Some(slot) = bytes.get_mut(at) {
                *slot = byte;
            }
        }
        bytes.truncate(length);
        let transport = if stream { Transport::Tcp } else { Transport::Udp };
        if let Verdict::Pass { bytes, method: Some(_), .. } = check(&bytes, transport) {
            // What passes is whole for the stack: a second look agrees.
            let again = check(&bytes, Transport::Tcp);
            prop_assert!(matches!(again, Verdict::Pass { .. }), "{:?}", again);
        }
    }
}
