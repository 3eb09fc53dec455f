//! The engine as the voice edge's [`CommandPort`].

use async_trait::async_trait;
use ledgerline_schemas::command::Commanded;
use ledgerline_schemas::config::ChannelType;

use super::port::{CommandPort, LiveLeg, PortError};
use crate::engine::{EngineError, EngineHandle};

impl From<EngineError> for PortError {
    fn from(error: EngineError) -> Self {
        match error {
            EngineError::Rejected(rejection) => Self::Rejected(rejection),
            EngineError::Busy => Self::Busy,
            EngineError::Unavailable(why) => Self::Unavailable(why),
        }
    }
}

#[async_trait]
impl CommandPort for EngineHandle {
    async fn submit(&self, command: Commanded) -> Result<(), PortError> {
        self.submit(command).await?;
        Ok(())
    }

    async fn live_legs(&self) -> Result<Vec<LiveLeg>, PortError> {
        let legs = self.read(|state| {
            state
                .media_legs()
                .filter(|(interaction, ..)| interaction.channel_type == ChannelType::Voice)
                .map(|(interaction, media_leg_id, side)| LiveLeg {
                    interaction_id: interaction.interaction_id,
                    media_leg_id,
                    side,
                })
                .collect()
        });
        Ok(legs.await?)
    }
}
