//! The port through which documents of an issuer come.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

pub use url::Url;

/// A future that a [`KeyFetcher`] gives back.
pub type Fetching<'a> = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send + 'a>>;

/// A document did not come. The text is for the operator.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FetchError(pub String);

/// Fetches documents of an issuer.
///
/// An implementation answers within a time of its own, follows no redirect (the place of keys is what was configured
/// or discovered, nobody on the way changes it), and gives up on a body longer than `bytes_max`.
pub trait KeyFetcher: Send + Sync + fmt::Debug + 'static {
    /// The body of a successful `GET`.
    fn fetch<'a>(&'a self, url: &'a Url, bytes_max: usize) -> Fetching<'a>;
}
