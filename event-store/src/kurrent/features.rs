//! The service `ServerFeatures`: what clients may use here. Asked before anybody has credentials.

use tonic::{Request, Response, Status};

use super::wire::server_features as wire;
use super::wire::shared::Empty;

/// The server version whose protocol is spoken.
const VERSION: &str = "24.10.0";
const GROUPS: &str = "event_store.client.persistent_subscriptions.persistentsubscriptions";
const STREAMS: &str = "event_store.client.streams.streams";

/// Names are lower case on the wire.
const METHODS: &[(&str, &str, &[&str])] = &[
    ("append", STREAMS, &[]),
    ("batchappend", STREAMS, &[]),
    ("read", STREAMS, &["position", "events"]),
    ("create", GROUPS, &["stream", "all"]),
    ("update", GROUPS, &["stream", "all"]),
    ("delete", GROUPS, &["stream", "all"]),
    ("read", GROUPS, &["stream", "all"]),
    ("getinfo", GROUPS, &["stream", "all"]),
    ("replayparked", GROUPS, &["stream", "all"]),
    ("list", GROUPS, &["stream", "all"]),
    ("restartsubsystem", GROUPS, &[]),
    ("read", "event_store.client.gossip.gossip", &[]),
    ("getsupportedmethods", "event_store.client.server_features.serverfeatures", &[]),
];

#[derive(Clone, Copy, Debug)]
pub(crate) struct FeaturesService;

#[tonic::async_trait]
impl wire::server_features_server::ServerFeatures for FeaturesService {
    async fn get_supported_methods(
        &self,
        _: Request<Empty>,
    ) -> Result<Response<wire::SupportedMethods>, Status> {
        let methods = METHODS
            .iter()
            .map(|(method, service, features)| wire::SupportedMethod {
                method_name: (*method).to_owned(),
                service_name: (*service).to_owned(),
                features: features.iter().map(|it| (*it).to_owned()).collect(),
            })
            .collect();
        let event_store_server_version = VERSION.to_owned();
        Ok(Response::new(wire::SupportedMethods { methods, event_store_server_version }))
    }
}
