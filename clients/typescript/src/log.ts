import type { Channel, Then } from "./channel.js";
import type { RealtimeError } from "./error.js";
import type { AnyEvent, Payloads } from "./events.js";
import type { ServerFrame, SubscribeFrame } from "./protocol.js";
import { Signal } from "./signal.js";

const WAITING_MAX = 4096;

/** An event of a known type, with its payload. */
export type LogEvent<T extends keyof Payloads> = AnyEvent & { type: T; data: Payloads[T] };

/** Whether an event is of a type; then its payload is known. */
export function isEvent<T extends keyof Payloads>(event: AnyEvent, type: T): event is LogEvent<T> {
  return event.type === type && event.data !== undefined;
}

export interface LogOptions {
  /** Begin after this position; 0 is the beginning. Left out: with the next event. */
  after?: number;
  /** Beginnings of event types and of streams. */
  filter?: { type?: string | readonly string[]; stream?: string | readonly string[] };
  /** When more events wait for the loop, the server is asked to stop for a while; 4,096 when left out. */
  waitingMax?: number;
}

/**
 * The event stream, to be looped over once: every event, in order, none twice. To go on in another process, keep the
 * `position` of the last event that was dealt with and give it as `after`.
 */
export class Log implements Channel, AsyncIterable<AnyEvent> {
  #waiting: AnyEvent[] = [];
  #after: number | undefined;
  #isPaused = false;
  #ended = false;
  #error: RealtimeError | undefined;
  #moved = new Signal();
  readonly #request: Omit<SubscribeFrame, "type" | "id">;
  readonly #waitingMax: number;
  readonly #leave: () => void;
  readonly #resume: () => void;

  /** @internal */
  constructor(options: LogOptions, leave: () => void, resume: () => void) {
    this.#request = { dataset: "events", ...(options.filter && { filter: options.filter }) };
    this.#after = options.after;
    this.#waitingMax = options.waitingMax ?? WAITING_MAX;
    this.#leave = leave;
    this.#resume = resume;
  }

  /** Everything up to here has come from the server; undefined until it has said where it begins. */
  get position(): number | undefined {
    return this.#after;
  }

  /** Ends the subscription, and the loop once it has what was there. */
  close(): void {
    this.#leave();
    this.end();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<AnyEvent> {
    while (true) {
      const waiting = this.#waiting;
      this.#waiting = [];
      yield* waiting;
      if (this.#waiting.length > 0) {
        continue;
      }
      if (this.#isPaused) {
        this.#isPaused = false;
        this.#resume();
      }
      if (this.#error !== undefined) {
        throw this.#error;
      }
      if (this.#ended) {
        return;
      }
      await this.#moved.wait();
    }
  }

  /** @internal */
  wanted(): Omit<SubscribeFrame, "type" | "id"> {
    // A position says as much as a token and does not expire.
    return this.#after === undefined ? this.#request : { ...this.#request, after: this.#after };
  }

  /** @internal */
  take(frame: ServerFrame): Then {
    switch (frame.type) {
      case "events":
        if (this.#after !== undefined && frame.from !== this.#after) {
          return "restart";
        }
        this.#after = frame.to;
        this.#waiting.push(...(frame.events as AnyEvent[]));
        this.#moved.wake();
        if (this.#waiting.length > this.#waitingMax && !this.#isPaused) {
          this.#isPaused = true;
          this.#leave();
        }
        return "go_on";
      case "progress":
        this.#after = frame.position;
        return "go_on";
      case "resync":
        return "again";
      default:
        return "go_on";
    }
  }

  /** @internal */
  interrupted(): void {}

  /** @internal */
  end(error?: RealtimeError): void {
    this.#ended = true;
    this.#error ??= error;
    this.#moved.wake();
  }
}
