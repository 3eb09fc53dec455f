import type { RealtimeError } from "./error.js";
import type { ServerFrame, SubscribeFrame } from "./protocol.js";

/** What is to be done after a frame: nothing, subscribe again, or end the subscription and subscribe again. */
export type Then = "go_on" | "again" | "restart";

/** One subscription, whatever connection it is on. */
export interface Channel {
  /** What to ask for now, in order to go on. */
  wanted(): Omit<SubscribeFrame, "type" | "id">;
  take(frame: ServerFrame): Then;
  /** The connection is gone; what is here is of the past. */
  interrupted(): void;
  /** It has ended: by mistake, or because nobody wants it any more. */
  end(error?: RealtimeError): void;
}
