//! The simple protocol: text in, all statements of it answered in order.

use std::fmt::Debug;

use async_trait::async_trait;
use futures::Sink;
use pgwire::api::portal::Format;
use pgwire::api::query::SimpleQueryHandler;
use pgwire::api::results::Response;
use pgwire::api::store::PortalStore;
use pgwire::api::{ClientInfo, ClientPortalStore};
use pgwire::error::{PgWireError, PgWireResult};
use pgwire::messages::PgWireBackendMessage;

use super::command;
use super::connection::Connection;
use super::copy;
use super::cursor;
use super::encode::{fields, from_query, response};
use super::parameters;
use crate::error::QueryError;

#[async_trait]
impl SimpleQueryHandler for Connection {
    async fn do_query<C>(&self, client: &mut C, query: &str) -> PgWireResult<Vec<Response>>
    where
        C: ClientInfo + ClientPortalStore + Sink<PgWireBackendMessage> + Unpin + Send + Sync,
        C::PortalStore: PortalStore,
        C::Error: Debug,
        PgWireError: From<<C as Sink<PgWireBackendMessage>>::Error>,
    {
        self.principal()?;
        let limit = self.state.engine.limits().sql_bytes_max;
        let statements = match crate::sql::parse(query, limit) {
            Ok(statements) => statements,
            Err(error) => {
                let question = self.question(query.to_owned())?;
                let error = self.state.refuse(&question, error).await;
                return Err(from_query(&error, Some(query)));
            }
        };
        // Rows of a copy go out at once, the answers of other statements when all are there.
        if statements.len() > 1 && statements.iter().any(copy::is_copy) {
            let error = QueryError::Unsupported("COPY has to be sent by itself".to_owned());
            let error = self.state.refuse(&self.question(query.to_owned())?, error).await;
            return Err(from_query(&error, Some(query)));
        }
        let mut responses = Vec::with_capacity(statements.len());
        for statement in statements {
            if command::is_command(&statement) {
                responses.push(command::run(self, &statement, &Format::UnifiedText).await?);
                continue;
            }
            let question = self.question(query.to_owned())?;
            let read = copy::of(&statement, limit)
                .transpose()
                .and_then(|copied| Ok((copied, cursor::declared(&statement).transpose()?)));
            let (copied, declared) = match read {
                Ok(read) => read,
                Err(error) => {
                    let error = self.state.refuse(&question, error).await;
                    return Err(from_query(&error, Some(query)));
                }
            };
            let (mut statement, copy) = match (copied, &declared) {
                (Some((statement, copy)), _) => (statement, Some(copy)),
                (None, Some(declared)) => (declared.question.clone(), None),
                (None, None) => (statement, None),
            };
            parameters::narrow(&mut statement);
            let deadline = self.deadline(&question);
            let answer = self
                .state
                .ask_parsed(question, Some(statement))
                .await
                .map_err(|error| from_query(&error, Some(query)))?;
            responses.push(match (copy, declared) {
                (Some(copy), _) => Response::Execution(copy::send(client, answer, copy).await?),
                (None, Some(declared)) => {
                    Response::Execution(self.cursors.open(&declared, answer, deadline).await?)
                }
                (None, None) => {
                    let fields = fields(&answer.schema(), &Format::UnifiedText)?;
                    Response::Query(response(answer, fields))
                }
            });
        }
        Ok(responses)
    }
}
