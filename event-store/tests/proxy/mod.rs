//! A TCP proxy that cuts connections after a number of bytes, or all of them for a while.
#![allow(dead_code, reason = "every test uses a part of it")]
#![allow(clippy::expect_used, reason = "a test helper that cannot go on should fail the test")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use tokio::sync::watch;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// Bytes that still pass in each direction before the next cut; negative: no cut is due.
#[derive(Debug)]
struct Scissors {
    request: AtomicI64,
    answer: AtomicI64,
    cuts: AtomicUsize,
    stopped: watch::Sender<bool>,
}

/// A running proxy; ends with its runtime.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    scissors: Arc<Scissors>,
}

impl Proxy {
    pub(crate) async fn start(server: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let scissors = Arc::new(Scissors {
            request: AtomicI64::new(-1),
            answer: AtomicI64::new(-1),
            cuts: AtomicUsize::new(0),
            stopped: watch::Sender::new(false),
        });
        let shared = Arc::clone(&scissors);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, server, Arc::clone(&shared)));
            }
        });
        Self { address, scissors }
    }

    /// The connection breaks when so many bytes more have gone to the server.
    pub(crate) fn cut_request_after(&self, bytes: usize) {
        self.scissors.request.store(i64::try_from(bytes).expect("few"), Ordering::SeqCst);
    }

    /// The connection breaks when so many bytes more have come from the server.
    pub(crate) fn cut_answer_after(&self, bytes: usize) {
        self.scissors.answer.store(i64::try_from(bytes).expect("few"), Ordering::SeqCst);
    }

    /// Every connection breaks, and new ones do at once.
    pub(crate) fn stop(&self) {
        self.scissors.stopped.send_replace(true);
    }

    /// New connections are carried again.
    pub(crate) fn go_on(&self) {
        self.scissors.stopped.send_replace(false);
    }

    /// Connections cut so far.
    pub(crate) fn cuts(&self) -> usize {
        self.scissors.cuts.load(Ordering::SeqCst)
    }
}

async fn carry(client: TcpStream, server: SocketAddr, scissors: Arc<Scissors>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (client_in, client_out) = client.into_split();
    let (server_in, server_out) = server.into_split();
    let mut stopped = scissors.stopped.subscribe();
    // When one direction ends, the connection does.
    tokio::select! {
        biased;
        _ = stopped.wait_for(|stopped| *stopped) => {}
        () = pass(client_in, server_out, &scissors.request, &scissors.cuts) => {}
        () = pass(server_in, client_out, &scissors.answer, &scissors.cuts) => {}
    }
}

async fn pass(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    left: &AtomicI64,
    cuts: &AtomicUsize,
) {
    let mut buffer = vec![0; 8 << 10];
    while let Ok(count) = from.read(&mut buffer).await {
        if count == 0 {
            return;
        }
        let allowed = left.load(Ordering::SeqCst);
        if allowed >= 0 {
            let pass = usize::try_from(allowed).expect("not negative").min(count);
            if to.write_all(buffer.get(..pass).expect("within")).await.is_err() {
                return;
            }
            if pass < count {
                left.store(-1, Ordering::SeqCst);
                cuts.fetch_add(1, Ordering::SeqCst);
                return;
            }
            left.fetch_sub(i64::try_from(pass).expect("few"), Ordering::SeqCst);
        } else if to.write_all(buffer.get(..count).expect("within")).await.is_err() {
            return;
        }
    }
}
