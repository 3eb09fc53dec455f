//! What is sent of an event: a `CloudEvents` 1.0 object in JSON.

use ledgerline_schemas::id::{EntityId, EventId, OrgId, derive_id};
use ledgerline_schemas::webhook::TEST_TYPE;
use ledgerline_schemas::{Recorded, Timestamp};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// Media type of the body.
pub const MEDIA_TYPE: &str = "application/cloudevents+json";
/// Largest body, bytes. An event that is larger is sent without its data.
pub const BODY_BYTES_MAX: usize = 20_000;

/// The `webhook-id` of an event at a subscription: the same for every attempt.
#[must_use]
pub fn message_id(event_id: EventId, subscription_id: EntityId) -> Uuid {
    derive_id(event_id.uuid(), &format!("webhook:{subscription_id}"))
}

/// The body of an event that is sent as a type. Sealed personal data stays sealed.
///
/// Positions are text, for `CloudEvents` integers have 32 bits.
#[must_use]
pub fn of_event(recorded: &Recorded, event_type: &str) -> Vec<u8> {
    let header = &recorded.header;
    let mut object = Map::new();
    let mut put = |name: &str, value: Value| object.insert(name.to_owned(), value);
    put("specversion", json!("1.0"));
    put("id", json!(header.id));
    put("source", json!(source(header.org_id)));
    put("type", json!(event_type));
    put("time", json!(header.time));
    put("subject", json!(header.stream));
    put("position", json!(header.position.to_string()));
    put("streamversion", json!(header.version.to_string()));
    put("recordedat", json!(header.recorded_at));
    put("logtype", json!(&*header.event_type));
    put("correlationid", json!(header.correlation_id));
    if let Some(causation_id) = header.causation_id {
        put("causationid", json!(causation_id));
    }
    if let Some(traceparent) = &header.traceparent {
        put("traceparent", json!(traceparent));
    }
    if let Ok(event) = recorded.decode() {
        put("datacontenttype", json!("application/json"));
        put("data", event.to_json());
    }
    let whole = text(&object);
    if whole.len() <= BODY_BYTES_MAX {
        return whole;
    }
    object.remove("data");
    object.remove("datacontenttype");
    // Where it is to be had: the event stream, from the position before it on.
    let before = header.position.0.saturating_sub(1);
    let place = format!("/v1/realtime/sse?dataset=events&after={before}");
    object.insert("dataref".to_owned(), json!(place));
    object.insert("dataomitted".to_owned(), json!(true));
    text(&object)
}

/// The body of a request that only tries a subscription.
#[must_use]
pub fn of_test(org_id: OrgId, id: Uuid, subscription: &str, now: Timestamp) -> Vec<u8> {
    let object = json!({
        "specversion": "1.0",
        "id": id,
        "source": source(org_id),
        "type": TEST_TYPE,
        "time": now,
        "subject": "webhook",
        "datacontenttype": "application/json",
        "data": {"subscription": subscription},
    });
    object.to_string().into_bytes()
}

fn source(org_id: OrgId) -> String {
    format!("/orgs/{org_id}")
}

fn text(object: &Map<String, Value>) -> Vec<u8> {
    // Maps with text as keys always serialize.
    serde_json::to_vec(object).unwrap_or_default()
}
