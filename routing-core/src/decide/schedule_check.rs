//! The form of a report's schedule. Whether report, time zone, secrets and recipients exist is for who runs it.

use ledgerline_schemas::config::report_schedule::{
    DeliveryTarget, NAME_PLACEHOLDERS, PERIODS, ReportSchedule, ScheduleWhen,
};

use super::config_check::invalid;
use crate::rejection::Rejection;

/// Places of one schedule.
const TARGETS_MAX: usize = 10;
/// Recipients of one mail.
const RECIPIENTS_MAX: usize = 50;
/// Longest pattern, URL or folder, bytes.
const TEXT_BYTES_MAX: usize = 500;

pub(super) fn check(schedule: &ReportSchedule) -> Result<(), Rejection> {
    if schedule.report.trim().is_empty() {
        return Err(invalid("report: must not be empty"));
    }
    if let Some(period) = &schedule.period
        && !PERIODS.contains(&period.as_str())
    {
        let known = PERIODS.join(", ");
        return Err(invalid(format!("period: {period:?} is not known; use {known}")));
    }
    let zone = &schedule.timezone;
    let is_zone = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
    if zone.is_empty() || !zone.chars().all(is_zone) {
        return Err(invalid(format!("timezone: {zone:?} is no IANA name")));
    }
    check_when(&schedule.when)?;
    let targets = &schedule.deliver;
    if targets.is_empty() {
        return Err(invalid("deliver: name at least one place"));
    }
    if targets.len() > TARGETS_MAX {
        let found = targets.len();
        return Err(invalid(format!("deliver: has {found}, the limit is {TARGETS_MAX}")));
    }
    for (index, target) in targets.iter().enumerate() {
        check_target(target)
            .map_err(|(field, reason)| invalid(format!("deliver[{index}].{field}: {reason}")))?;
        if targets.iter().take(index).any(|other| other == target) {
            return Err(invalid(format!("deliver[{index}]: is there twice")));
        }
    }
    Ok(())
}

fn check_when(when: &ScheduleWhen) -> Result<(), Rejection> {
    match when {
        ScheduleWhen::EveryMinutes(minutes) if !(5..=1_440).contains(minutes) => {
            Err(invalid(format!("when.every_minutes: is {minutes}, must be 5 to 1440")))
        }
        ScheduleWhen::Hourly { minute } if *minute > 59 => {
            Err(invalid(format!("when.hourly.minute: is {minute}, must be 0 to 59")))
        }
        ScheduleWhen::EveryMinutes(_) | ScheduleWhen::Hourly { .. } => Ok(()),
        ScheduleWhen::Daily { at } => check_at("daily", at),
        ScheduleWhen::Weekly { on, .. } if on.is_empty() => {
            Err(invalid("when.weekly.on: name at least one day"))
        }
        ScheduleWhen::Weekly { at, .. } => check_at("weekly", at),
        ScheduleWhen::Monthly { day, .. } if !(1..=31).contains(day) => {
            Err(invalid(format!("when.monthly.day: is {day}, must be 1 to 31")))
        }
        ScheduleWhen::Monthly { at, .. } => check_at("monthly", at),
    }
}

/// `HH:MM`, 00:00 to 23:59.
fn check_at(kind: &str, at: &str) -> Result<(), Rejection> {
    let number = |text: &str, limit: u32| {
        let is_two = text.len() == 2 && text.bytes().all(|it| it.is_ascii_digit());
        is_two && text.parse::<u32>().is_ok_and(|value| value < limit)
    };
    match at.split_once(':') {
        Some((hour, minute)) if number(hour, 24) && number(minute, 60) => Ok(()),
        _ => Err(invalid(format!("when.{kind}.at: {at:?} is no time of day, write HH:MM"))),
    }
}

fn check_target(target: &DeliveryTarget) -> Result<(), (&'static str, String)> {
    match target {
        DeliveryTarget::File { folder, name } => {
            check_folder(folder).map_err(|reason| ("file.folder", reason))?;
            check_name(name).map_err(|reason| ("file.name", reason))
        }
        DeliveryTarget::Webhook { url, secret } => {
            check_url(url).map_err(|reason| ("webhook.url", reason))?;
            check_reference(secret).map_err(|reason| ("webhook.secret", reason))
        }
        DeliveryTarget::Mail { to, subject } => {
            if to.is_empty() {
                return Err(("mail.to", "name at least one recipient".to_owned()));
            }
            if to.len() > RECIPIENTS_MAX {
                let found = to.len();
                return Err(("mail.to", format!("has {found}, the limit is {RECIPIENTS_MAX}")));
            }
            for name in to {
                check_reference(name).map_err(|reason| ("mail.to", reason))?;
            }
            check_pattern(subject).map_err(|reason| ("mail.subject", reason))
        }
    }
}

/// A name of something in the server's settings. An address would be personal data in a document that stays for ever.
pub(super) fn check_reference(name: &str) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-".contains(c);
    if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
        return Err("write the name it has in the server's settings: letters, digits, '-' and '_'"
            .to_owned());
    }
    Ok(())
}

fn check_folder(folder: &str) -> Result<(), String> {
    if folder.len() > TEXT_BYTES_MAX {
        return Err(format!("is longer than {TEXT_BYTES_MAX} bytes"));
    }
    if folder.is_empty() {
        return Ok(());
    }
    let is_odd = |part: &str| part.is_empty() || part.starts_with('.') || part.contains('\\');
    if folder.split('/').any(is_odd) || folder.chars().any(char::is_control) {
        return Err(format!(
            "{folder:?} is no path inside the allowed folder; parts must not be empty or begin with '.'"
        ));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), String> {
    check_pattern(name)?;
    if name.is_empty() || name.starts_with('.') || name.contains(['/', '\\']) {
        return Err(format!("{name:?} is no name of a file"));
    }
    Ok(())
}

/// Every `{` is one of the placeholders.
fn check_pattern(pattern: &str) -> Result<(), String> {
    if pattern.len() > TEXT_BYTES_MAX {
        return Err(format!("is longer than {TEXT_BYTES_MAX} bytes"));
    }
    if pattern.chars().any(char::is_control) {
        return Err("has control characters".to_owned());
    }
    let mut rest = pattern;
    while let Some(at) = rest.find(['{', '}']) {
        let (_, found) = rest.split_at(at);
        let known = NAME_PLACEHOLDERS
            .iter()
            .find_map(|name| found.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}'));
        rest = known.ok_or_else(|| {
            format!("{pattern:?}: in braces can be {}", NAME_PLACEHOLDERS.join(", "))
        })?;
    }
    Ok(())
}

pub(super) fn check_url(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let Some(rest) = rest.filter(|_| url.len() <= TEXT_BYTES_MAX) else {
        return Err(format!("begins with https:// and has at most {TEXT_BYTES_MAX} bytes"));
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() || authority.contains('@') {
        return Err("names a host, and no user or password".to_owned());
    }
    if url.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err("has white space".to_owned());
    }
    Ok(())
}
