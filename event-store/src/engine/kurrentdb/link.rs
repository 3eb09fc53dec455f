//! A client that is made again whenever it may be broken, and the time limits of its calls.

use std::fmt;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use eventstore::{
    Client, ClientSettings, CurrentRevision, Error, ReadStreamOptions, RecordedEvent,
};
use tokio::time::Instant;

use crate::engine::CarrierError;

/// First and longest pause between two tries of one call.
const PAUSE: [Duration; 2] = [Duration::from_millis(20), Duration::from_millis(500)];

/// gRPC codes that say that the request itself is wrong: INVALID_ARGUMENT, FAILED_PRECONDITION, OUT_OF_RANGE
/// (the `Status` codes of the gRPC core specification). As numbers: the client's tonic is not ours.
const REFUSALS: [i32; 3] = [3, 9, 11];

/// Why a call was not done.
#[derive(Debug)]
pub(super) enum Failure {
    /// There is no such stream.
    NoStream,
    /// The stream's last revision is another: `None` when it has no events.
    Revision(Option<u64>),
    /// The server said no, and will say it again.
    Refused(String),
    /// The server answered in no way that says whether the call was done.
    Unavailable(String),
}

impl From<Failure> for CarrierError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::NoStream => Self::Refused { reason: "the stream does not exist".to_owned() },
            Failure::Revision(last) => {
                Self::Moved { end: crate::engine::Offset(last.map_or(0, |it| it + 1)) }
            }
            Failure::Refused(reason) => Self::Refused { reason },
            Failure::Unavailable(reason) => Self::Unavailable { reason },
        }
    }
}

impl Failure {
    fn of(error: Error) -> Self {
        match error {
            Error::ResourceNotFound => Self::NoStream,
            Error::WrongExpectedVersion { current, .. } => Self::Revision(match current {
                CurrentRevision::Current(revision) => Some(revision),
                CurrentRevision::NoStream => None,
            }),
            Error::AccessDenied => Self::Refused("the rights are missing (access denied)".into()),
            Error::ResourceDeleted => Self::Refused("the stream was deleted".into()),
            Error::UnsupportedFeature => Self::Refused("the server does not know the call".into()),
            Error::Grpc { code, message } if REFUSALS.contains(&i32::from(code)) => {
                Self::Refused(format!("{code}: {message}"))
            }
            other => Self::Unavailable(other.to_string()),
        }
    }
}

/// A client, as long as it is known to work.
pub(super) struct Link {
    settings: ClientSettings,
    limit: Duration,
    client: Mutex<Option<Client>>,
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The settings hold credentials.
        f.debug_struct("Link").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Link {
    /// Reads the connection string. Connects later.
    pub(super) fn new(connection: &str, limit: Duration) -> Result<Self, CarrierError> {
        // The client would install aws-lc when nobody installed a provider before it.
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let settings = connection.parse::<ClientSettings>().map_err(|_| {
            // The parser's message repeats what it was given, with the password.
            let reason = "the connection string cannot be read; it looks like \
                          kurrentdb://user:password@host:2113?tls=true";
            CarrierError::Refused { reason: reason.to_owned() }
        })?;
        if settings.hosts().is_empty() {
            let reason = "the connection string names no host".to_owned();
            return Err(CarrierError::Refused { reason });
        }
        Ok(Self { settings, limit, client: Mutex::new(None) })
    }

    pub(super) const fn limit(&self) -> Duration {
        self.limit
    }

    /// The client at hand, or another.
    fn client(&self) -> Result<Client, Failure> {
        let mut slot = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        // Fails on files that are not there: certificates, keys.
        let client = Client::new(self.settings.clone())
            .map_err(|error| Failure::Refused(error.to_string()))?;
        Ok(slot.insert(client).clone())
    }

    /// The next call makes another client.
    fn forget(&self) {
        *self.client.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// One try of a call, until `deadline` at the latest.
    async fn attempt<T, F>(
        &self,
        deadline: Instant,
        call: impl FnOnce(Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let client = self.client()?;
        let failure = match tokio::time::timeout_at(deadline, call(client)).await {
            Ok(Ok(done)) => return Ok(done),
            // The client turns to the leader by itself.
            Ok(Err(error @ Error::NotLeaderException(_))) => return Err(Failure::of(error)),
            Ok(Err(error)) => Failure::of(error),
            Err(_) => Failure::Unavailable(format!("no answer within {:?}", self.limit)),
        };
        if matches!(failure, Failure::Unavailable(_)) {
            self.forget();
        }
        Err(failure)
    }

    /// A call that may be repeated, tried until it is answered or the time limit is over.
    pub(super) async fn repeat<T, F>(&self, call: impl Fn(Client) -> F) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let deadline = Instant::now() + self.limit;
        let mut pause = PAUSE[0];
        loop {
            let failure = match self.attempt(deadline, &call).await {
                Err(failure @ Failure::Unavailable(_)) => failure,
                answered => return answered,
            };
            if Instant::now() + pause >= deadline {
                return Err(failure);
            }
            tracing::debug!(?failure, "KurrentDB did not answer, trying again");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE[1]);
        }
    }

    /// Reads a stream, repeatedly if need be. No stream is [`Failure::NoStream`].
    pub(super) async fn read(
        &self,
        stream: &str,
        options: &ReadStreamOptions,
    ) -> Result<Vec<RecordedEvent>, Failure> {
        self.repeat(|client| read(client, stream, options)).await
    }

    /// Reads a stream; a lost connection is a failure.
    pub(super) async fn read_once(
        &self,
        stream: &str,
        options: &ReadStreamOptions,
    ) -> Result<Vec<RecordedEvent>, Failure> {
        let deadline = Instant::now() + self.limit;
        self.attempt(deadline, |client| read(client, stream, options)).await
    }
}

async fn read(
    client: Client,
    stream: &str,
    options: &ReadStreamOptions,
) -> Result<Vec<RecordedEvent>, Error> {
    let mut answer = client.read_stream(stream, options).await?;
    let mut events = Vec::new();
    while let Some(event) = answer.next().await? {
        // Links are not resolved, so this is the event itself.
        events.extend(event.event);
    }
    Ok(events)
}
