//! Positions that named consumers saved, in `checkpoints.redb` beside the segments.

use std::path::Path;

use ledgerline_schemas::Position;
use redb::{Builder, Database, ReadableDatabase as _, TableDefinition};

use crate::log::{AppendError, ReadError};

pub(crate) const FILE_NAME: &str = "checkpoints.redb";
const POSITIONS: TableDefinition<'_, &str, u64> = TableDefinition::new("positions_v1");

/// The checkpoint file. Every save is durable when it returns.
#[derive(Debug)]
pub(crate) struct Checkpoints(Database);

impl Checkpoints {
    pub(crate) fn open(directory: &Path) -> Result<Self, String> {
        let open = || -> Result<Database, redb::Error> {
            let database = Builder::new().create(directory.join(FILE_NAME))?;
            let write = database.begin_write()?;
            write.open_table(POSITIONS)?;
            write.commit()?;
            Ok(database)
        };
        open().map(Self).map_err(|error| error.to_string())
    }

    pub(crate) fn load(&self, consumer: &str) -> Result<Option<Position>, ReadError> {
        let load = || -> Result<Option<Position>, redb::Error> {
            let positions = self.0.begin_read()?.open_table(POSITIONS)?;
            Ok(positions.get(consumer)?.map(|position| Position(position.value())))
        };
        load().map_err(|error| ReadError::Io(std::io::Error::other(error.to_string())))
    }

    pub(crate) fn save(&self, consumer: &str, position: Position) -> Result<(), AppendError> {
        let save = || -> Result<(), redb::Error> {
            let write = self.0.begin_write()?;
            write.open_table(POSITIONS)?.insert(consumer, position.0)?;
            write.commit()?;
            Ok(())
        };
        save().map_err(|error| AppendError::Unavailable {
            reason: format!("the checkpoint of {consumer} cannot be saved: {error}"),
        })
    }
}
