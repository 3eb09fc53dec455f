//! The settings of delivery: what is refused, by its key, without showing a secret.

use ledgerline_access::outbound::SecretSource;
use ledgerline_connectors::reports::channels::{DeliverySettings, MailSettings, WebhookSettings};
use ledgerline_connectors::reports::mail::Security;
use ledgerline_schemas::config::report_schedule::ReportSchedule;
use serde::Deserialize;

fn refused(change: impl FnOnce(&mut DeliverySettings)) -> String {
    let mut settings = DeliverySettings::default();
    change(&mut settings);
    settings.open().unwrap_err()
}

fn mail(change: impl FnOnce(&mut MailSettings)) -> Option<MailSettings> {
    let mut mail = MailSettings {
        host: "mail.example".into(),
        port: None,
        security: Security::StartTls,
        certificate_authority: None,
        user: None,
        password: None,
        from: "a@b.example".into(),
        recipients: Default::default(),
        bytes_max: 1,
    };
    change(&mut mail);
    Some(mail)
}

#[test]
fn mistakes_are_named_by_their_key() {
    assert!(DeliverySettings::default().open().is_ok());
    let folder = tempfile::tempdir().unwrap();
    let secret = |text: &str| {
        let file = folder.path().join("secret");
        std::fs::write(&file, text).unwrap();
        let source = SecretSource { file: Some(file), env: None };
        refused(|it| drop(it.secrets.insert("hook".into(), source)))
    };
    for (message, expected) in [
        (refused(|it| it.attempts_max = 0), "attempts_max"),
        (refused(|it| it.retry_first_s = 3_601), "retry_first_s"),
        (refused(|it| it.folder = Some("/no/such/folder".into())), "folder: "),
        (
            refused(|it| it.webhooks = WebhookSettings { timeout_s: 0, ..Default::default() }),
            "webhooks.timeout_s",
        ),
        (secret("hunter2"), "secrets.hook: does not begin with whsec_"),
        (secret("whsec_hunter2!"), "secrets.hook: is no base64"),
        (secret("whsec_aHVudGVyMg=="), "secrets.hook: has 7 bytes"),
        (secret(" \n"), "secrets.hook: is empty"),
        (
            refused(|it| drop(it.secrets.insert("hook".into(), SecretSource::default()))),
            "secrets.hook: give either file or env",
        ),
        (
            refused(|it| {
                let source = SecretSource { file: None, env: Some("NOT_SET_ANYWHERE".into()) };
                drop(it.secrets.insert("hook".into(), source));
            }),
            "secrets.hook: environment variable NOT_SET_ANYWHERE",
        ),
        (refused(|it| it.mail = mail(|it| it.security = Security::None)), "mail.security"),
        (refused(|it| it.mail = mail(|it| it.user = Some("u".into()))), "mail.user"),
        (refused(|it| it.mail = mail(|it| it.from = "nobody".into())), "mail.from"),
        (
            refused(|it| {
                let address = "a@b\r\nRCPT TO:<x@y>".to_owned();
                it.mail = mail(|it| drop(it.recipients.insert("ops".into(), address)));
            }),
            "mail.recipients.ops",
        ),
        (
            refused(|it| it.mail = mail(|it| it.certificate_authority = Some("/no/file".into()))),
            "mail.certificate_authority",
        ),
    ] {
        assert!(message.starts_with(expected), "{message} instead of {expected}");
        assert!(!message.contains("hunter2") && !message.contains("RCPT"), "{message}");
    }
}

#[test]
fn a_secret_of_the_environment_or_a_file_is_read_without_its_line_end() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, "value \r\n").unwrap();
    let read = SecretSource { file: Some(file), env: None }.read().unwrap();
    assert_eq!(read.bytes(), b"value");
    assert_eq!(format!("{read:?}"), "Secret(..)");
    let read = SecretSource { file: None, env: Some("PATH".into()) }.read().unwrap();
    assert_eq!(read.bytes(), std::env::var("PATH").unwrap().trim_end().as_bytes());
}

#[derive(Deserialize)]
struct Entities {
    report_schedule: Vec<ReportSchedule>,
}

#[derive(Deserialize)]
struct Settings {
    reports: DeliverySettings,
}

#[test]
fn the_examples_of_the_guide_are_what_they_say() {
    let guide = include_str!("../../../docs/reports.md");
    let examples: Vec<&str> =
        guide.split("```toml\n").skip(1).filter_map(|it| it.split("```").next()).collect();
    let [entities, settings] = examples.as_slice() else { panic!("{} examples", examples.len()) };
    let entities: Entities = toml::from_str(entities).unwrap();
    assert_eq!(entities.report_schedule[0].deliver.len(), 3);
    let settings: Settings = toml::from_str(settings).unwrap();
    settings.reports.check().unwrap();
    assert_eq!(settings.reports.mail.unwrap().recipients.len(), 2);
}
