//! A receiver of webhooks over a real socket and on a thread of its own, that answers as it is told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, mpsc};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, oneshot};

use super::world::World;

/// How it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// With this status.
    Status(u16),
    /// With this status and where to go instead.
    Redirect(u16, String),
    /// Not at all, the connection stays open.
    Silence,
    /// It hangs up after it has read the request.
    HangUp,
    /// With success and a body that never ends.
    Endless,
    /// The sender's process ends before the request counts.
    CrashBefore,
    /// The request is taken, and the sender's process ends before it knows.
    CrashAfter,
}

/// A request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) line: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
    /// It was answered with success.
    pub(crate) is_taken: bool,
}

impl Request {
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub(crate) fn id(&self) -> String {
        self.headers["webhook-id"].clone()
    }

    pub(crate) fn position(&self) -> u64 {
        self.json()["position"].as_str().unwrap().parse().unwrap()
    }

    pub(crate) fn stream(&self) -> String {
        self.json()["subject"].as_str().unwrap().to_owned()
    }
}

/// What it does and what it saw.
#[derive(Debug)]
pub(crate) struct Book {
    /// The answers to come; then `rest`.
    pub(crate) script: Mutex<VecDeque<Answer>>,
    pub(crate) rest: Mutex<Answer>,
    /// Answers to requests of these streams, whatever else is laid down.
    pub(crate) by_stream: Mutex<BTreeMap<String, Answer>>,
    requests: Mutex<Vec<Request>>,
    /// Who connected.
    peers: Mutex<BTreeSet<SocketAddr>>,
    /// Connections whose request is not read to its end yet.
    reading: Mutex<usize>,
    pub(crate) crash: Notify,
}

pub(crate) struct Receiver {
    pub(crate) port: u16,
    pub(crate) book: Arc<Book>,
    _stop: oneshot::Sender<()>,
}

impl Receiver {
    pub(crate) fn start(rest: Answer) -> Self {
        let book = Arc::new(Book {
            script: Mutex::default(),
            rest: Mutex::new(rest),
            by_stream: Mutex::default(),
            requests: Mutex::default(),
            peers: Mutex::default(),
            reading: Mutex::default(),
            crash: Notify::new(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (tell, told) = mpsc::channel();
        let keeping = Arc::clone(&book);
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                tell.send(listener.local_addr().unwrap().port()).unwrap();
                let accepting = async {
                    loop {
                        let Ok((stream, peer)) = listener.accept().await else { return };
                        *keeping.reading.lock().unwrap() += 1;
                        keeping.peers.lock().unwrap().insert(peer);
                        tokio::spawn(serve(stream, Arc::clone(&keeping)));
                    }
                };
                tokio::select! {
                    () = accepting => {}
                    _ = stopped => {}
                }
            });
        });
        let port = told.recv().unwrap();
        Self { port, book, _stop: stop }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/take/it?key=abc", self.port)
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn now_answers(&self, rest: Answer) {
        *self.book.rest.lock().unwrap() = rest;
    }

    pub(crate) fn requests(&self) -> Vec<Request> {
        self.book.requests.lock().unwrap().clone()
    }

    /// The requests that were answered with success.
    pub(crate) fn taken(&self) -> Vec<Request> {
        self.requests().into_iter().filter(|it| it.is_taken).collect()
    }

    pub(crate) fn connections(&self) -> usize {
        self.book.peers.lock().unwrap().len()
    }

    /// Waits until everything that was on its way here is read: connections are accepted in their order.
    pub(crate) fn settled(&self) {
        let last = std::net::TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        let address = last.local_addr().unwrap();
        drop(last);
        let is_read = || *self.book.reading.lock().unwrap() == 0;
        while !(self.book.peers.lock().unwrap().contains(&address) && is_read()) {
            std::thread::yield_now();
        }
    }
}

impl World {
    /// A subscription of everything about tasks, by this receiver.
    pub(crate) fn new(receiver: &Receiver) -> Self {
        Self::to(&receiver.url(), receiver.host())
    }
}

impl Book {
    /// Writes a request down and says how it is answered.
    fn enter(&self, mut request: Request) -> Answer {
        let answer = {
            let subject = request.json()["subject"].as_str().unwrap().to_owned();
            let of_stream = self.by_stream.lock().unwrap().get(&subject).cloned();
            let next = || self.script.lock().unwrap().pop_front();
            of_stream.or_else(next).unwrap_or_else(|| self.rest.lock().unwrap().clone())
        };
        request.is_taken = match &answer {
            Answer::Status(status) => (200..300).contains(status),
            Answer::Endless | Answer::CrashAfter => true,
            _ => false,
        };
        self.requests.lock().unwrap().push(request);
        answer
    }
}

async fn serve(mut stream: TcpStream, book: Arc<Book>) {
    let request = read(&mut stream).await;
    let answer = request.map(|request| book.enter(request));
    *book.reading.lock().unwrap() -= 1;
    let Some(answer) = answer else { return };
    let head = |status: u16, more: &str| format!("HTTP/1.1 {status} x\r\n{more}\r\n");
    let closing = "content-length: 0\r\nconnection: close\r\n";
    match answer {
        Answer::Status(status) => {
            let _ = stream.write_all(head(status, closing).as_bytes()).await;
        }
        Answer::Redirect(status, to) => {
            let more = format!("location: {to}\r\n{closing}");
            let _ = stream.write_all(head(status, &more).as_bytes()).await;
        }
        Answer::Silence => std::future::pending().await,
        Answer::HangUp => {}
        Answer::Endless => {
            let begun = head(200, "connection: close\r\n");
            let _ = stream.write_all(begun.as_bytes()).await;
            while stream.write_all(&[b'x'; 1_024]).await.is_ok() {}
        }
        Answer::CrashBefore | Answer::CrashAfter => {
            book.crash.notify_one();
            std::future::pending().await
        }
    }
}

/// A request to its end, if it comes to one.
async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        if let Some(at) = bytes.windows(4).position(|it| it == b"\r\n\r\n") {
            break at;
        }
        let mut chunk = [0; 4_096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(length) => bytes.extend_from_slice(&chunk[..length]),
        }
    };
    let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
    let mut lines = text.lines();
    let line = lines.next().unwrap().to_owned();
    let headers: BTreeMap<String, String> = lines
        .filter_map(|it| it.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let length: usize = headers.get("content-length").map_or(0, |it| it.parse().unwrap());
    let mut body = bytes[head + 4..].to_vec();
    while body.len() < length {
        let mut chunk = [0; 4_096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => body.extend_from_slice(&chunk[..read]),
        }
    }
    Some(Request { line, headers, body, is_taken: false })
}
