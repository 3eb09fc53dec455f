import type { ErrorCode } from "./protocol.js";

/** A subscription cannot go on, and trying again would not help. */
export class RealtimeError extends Error {
  override readonly name = "RealtimeError";

  constructor(
    /** What kind of mistake; `protocol` when the server cannot be understood. */
    readonly code: ErrorCode | "protocol",
    message: string,
  ) {
    super(message);
  }
}
