//! Mail to a real relay: with TLS or not at all, what becomes of recipients, and nothing of them in what is told.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ledgerline_access::outbound::SecretSource;
use ledgerline_connectors::reports::channels::{DeliverySettings, MailSettings};
use ledgerline_connectors::reports::mail::{MailChannel, Security};

use super::smtp_receiver::{Manners, Relay};
use super::world::parcel;

const OPS: &str = "ops.person@example.org";
const LEAD: &str = "lead.person@example.org";

fn channel(
    relay: &Relay,
    security: Security,
    change: impl FnOnce(&mut MailSettings),
) -> MailChannel {
    let mut mail = MailSettings {
        host: "localhost".into(),
        port: Some(relay.port),
        security,
        certificate_authority: Some(relay.authority.clone()),
        user: None,
        password: None,
        from: "reports@ledgerline.example".into(),
        recipients: [("ops".to_owned(), OPS.to_owned()), ("lead".to_owned(), LEAD.to_owned())]
            .into(),
        bytes_max: 1_000,
    };
    change(&mut mail);
    let settings = DeliverySettings { mail: Some(mail), ..DeliverySettings::default() };
    settings.open().unwrap().mail.unwrap()
}

fn both() -> [String; 2] {
    ["ops".to_owned(), "lead".to_owned()]
}

/// A part of the mail: what stands behind the empty line after this header.
fn part(mail: &str, header: &str) -> Vec<u8> {
    let behind = mail.split_once(header).unwrap_or_else(|| panic!("no {header} in {mail}")).1;
    let body = behind.split_once("\r\n\r\n").unwrap().1;
    let coded: String = body.split("\r\n--").next().unwrap().split_whitespace().collect();
    STANDARD.decode(coded).unwrap()
}

#[tokio::test]
async fn a_mail_has_the_file_and_comes_encrypted() {
    for (security, manners) in [
        (Security::StartTls, Manners { start_tls: true, ..Manners::default() }),
        (Security::Tls, Manners { tls: true, ..Manners::default() }),
        (Security::None, Manners::default()),
    ] {
        let relay = Relay::start(manners).await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "pass word\n").unwrap();
        let channel = channel(&relay, security, |mail| {
            mail.user = Some("robot".into());
            mail.password = Some(SecretSource { file: Some(file), env: None });
        });
        let mut parcel = parcel(b".\r\n.begins with dots\r\n\x00\xff");
        parcel.report = "Überlauf der Warteschlangen, jede Stunde und noch ein wenig länger".into();
        let told = channel.deliver(&parcel, &both(), "{report} {date}").await.unwrap();
        assert_eq!(told, "ops, lead");
        let received = relay.received();
        let [mail] = received.mails.as_slice() else { panic!("{received:?}") };
        assert_eq!(part(mail, "Content-Disposition: attachment"), &parcel.artifact.bytes[..]);
        let text = String::from_utf8(part(mail, "Content-Type: text/plain")).unwrap();
        assert!(text.contains("Position of the log: 42"), "{text}");
        assert!(mail.contains(&format!("Message-ID: <{}@ledgerline.example>", parcel.delivery_id)));
        let subject = mail.split_once("Subject: ").unwrap().1.split_once("\r\nDate: ").unwrap().0;
        let words = subject.split("\r\n ").map(|word| {
            assert!(word.len() <= 75, "{word}");
            let coded = word.strip_prefix("=?utf-8?B?").unwrap().strip_suffix("?=").unwrap();
            String::from_utf8(STANDARD.decode(coded).unwrap()).unwrap()
        });
        assert_eq!(words.collect::<String>(), format!("{} 2026-10-25", parcel.report));
        let login = format!("AUTH PLAIN {}", STANDARD.encode("\0robot\0pass word"));
        for command in [&login, &format!("RCPT TO:<{OPS}>"), &format!("RCPT TO:<{LEAD}>")] {
            let seen = received.commands.iter().find(|(line, _)| line == command);
            let encrypted = security != Security::None;
            assert_eq!(seen.map(|it| it.1), Some(encrypted), "{command}: {received:?}");
        }
    }
}

#[tokio::test]
async fn nothing_is_said_in_clear_or_to_a_stranger() {
    let untrusted = Relay::start(Manners::default()).await;
    for (security, manners, trusts, reason) in [
        (Security::StartTls, Manners::default(), true, "offers no TLS"),
        (Security::StartTls, Manners { start_tls: true, ..Manners::default() }, false, "TLS with"),
        (Security::Tls, Manners { tls: true, ..Manners::default() }, false, "TLS with"),
        (
            Security::StartTls,
            Manners { start_tls: true, injects: true, ..Manners::default() },
            true,
            "out of turn",
        ),
    ] {
        let relay = Relay::start(manners.clone()).await;
        let channel = channel(&relay, security, |mail| {
            if !trusts {
                mail.certificate_authority = Some(untrusted.authority.clone());
            }
        });
        let failed = channel.deliver(&parcel(b"x"), &both(), "s").await.unwrap_err();
        assert!(failed.passes && failed.reason.contains(reason), "{manners:?}: {failed:?}");
        let received = relay.received();
        let told = |it: &str| received.commands.iter().any(|(line, _)| line.starts_with(it));
        assert!(!told("MAIL") && !told("RCPT") && !told("AUTH"), "{received:?}");
    }
}

#[tokio::test]
async fn what_the_relay_answers_decides_and_is_told_by_its_code() {
    let refuses = |codes: &[(&'static str, u16)]| Manners {
        recipients: codes.to_vec(),
        ..Manners::default()
    };
    for (manners, mails, expected) in [
        (refuses(&[("ops.person", 550)]), 1, Ok("ops (refused: 550), lead")),
        (
            refuses(&[("person", 550)]),
            0,
            Err(("refuses every recipient, the first with 550", false)),
        ),
        (refuses(&[("lead.person", 451)]), 0, Err(("451 to RCPT TO", true))),
        (Manners { mail: 552, ..Manners::default() }, 0, Err(("552 to the mail", false))),
        (Manners { mail: 451, ..Manners::default() }, 0, Err(("451 to the mail", true))),
        (Manners { size: Some(100), ..Manners::default() }, 0, Err(("the relay takes 100", false))),
        (Manners { size: Some(0), ..Manners::default() }, 1, Ok("ops, lead")),
    ] {
        let relay = Relay::start(manners.clone()).await;
        let channel = channel(&relay, Security::None, |_| {});
        let outcome = channel.deliver(&parcel(b"x"), &both(), "s").await;
        match (&outcome, expected) {
            (Ok(told), Ok(expected)) => assert_eq!(told, expected, "{manners:?}"),
            (Err(failed), Err((reason, passes))) => {
                assert!(failed.reason.contains(reason), "{manners:?}: {failed:?}");
                assert_eq!(failed.passes, passes, "{manners:?}");
            }
            other => panic!("{manners:?}: {other:?}"),
        }
        // Nobody's address, though the relay repeats it in its replies.
        assert!(!format!("{outcome:?}").contains('@'), "{outcome:?}");
        assert_eq!(relay.received().mails.len(), mails, "{manners:?}");
    }
}

#[tokio::test]
async fn who_is_not_in_the_settings_and_what_is_too_large_gets_no_mail() {
    let relay = Relay::start(Manners::default()).await;
    let channel = channel(&relay, Security::None, |_| {});
    let unknown = channel.deliver(&parcel(b"x"), &["boss".to_owned()], "s").await.unwrap_err();
    assert!(
        !unknown.passes && unknown.reason.contains("reports.mail.recipients.boss"),
        "{unknown:?}"
    );
    let large = channel.deliver(&parcel(&[b'x'; 1_001]), &both(), "s").await.unwrap_err();
    assert!(!large.passes && large.reason.contains("1001 bytes"), "{large:?}");
    assert!(relay.received().commands.is_empty());
}
