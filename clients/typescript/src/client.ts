import type { Channel } from "./channel.js";
import { RealtimeError } from "./error.js";
import { Log, type LogOptions } from "./log.js";
import type { ClientFrame, Datasets, Keys, ServerFrame, SubscribeFrame } from "./protocol.js";
import { Rows, type RowsOptions } from "./rows.js";

export type State = "connecting" | "open" | "waiting" | "closed";

export interface ClientOptions {
  /** The server, such as `https://center.example`. */
  url: string;
  /** A token that may subscribe, or what gives one: it is asked whenever a connection is opened. */
  token: string | (() => string | Promise<string>);
  /** Longest wait between two attempts to connect; 10,000 when left out. */
  waitMaxMs?: number;
  /** A connection on which nothing came for so long is given up; 15,000 when left out. */
  silenceMaxMs?: number;
  onState?: (state: State) => void;
}

/** Wait before the first attempt after a connection broke. */
const WAIT_MS = 100;
const UNAUTHORIZED = 4401;
/** Closed like this, the next connection would be too: protocol, too large, forbidden. */
const FINAL = new Map([
  [1002, "protocol"],
  [1009, "too_large"],
  [4403, "forbidden"],
] as const);

/** Subscriptions over one connection, which is opened again when it breaks. */
export class Client {
  readonly #options: ClientOptions;
  readonly #url: string;
  readonly #channels = new Set<Channel>();
  /** Those the server knows, by the name they have there; a name is used once. */
  readonly #named = new Map<string, Channel>();
  #socket: WebSocket | undefined;
  #isReady = false;
  #names = 0;
  #attempts = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;
  #state: State = "closed";
  #isClosed = false;
  #failure: RealtimeError | undefined;

  constructor(options: ClientOptions) {
    const url = new URL("/v1/realtime", options.url);
    url.protocol = url.protocol.replace("http", "ws");
    this.#url = url.href;
    this.#options = options;
    void this.#connect();
  }

  get state(): State {
    return this.#state;
  }

  /** The rows of a live dataset, kept current. */
  rows<D extends keyof Datasets, C extends keyof Datasets[D] = keyof Datasets[D]>(
    dataset: D,
    options: RowsOptions<Datasets[D], C> = {},
  ): Rows<Pick<Datasets[D], C | (Keys[D] & keyof Datasets[D])>> {
    const request: Omit<SubscribeFrame, "type" | "id"> = {
      dataset,
      ...(options.filter && { filter: options.filter }),
      ...(options.columns && { columns: options.columns.map(String) }),
      ...(options.maxHz !== undefined && { max_hz: options.maxHz }),
    };
    const rows: Rows<Pick<Datasets[D], C | (Keys[D] & keyof Datasets[D])>> = new Rows(request, () => this.#leave(rows));
    return this.#join(rows);
  }

  /** The event stream from a position on. */
  events(options: LogOptions = {}): Log {
    const log: Log = new Log(
      options,
      () => this.#leave(log),
      () => (this.#isClosed ? log.end(this.#failure) : void this.#join(log)),
    );
    return this.#join(log);
  }

  /** Gives up the connection as if it had broken: another is opened, and subscriptions go on where they were. */
  reconnect(): void {
    this.#lost(0);
  }

  /** Ends every subscription and the connection. */
  close(): void {
    this.#end();
  }

  #join<T extends Channel>(channel: T): T {
    if (this.#isClosed) {
      channel.end(this.#failure ?? new RealtimeError("unavailable", "the client is closed"));
      return channel;
    }
    this.#channels.add(channel);
    this.#start(channel);
    return channel;
  }

  #leave(channel: Channel): void {
    this.#channels.delete(channel);
    for (const [id, named] of this.#named) {
      if (named === channel) {
        this.#named.delete(id);
        this.#send({ type: "unsubscribe", id });
      }
    }
  }

  #start(channel: Channel): void {
    if (!this.#isReady) {
      return;
    }
    this.#names += 1;
    const id = String(this.#names);
    this.#named.set(id, channel);
    this.#send({ type: "subscribe", id, ...channel.wanted() });
  }

  #send(frame: ClientFrame): void {
    if (this.#isReady || frame.type === "auth") {
      this.#socket?.send(JSON.stringify(frame));
    }
  }

  #set(state: State): void {
    if (this.#state !== state) {
      this.#state = state;
      this.#options.onState?.(state);
    }
  }

  async #connect(): Promise<void> {
    if (this.#socket !== undefined) {
      return;
    }
    this.#set("connecting");
    let token: string;
    try {
      token = typeof this.#options.token === "string" ? this.#options.token : await this.#options.token();
    } catch {
      // Whoever gives tokens may be as unreachable as the server.
      this.#lost(0);
      return;
    }
    if (this.#isClosed || this.#socket !== undefined) {
      return;
    }
    const socket = new WebSocket(this.#url);
    this.#socket = socket;
    const mine = (then: () => void) => () => {
      if (this.#socket === socket) {
        then();
      }
    };
    this.#listen();
    socket.onopen = mine(() => this.#send({ type: "auth", token }));
    socket.onmessage = (message) => mine(() => this.#take(message.data))();
    socket.onclose = (close) => mine(() => this.#lost(close.code, close.reason))();
    // `close` follows.
    socket.onerror = () => {};
  }

  /** Gives the connection up when nothing comes. */
  #listen(): void {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => this.#lost(0), this.#options.silenceMaxMs ?? 15_000);
  }

  #take(data: unknown): void {
    let frame: ServerFrame;
    try {
      frame = JSON.parse(String(data)) as ServerFrame;
    } catch {
      this.#end(new RealtimeError("protocol", "a frame is not JSON"));
      return;
    }
    this.#listen();
    if (frame.type === "ready") {
      this.#isReady = true;
      this.#attempts = 0;
      this.#set("open");
      for (const channel of this.#channels) {
        this.#start(channel);
      }
      return;
    }
    const id = "id" in frame ? frame.id : undefined;
    const channel = typeof id === "string" ? this.#named.get(id) : undefined;
    if (typeof id !== "string" || channel === undefined) {
      return;
    }
    if (frame.type === "error") {
      this.#named.delete(id);
      this.#channels.delete(channel);
      channel.end(new RealtimeError(frame.code, frame.message));
      return;
    }
    const then = channel.take(frame);
    if (then !== "go_on") {
      this.#named.delete(id);
      if (then === "restart") {
        this.#send({ type: "unsubscribe", id });
      }
      this.#start(channel);
    }
  }

  #lost(code: number, reason = ""): void {
    if (this.#isClosed) {
      return;
    }
    const wasReady = this.#isReady;
    this.#drop();
    const final = FINAL.get(code as 1002);
    if (final !== undefined) {
      this.#end(new RealtimeError(final, reason || `the server closed: ${code}`));
      return;
    }
    // A token that has expired can be replaced; one that was not taken at all would not be next time.
    if (code === UNAUTHORIZED && !(wasReady && typeof this.#options.token === "function")) {
      this.#end(new RealtimeError("unauthorized", reason));
      return;
    }
    this.#set("waiting");
    const longest = this.#options.waitMaxMs ?? 10_000;
    const wait = Math.min(longest, WAIT_MS * 2 ** Math.min(this.#attempts, 16));
    this.#attempts += 1;
    clearTimeout(this.#timer);
    // Up to half more, so that many clients do not come at once.
    this.#timer = setTimeout(() => void this.#connect(), wait * (1 + Math.random() / 2));
  }

  #drop(): void {
    clearTimeout(this.#silence);
    const socket = this.#socket;
    this.#socket = undefined;
    this.#isReady = false;
    this.#named.clear();
    for (const channel of this.#channels) {
      channel.interrupted();
    }
    socket?.close();
  }

  #end(error?: RealtimeError): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#failure = error;
    clearTimeout(this.#timer);
    this.#drop();
    for (const channel of this.#channels) {
      channel.end(error);
    }
    this.#channels.clear();
    this.#set("closed");
  }
}
