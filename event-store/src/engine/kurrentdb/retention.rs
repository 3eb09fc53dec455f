//! Settings of a stream that would remove its events.

use eventstore::{ReadStreamOptions, StreamPosition};

use super::Shared;
use super::link::Failure;
use crate::engine::CarrierError;

/// Keys of a stream's metadata that remove events: number of events, their age in seconds, truncation before
/// a revision (KurrentDB documentation, "Stream metadata").
const REMOVING: [&str; 3] = ["$maxCount", "$maxAge", "$tb"];

/// Refuses a stream whose newest metadata removes events.
pub(super) async fn check(shared: &Shared) -> Result<(), CarrierError> {
    let stream = format!("$${}", shared.config.stream);
    let options = ReadStreamOptions::default()
        .position(StreamPosition::End)
        .backwards()
        .max_count(1)
        .requires_leader(true);
    let newest = match shared.link.read(&stream, &options).await {
        Ok(events) => events.into_iter().next(),
        Err(Failure::NoStream) => None,
        Err(failure) => return Err(failure.into()),
    };
    match newest {
        Some(event) => removes(&shared.config.stream, &event.data),
        None => Ok(()),
    }
}

/// What the metadata of a stream says about its events.
fn removes(stream: &str, metadata: &[u8]) -> Result<(), CarrierError> {
    let refused = |reason: String| Err(CarrierError::Refused { reason });
    // An empty body is metadata that was set to nothing.
    if metadata.is_empty() {
        return Ok(());
    }
    let Ok(serde_json::Value::Object(settings)) = serde_json::from_slice(metadata) else {
        return refused(format!("the metadata of stream {stream} cannot be read"));
    };
    for name in REMOVING {
        if let Some(value) = settings.get(name).filter(|value| !value.is_null()) {
            return refused(format!(
                "stream {stream} has {name} = {value} in its metadata, which removes events: \
                 remove it from the metadata, or name another stream"
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_that_removes_events_is_refused_by_name() {
        for (name, json) in [
            ("$maxCount", r#"{"$maxCount":1000000}"#),
            ("$maxAge", r#"{"owner":"x","$maxAge":31536000}"#),
            ("$tb", r#"{"$tb":0}"#),
        ] {
            let refused = removes("org-1", json.as_bytes());
            let Err(CarrierError::Refused { reason }) = refused else { panic!("{refused:?}") };
            assert!(reason.contains(name) && reason.contains("org-1"), "{reason}");
        }
    }

    #[test]
    fn other_metadata_is_taken() {
        for json in ["", "{}", r#"{"$maxAge":null}"#, r#"{"$acl":{"$r":"ops"},"$cacheControl":5}"#]
        {
            assert_eq!(removes("org-1", json.as_bytes()), Ok(()), "{json}");
        }
        for bad in ["[]", "{", "\u{1}"] {
            assert!(removes("org-1", bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
