//! What is made of a pattern.

use super::world::parcel;

#[test]
fn a_file_name_is_plain_and_tells_half_hours_apart() {
    let parcel = parcel(b"x");
    for (pattern, expected) in [
        ("{schedule}-{due}.{ext}", Some("queues--every-morning-2026-10-25T0230+0200.csv")),
        ("{report}-{date}.{ext}", Some("queue-volume-2026-10-25.csv")),
        ("{from}_{to}_{position}", Some("2026-10-25_2026-10-25_42")),
        ("fixed.csv", Some("fixed.csv")),
        // Never a path, whatever is written or stands for something.
        ("../{ext}", None),
        (".{ext}", None),
        ("a/{ext}", None),
        ("", None),
    ] {
        assert_eq!(parcel.file_name(pattern).ok().as_deref(), expected, "{pattern}");
    }
    let mut odd = parcel.clone();
    odd.report = "../../etc/passwd".into();
    assert!(odd.file_name("{report}").is_err());
    assert_eq!(odd.file_name("r-{report}").unwrap(), "r-..-..-etc-passwd");
    odd.report = "x".repeat(500);
    assert!(odd.file_name("{report}").is_err());
    // The same local time an hour later.
    let mut later = parcel.clone();
    later.due_at = later.due_at.plus_ms(3_600_000);
    assert_eq!(
        later.file_name("{due}").unwrap(),
        "2026-10-25T0230+0100",
        "{:?}",
        parcel.file_name("{due}")
    );
}

#[test]
fn a_line_has_no_line_ends() {
    let mut parcel = parcel(b"x");
    parcel.report = "Queue\r\nBcc: everybody@example.org".into();
    let line = parcel.line("{report}, {date}");
    assert_eq!(line, "Queue  Bcc: everybody@example.org, 2026-10-25");
}
