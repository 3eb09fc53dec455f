//! Which service a call is for.

use std::convert::Infallible;
use std::task::{Context, Poll};

use tonic::Status;
use tonic::body::Body;
use tonic::codegen::{BoxFuture, Service, http};
use tonic::server::NamedService;

use super::features::FeaturesService;
use super::gossip::GossipService;
use super::persistent::PersistentService;
use super::streams::StreamsService;
use super::wire::gossip::gossip_server::GossipServer;
use super::wire::persistent::persistent_subscriptions_server::PersistentSubscriptionsServer;
use super::wire::server_features::server_features_server::ServerFeaturesServer;
use super::wire::streams::streams_server::StreamsServer;

/// All services behind one port.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    pub(crate) features: ServerFeaturesServer<FeaturesService>,
    pub(crate) gossip: GossipServer<GossipService>,
    pub(crate) streams: StreamsServer<StreamsService>,
    pub(crate) persistent: PersistentSubscriptionsServer<PersistentService>,
}

impl Service<http::Request<Body>> for Router {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Infallible>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let path = request.uri().path();
        let service = path.strip_prefix('/').and_then(|rest| rest.split('/').next());
        match service.unwrap_or_default() {
            <StreamsServer<StreamsService> as NamedService>::NAME => self.streams.call(request),
            <PersistentSubscriptionsServer<PersistentService> as NamedService>::NAME => {
                self.persistent.call(request)
            }
            <ServerFeaturesServer<FeaturesService> as NamedService>::NAME => {
                self.features.call(request)
            }
            <GossipServer<GossipService> as NamedService>::NAME => self.gossip.call(request),
            other => {
                let status = Status::unimplemented(format!("service {other:?} is not served here"));
                Box::pin(std::future::ready(Ok(status.into_http())))
            }
        }
    }
}
