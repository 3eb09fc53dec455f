//! The service `Gossip`: a cluster of one. Asked before anybody has credentials.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::event::UuidForm;
use super::wire::gossip as wire;
use super::wire::shared::Empty;

#[derive(Clone, Debug)]
pub(crate) struct GossipService {
    pub(crate) instance_id: Uuid,
    pub(crate) listen: SocketAddr,
}

#[tonic::async_trait]
impl wire::gossip_server::Gossip for GossipService {
    async fn read(&self, request: Request<Empty>) -> Result<Response<wire::ClusterInfo>, Status> {
        // The address this client reached us at is one it can reach again.
        let address = request.local_addr().unwrap_or(self.listen);
        let ticks =
            SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos() / 100;
        let member = wire::MemberInfo {
            instance_id: Some(UuidForm::Text.write(self.instance_id)),
            time_stamp: i64::try_from(ticks).unwrap_or(i64::MAX),
            state: wire::member_info::VNodeState::Leader.into(),
            is_alive: true,
            http_end_point: Some(wire::EndPoint {
                address: address.ip().to_string(),
                port: u32::from(address.port()),
            }),
        };
        Ok(Response::new(wire::ClusterInfo { members: vec![member] }))
    }
}
